"""Any model on Criteo: a pass or two of its 36.7 million training rows are enough. A step updates only its own rows.

Command: `ctrzoo-train --dataset=criteo --model=deepfm --raw=train.txt`
Expected times: `experiments/results/README.md`. No accuracy is known: it has not been trained on all rows.
"""

from ctrzoo.types import Config


def get_config() -> Config:
    """Return the settings."""
    return {"epochs": 5, "patience": 1}
