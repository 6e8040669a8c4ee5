"""GraphFM on synthetic clicks, small enough for a first try: about a minute on two cores.

Command: `ctrzoo-train`
"""

from ctrzoo.types import Config


def get_config() -> Config:
    """Return the settings."""
    return {"epochs": 3, "learning_rate": 3e-3, "cpu_replicas": 2, "units": (64, 64)}
