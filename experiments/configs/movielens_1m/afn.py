"""AFN on MovieLens-1M: a third of DeepFM's learning rate, twice its penalty, and no dropout of embeddings.

With the default of 800 neurons, an epoch takes ten times as long: each has 16 outputs, which all enter the MLP. 100 are
still five times as many as there are pairs of the seven fields.

Command: `ctrzoo-train --dataset=movielens_1m --model=afn --raw=ml-1m.zip`
Expected: test AUC 0.8563 ± 0.0013, log loss 0.3640 ± 0.0014; with AFN+'s MLP 0.8556 ± 0.0009, 0.3647 ± 0.0013 (three
seeds).
"""

from ctrzoo.types import Config


def get_config() -> Config:
    """Return the settings."""
    return {
        "epochs": 16,
        "patience": 3,
        "learning_rate": 1e-3,
        "optimizer": "adam",
        "learning_rate_schedule": "cosine",
        "embedding_l2": 1.2e-3,
        "num_neurons": 100,
        "hidden_dropout": 0.2,
    }
