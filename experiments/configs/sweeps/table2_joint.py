"""The models of Table 2 that can be trained jointly with an MLP, compared with AutoInt's Table 5.

Command: `ctrzoo-sweep --config=table2_joint --raw=movielens_1m=ml-1m.zip --workers=2`

The whole sweep has not been run yet.
"""

import pathlib
from collections.abc import Sequence

from ctrzoo.types import Config

from ...sweeps.comparison import compare
from ...sweeps.grid import grid


def get_sweep() -> list[Config]:
    """Return the settings of each run."""
    common = {"dataset": "movielens_1m", "patience": 4, "deep_units": (400, 400), "seed": [2018, 2019, 2020]}
    joint = [
        run
        for model in ("autoint", "fignn", "interhat", "hoafm", "graphfm")
        for run in grid(model=model, label=f"{model}+", **common)
    ]
    return grid(model=["wide_deep", "deepfm", "dcn", "xdeepfm"], **common) + joint


def write_report(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Compare ours with Table 5 of AutoInt."""
    compare(rows, ["autoint_table5"], folder)
