"""Models of histories on MovieLens-1M, next to models that see no history or pool it; three seeds each.

Command: `ctrzoo-sweep --config=movielens_history --raw=movielens_1m=ml-1m.zip --workers=2`

The data set's protocol is `history`: user, film, genres and the user's last 50 films before the rating, those rated 4
or 5 apart from the others. All models have the same size of embeddings, and all but LR and GraphFM the same MLP. The
settings of `configs/movielens_1m/`, which were chosen for another split, are replaced.
"""

import pathlib
from collections.abc import Sequence

from ctrzoo.types import Config

from ...sweeps.comparison import compare
from ...sweeps.grid import grid
from ...sweeps.own_times import write_own_times

SEEDS = (2018, 2019, 2020)
WITHOUT = {"shown": "nothing"}
DEEP = {"deep_units": (128, 64), "deep_dropout": 0.2, "embedding_l2": 1e-4}


def get_sweep() -> list[Config]:
    """Return the settings of each run: all models of one seed before the next seed."""
    common = {"dataset": "movielens_1m", "protocol": "history", "optimizer": "adam", "batch_size": 2048}
    common |= {"learning_rate": 2e-3, "learning_rate_schedule": "cosine", "epochs": 5, "patience": 5}
    linear = {"model": "lr", "linear_l2": 1e-5, "learning_rate": 1e-2}
    graphfm = {"model": "graphfm", "num_neighbors": (3, 2, 2), "embedding_l2": 1e-4, "cpu_replicas": 1}
    models = [
        {"label": "LR, no history", **linear, **WITHOUT},
        {"label": "LR", **linear},
        {"label": "GraphFM, no history", **graphfm, **WITHOUT},
        {"label": "DeepFM, no history", "model": "deepfm", "embedding_dropout": 0.0, **DEEP, **WITHOUT},
        {"label": "DeepFM", "model": "deepfm", "embedding_dropout": 0.0, **DEEP},
        {"label": "DCN-v2, no history", "model": "dcn_v2", "embedding_dropout": 0.0, **DEEP, **WITHOUT},
        {"label": "DCN-v2", "model": "dcn_v2", "embedding_dropout": 0.0, **DEEP},
        {"label": "pooled", "model": "pooled", **DEEP},
        {"label": "DIN", "model": "din", **DEEP},
        {"label": "DIEN", "model": "dien", **DEEP},
        {"label": "BST", "model": "bst", **DEEP},
    ]
    return [run for seed in SEEDS for model in models for run in grid(**{**common, **model}, seed=seed)]


def write_report(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Write a table and a picture of all models, and the same for test rows with a time of their own."""
    compare(rows, [], folder)
    write_own_times(rows, folder, "pooled")
