"""GDCN on MovieLens-1M: the settings of DCN-v2, to which it adds gates.

Command: `ctrzoo-train --dataset=movielens_1m --model=gdcn --raw=ml-1m.zip`
Expected: test AUC 0.8594 ± 0.0003, log loss 0.3600 ± 0.0005;
test AUC 0.8602 ± 0.0003, log loss 0.3590 ± 0.0005 in parallel (three seeds).
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
