"""FiBiNET on MovieLens-1M: the settings of DeepFM, which has an MLP too.

Command: `ctrzoo-train --dataset=movielens_1m --model=fibinet --raw=ml-1m.zip`
Expected: test AUC 0.8583 ± 0.0002, log loss 0.3620 ± 0.0002 (three seeds).
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
        "deep_dropout": 0.2,
    }
