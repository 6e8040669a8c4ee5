"""FCN on MovieLens-1M: the settings of DCN-v2, with the authors' numbers of layers; they were not tuned here.

Command: `ctrzoo-train --dataset=movielens_1m --model=fcn --raw=ml-1m.zip`
"""

from ctrzoo.types import Config


def get_config() -> Config:
    """Return the settings."""
    return {
        "epochs": 16,
        "patience": 3,
        "learning_rate": 1e-3,
        "optimizer": "adam",
        "learning_rate_schedule": "cosine",
        "embedding_dropout": 0.1,
        "embedding_l2": 6e-4,
        "num_exponential_layers": 3,
        "exponential_dropout": 0.1,
        "num_linear_layers": 4,
        "linear_dropout": 0.1,
        "batch_norm": True,
    }
