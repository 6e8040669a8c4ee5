"""HoAFM on MovieLens-1M in its paper's formulation: the released code's form stayed at AUC 0.5 for three epochs.

Command: `ctrzoo-train --dataset=movielens_1m --model=hoafm --raw=ml-1m.zip`
Expected: test AUC 0.8376 ± 0.0023, log loss 0.3861 ± 0.0020 (three seeds)
after 10 to 13 epochs of 5 s on one core, with other work running.
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
        "formulation": "paper",
        "embedding_l2": 3e-5,
    }
