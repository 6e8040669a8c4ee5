"""AFN on MovieLens-1M: the settings of DeepFM but for the dropout of embeddings; they were not tuned for this model.

With the default of 800 neurons, an epoch takes ten times as long: each has 16 outputs, which all enter the MLP. 100 are
still five times as many as there are pairs of the seven fields.

Command: `ctrzoo-train --dataset=movielens_1m --model=afn --raw=ml-1m.zip`
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
        "embedding_l2": 6e-4,
        "num_neurons": 100,
        "hidden_dropout": 0.2,
    }
