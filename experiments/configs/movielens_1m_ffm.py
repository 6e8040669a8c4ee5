"""FFM on MovieLens-1M: the penalty on the embeddings was chosen on validation rows.

Command: `ctrzoo-train --dataset=movielens_1m --model=ffm --raw=ml-1m.zip`
Expected: test AUC 0.8279, log loss 0.3952 (one seed) after 21 epochs of 3.5 s on one core, beside other work.
"""


def get_config():
    """Return the settings."""
    return {"epochs": 60, "patience": 2, "optimizer": "dense_adam", "learning_rate_decay": 0.3, "embedding_l2": 1e-5}
