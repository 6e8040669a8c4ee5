"""GraphFM on Criteo, with the neighbors of its paper; no dropout is needed on so many rows.

Command: `ctrzoo-train --dataset=criteo --model=graphfm --raw=train.txt`
Expected time: a pass of ten hours of one core of a Zen 4 at 1,032 rows/s. Not yet trained on all rows.
"""

from ctrzoo.types import Config


def get_config() -> Config:
    """Return the settings."""
    return {"epochs": 5, "patience": 1, "cpu_replicas": 2, "num_neighbors": (39, 20, 5)}
