"""FinalMLP on MovieLens-1M: the settings of DeepFM, with twice its penalty.

The gates have no context, and the fusion has 10 heads, as in FuxiCTR's settings for MovieLens tags.
Command: `ctrzoo-train --dataset=movielens_1m --model=finalmlp --raw=ml-1m.zip`
Expected: test AUC 0.8613 ± 0.0011, log loss 0.3579 ± 0.0012 (three seeds).
"""

from ctrzoo.types import Config


def get_config() -> Config:
    """Return the settings."""
    return {
        "epochs": 16,
        "patience": 3,
        "learning_rate": 3e-3,
        "optimizer": "adam",
        "learning_rate_schedule": "cosine",
        "embedding_dropout": 0.1,
        "embedding_l2": 1.2e-3,
        "first_dropout": 0.2,
        "second_dropout": 0.2,
        "num_heads": 10,
    }
