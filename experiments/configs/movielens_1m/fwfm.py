"""FwFM on MovieLens-1M: the settings of FM, of which it is a variant, and another penalty on the embeddings.

Command: `ctrzoo-train --dataset=movielens_1m --model=fwfm --raw=ml-1m.zip`
Expected: test AUC 0.8319 ± 0.0006, log loss 0.3908 ± 0.0006 (three seeds), an epoch of 2 s on one core.
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
        "embedding_l2": 3e-4,
    }
