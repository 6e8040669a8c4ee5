"""EulerNet on MovieLens-1M: the settings of DeepFM, the best of three tried.

One layer with layer normalization is what the authors use for MovieLens tags. The validation log loss rises and falls
while the learning rate is high, so patience is long: with 3 epochs, seed 2020 ended after half of the schedule.
Command: `ctrzoo-train --dataset=movielens_1m --model=eulernet --raw=ml-1m.zip`
Expected: test AUC 0.8585 ± 0.0004, log loss 0.3642 ± 0.0010 (three seeds).
"""

from ctrzoo.types import Config


def get_config() -> Config:
    """Return the settings."""
    return {
        "epochs": 16,
        "patience": 8,
        "learning_rate": 3e-3,
        "optimizer": "adam",
        "learning_rate_schedule": "cosine",
        "embedding_dropout": 0.1,
        "embedding_l2": 6e-4,
        "units": (52,),
    }
