"""GraphFM on Criteo, with the neighbors of its paper; no dropout is needed on so many rows.

Command: `ctrzoo-train --dataset=criteo --model=graphfm --raw=train.txt`
"""


def get_config():
    """Return the settings."""
    return {"epochs": 5, "patience": 1, "optimizer": "adam", "branches": 2, "num_neighbors": (39, 20, 5)}
