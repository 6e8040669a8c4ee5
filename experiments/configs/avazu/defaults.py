"""Any model on Avazu: a pass or two of its 32.3 million training rows are enough. A step updates only its own rows.

Command: `ctrzoo-train --dataset=avazu --model=deepfm --raw=train.csv`
Expected times: `experiments/results/README.md`. No accuracy is known: it has not been trained on all rows.
"""

from ctrzoo.types import Config


def get_config() -> Config:
    """Return the settings."""
    return {"epochs": 5, "patience": 1}
