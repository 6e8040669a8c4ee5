"""MaskNet on MovieLens-1M: the settings of DeepFM, with its dropout in the blocks.

Command: `ctrzoo-train --dataset=movielens_1m --model=masknet --raw=ml-1m.zip`
Expected: test AUC 0.8577 ± 0.0015, log loss 0.3640 ± 0.0007;
test AUC 0.8581 ± 0.0003, log loss 0.3630 ± 0.0018 in parallel (three seeds).
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
        "embedding_l2": 6e-4,
        "dropout": 0.2,
    }
