"""FinalNet on MovieLens-1M: the settings of DeepFM, with twice its penalty, and the gate of block 1.

Command: `ctrzoo-train --dataset=movielens_1m --model=finalnet --raw=ml-1m.zip`
Expected: test AUC 0.8590 ± 0.0001, log loss 0.3612 ± 0.0003 (three seeds).
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
        "use_gate": True,
        "first_dropout": 0.2,
        "second_dropout": 0.2,
    }
