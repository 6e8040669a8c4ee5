"""GraphFM on MovieLens-1M, with the dropout that its authors' scripts use on this data set.

Command: `ctrzoo-train --dataset=movielens_1m --model=graphfm --raw=ml-1m.zip`
"""


def get_config():
    """Return the settings."""
    return {
        "epochs": 50,
        "patience": 4,
        "branches": 2,
        "num_neighbors": (7, 4, 2),
        "attention_dropout": 0.4,
        "embedding_dropout": 0.1,
    }
