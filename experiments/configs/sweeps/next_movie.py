"""The movie that a user rates next, on MovieLens-100K: seven models of an article and others, three seeds each.

Command: `ctrzoo-sweep --config=next_movie --raw=movielens_100k=ml-100k.zip`

The article is "Feature-Interactions Based Information Retrieval Models"; it prints an order of models, with numbers
only in a chart. A query is a rating that is not a user's last, and each model ranks all 1,682 movies for it. Training
takes the movie rated next and four movies drawn uniformly. `(softmax)` minimizes the softmax loss of a query instead of
the log loss. `(popular)` draws the four movies by popularity. `(numerical)` has one numerical field for each number of
a genre.

By default, a random fifth of the queries is for test. `--set=split_by=time` takes the last fifth of each user's
queries, and `--set=split_by=user` a fifth of the users; pass a `--folder` for each. `next_movie.md` compares mean ranks
with those of baselines and with the article's order.
"""

import pathlib
from collections.abc import Sequence

from ctrzoo.types import Config

from ...next_movie.report import write_next_movie
from ...sweeps.grid import grid

# Learning rates were chosen for seed 2018 and few epochs, by the grouped AUC of validation rows, of which the mean rank
# is a linear function. Sizes were chosen so that an epoch takes less than a minute on a shared core.
DEEP = {"deep_units": (128, 64), "learning_rate": 0.003}
ARTICLE = [
    {"model": "fm", "learning_rate": 0.01},
    {"model": "deepfm", **DEEP},
    {"model": "afm", "attention_units": 8, "learning_rate": 0.02},
    {"model": "ffm", "learning_rate": 0.01},
    {"model": "wide_deep", **DEEP},
    {"model": "nfm", "deep_units": (64,), "learning_rate": 0.005},
    {"model": "dlrm", "label": "dlrm (concat)", "interaction": "concat", "bottom_units": (32,), **DEEP},
]
OTHERS = [
    {"model": "lr", "learning_rate": 0.01},
    {"model": "dcn_v2", "num_layers": 2, **DEEP},
    {"model": "autoint", "units": (32, 32), "learning_rate": 0.005},
    {"model": "graphfm", "units": (32, 32), "learning_rate": 0.005},
    {"model": "fm", "label": "fm (softmax)", "task": "ranking", "loss": "softmax", "learning_rate": 0.01},
    {"model": "deepfm", "label": "deepfm (softmax)", "task": "ranking", "loss": "softmax", **DEEP},
    {"model": "fm", "label": "fm (popular)", "negative_sampling": "popularity", "learning_rate": 0.01},
    {"model": "fm", "label": "fm (numerical)", "genre_profile": "numerical", "learning_rate": 0.01},
]
SEEDS = (2018, 2019, 2020)


def get_sweep() -> list[Config]:
    """Return the settings of each run: the article's models first, all of one seed before the next seed."""
    common = {"dataset": "movielens_100k", "protocol": "next_movie", "optimizer": "adam", "batch_size": 2048}
    common |= {"monitor": "grouped_auc", "patience": 1, "epochs": 6}
    return [
        run
        for models in (ARTICLE, OTHERS)
        for seed in SEEDS
        for model in models
        for run in grid(**{**common, **model}, seed=seed)
    ]


def write_report(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Rank all movies with each finished model."""
    write_next_movie(rows, folder)
