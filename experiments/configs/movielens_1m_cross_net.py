"""CrossNet on MovieLens-1M: a large step size and a penalty on the embeddings, chosen on validation rows.

Command: `ctrzoo-train --dataset=movielens_1m --model=cross_net --raw=ml-1m.zip`
Expected: test AUC 0.8006, log loss 0.4186 (one seed) after 27 epochs of 3 to 10 s on one core, beside other work.
"""


def get_config():
    """Return the settings."""
    return {
        "epochs": 60,
        "patience": 2,
        "learning_rate": 1e-2,
        "optimizer": "dense_adam",
        "learning_rate_decay": 0.3,
        "embedding_l2": 1e-4,
    }
