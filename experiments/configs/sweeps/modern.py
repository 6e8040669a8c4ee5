"""Models after DCN-v2, and older ones missing in GraphFM's paper, on MovieLens-1M as in Table 2; three seeds each.

Command: `ctrzoo-sweep --config=modern --raw=movielens_1m=ml-1m.zip --workers=2`

Hyperparameters come from `configs/movielens_1m/<model>.py`. GraphFM's and DCN-v2's runs are those of `table2`, and
they come first in the report, with their published scores. To keep the runs next to those of the other sweeps, pass
`--folder=experiments/results/modern`.
"""

import pathlib
from collections.abc import Sequence

from ctrzoo.types import Config

from ...sweeps.comparison import compare
from ...sweeps.grid import grid

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
    common = {"dataset": "movielens_1m"}
    known = grid(model="dcn_v2", seed=list(SEEDS), **common)
    known += grid(model="graphfm", formulation="reference", seed=[*SEEDS, 2021, 2022], **common)
    return known + [run for seed in SEEDS for model in MODELS for run in grid(**model, **common, seed=seed)]


def write_report(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Draw all models, next to the published scores of those that Table 2 has."""
    compare(rows, ["graphfm_table2"], folder)
