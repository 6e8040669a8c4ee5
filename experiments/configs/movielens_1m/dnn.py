"""DNN on MovieLens-1M: the settings of DeepFM, whose deep part it is; they were not tuned for this model.

Command: `ctrzoo-train --dataset=movielens_1m --model=dnn --raw=ml-1m.zip`
Expected: test AUC 0.8561 ± 0.0006, log loss 0.3641 ± 0.0011 (three seeds).
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
