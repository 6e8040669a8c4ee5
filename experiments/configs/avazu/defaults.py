"""Any model on Avazu: one or two passes over its 32.3 million training rows suffice. Each step updates only its rows.

Command: `ctrzoo-train --dataset=avazu --model=deepfm --raw=train.csv`
Expected times: `experiments/results/README.md`. The accuracy is unknown, because no model was trained on all rows.
"""

from ctrzoo.types import Config


def get_config() -> Config:
    """Return the settings."""
    return {"epochs": 5, "patience": 1}
