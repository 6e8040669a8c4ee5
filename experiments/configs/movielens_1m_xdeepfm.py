"""xDeepFM on MovieLens-1M: DeepFM's penalty and dropout, and 32 maps a layer of its CIN.

Command: `ctrzoo-train --dataset=movielens_1m --model=xdeepfm --raw=ml-1m.zip`
"""


def get_config():
    """Return the settings."""
    return {
        "epochs": 14,
        "patience": 3,
        "learning_rate": 3e-3,
        "learning_rate_schedule": "cosine",
        "units": (32, 32, 32),
        "embedding_dropout": 0.1,
        "embedding_l2": 6e-4,
        "deep_dropout": 0.2,
    }
