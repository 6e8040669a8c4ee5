"""DNN on MovieLens-1M: the settings of DeepFM, with twice its penalty and no dropout of embeddings.

Command: `ctrzoo-train --dataset=movielens_1m --model=dnn --raw=ml-1m.zip`
Expected: test AUC 0.8579 ± 0.0009, log loss 0.3621 ± 0.0010 (three seeds).
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
        "embedding_dropout": 0.0,
        "embedding_l2": 1.2e-3,
        "deep_dropout": 0.2,
    }
