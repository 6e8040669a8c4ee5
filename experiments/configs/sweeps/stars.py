"""FM and GraphFM on the stars of MovieLens-1M: regression and ranking, three seeds each.

Command: `ctrzoo-sweep --config=stars --raw=movielens_1m=ml-1m.zip --workers=2`

All 1,000,209 ratings are rows; the protocol is "clean". Regression minimizes the squared error. Ranking minimizes
RankNet's loss over pairs of ratings of one user. `stars.md` compares them with the mean of each user's training
ratings.
"""

import pathlib
from collections.abc import Sequence

from ctrzoo.types import Config

from ...sweeps.grid import grid
from ...sweeps.stars import write_stars


def get_sweep() -> list[Config]:
    """Return the settings of each run."""
    common = {"dataset": "movielens_1m", "protocol": "clean", "target": "stars", "seed": [2018, 2019, 2020]}
    common |= {"optimizer": "adam", "learning_rate": 3e-3, "plateau_factor": 0.3, "patience": 2}
    models = [{"model": "fm", "embedding_l2": 3e-5, "epochs": 30}]
    models += [{"model": "graphfm", "num_neighbors": (7, 4, 2), "embedding_l2": 1e-3, "epochs": 10, "cpu_replicas": 2}]
    tasks = [{"task": "regression"}, {"task": "ranking", "keep_groups": True, "cpu_replicas": 1}]
    return [run for model in models for task in tasks for run in grid(**{**common, **model, **task})]


def write_report(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Compare the models with the mean of each user's ratings."""
    write_stars(rows, folder)
