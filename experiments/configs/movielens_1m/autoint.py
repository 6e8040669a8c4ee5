"""AutoInt on MovieLens-1M: an embedding penalty and a little embedding dropout, where its authors use none.

Command: `ctrzoo-train --dataset=movielens_1m --model=autoint --raw=ml-1m.zip`
Expected: test AUC 0.8508 ± 0.0009, log loss 0.3700 ± 0.0018 (three seeds)
after 14 to 17 epochs of 29 to 31 s on one core, with other work running.
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
        "embedding_dropout": 0.1,
        "embedding_l2": 1e-4,
    }
