"""GraphFM on Avazu, with its paper's numbers of neighbors; so many rows need no dropout.

Command: `ctrzoo-train --dataset=avazu --model=graphfm --raw=train.csv`
"""

from ctrzoo.types import Config


def get_config() -> Config:
    """Return the settings."""
    return {"epochs": 5, "patience": 1, "cpu_replicas": 2, "num_neighbors": (23, 10, 2)}
