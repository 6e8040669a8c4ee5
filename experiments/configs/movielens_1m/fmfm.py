"""FmFM on MovieLens-1M: the settings of FM, of which it is a variant, and another penalty on the embeddings.

Command: `ctrzoo-train --dataset=movielens_1m --model=fmfm --raw=ml-1m.zip`
"""

from ctrzoo.types import Config


def get_config() -> Config:
    """Return the settings."""
    return {
        "epochs": 60,
        "patience": 2,
        "learning_rate": 3e-3,
        "optimizer": "adam",
        "plateau_factor": 0.3,
        "embedding_l2": 1e-4,
    }
