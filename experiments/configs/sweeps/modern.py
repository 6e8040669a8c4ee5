"""Models after DCN-v2, and older ones missing in GraphFM's paper, on MovieLens-1M as in Table 2; three seeds each.

Command: `ctrzoo-sweep --config=modern --raw=movielens_1m=ml-1m.zip --workers=2`

Hyperparameters come from `configs/movielens_1m/<model>.py`. `experiments/results/modern` has the finished runs; its
leaderboard shows them next to those of `table2`:
`python -m ctrzoo.experiments.leaderboard --folder=experiments/results/modern --more_folders experiments/results/table2
--also test_log_loss --references graphfm dcn_v2 --times_from=experiments/results/epoch_times`.
"""

import pathlib
from collections.abc import Sequence

from ctrzoo.types import Config

from ...sweeps.comparison import compare

MODELS = [
    {"model": "dnn"},
    {"model": "fwfm"},
    {"model": "fmfm"},
    {"model": "fibinet"},
    {"model": "masknet"},
    {"model": "masknet", "label": "masknet (parallel)", "structure": "parallel"},
    {"model": "afn"},
    {"model": "afn", "label": "afn+", "deep_units": (400, 400), "deep_dropout": 0.2},
    {"model": "gdcn"},
    {"model": "gdcn", "label": "gdcn (parallel)", "structure": "parallel"},
    {"model": "finalmlp"},
    {"model": "finalnet"},
    {"model": "eulernet"},
    {"model": "wukong"},
    {"model": "fcn"},
]
SEEDS = (2018, 2019, 2020)


def get_sweep() -> list[Config]:
    """Return the settings of each run: all models of one seed before the next seed."""
    return [{**model, "dataset": "movielens_1m", "seed": seed} for seed in SEEDS for model in MODELS]


def write_report(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Draw all models."""
    compare(rows, [], folder)
