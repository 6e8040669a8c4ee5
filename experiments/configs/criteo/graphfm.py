"""GraphFM on Criteo, with its paper's numbers of neighbors; so many rows need no dropout.

Command: `ctrzoo-train --dataset=criteo --model=graphfm --raw=train.txt`
Expected time: ten hours per pass on one Zen 4 core, at 1,032 rows/s. Not yet trained on all rows.
"""

from ctrzoo.types import Config


def get_config() -> Config:
    """Return the settings."""
    return {"epochs": 5, "patience": 1, "cpu_replicas": 2, "num_neighbors": (39, 20, 5)}
