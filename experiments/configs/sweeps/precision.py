"""bfloat16 compared with float32 on MovieLens-1M: do the faster products cost accuracy?

Command: `ctrzoo-sweep --config=precision --raw=movielens_1m=ml-1m.zip`

The float32 runs of GraphFM, with the same seeds, are in `experiments/results/table2`.
"""

import pathlib
from collections.abc import Sequence

from ctrzoo.types import Config

from ...sweeps.comparison import compare
from ...sweeps.grid import grid

PRECISIONS = ["float32", "mixed_bfloat16"]
SEEDS = [2018, 2019, 2020, 2021]


def get_sweep() -> list[Config]:
    """Return the settings of each run."""
    return grid(dataset="movielens_1m", model=["dcn_v2", "deepfm"], precision=PRECISIONS, seed=SEEDS) + grid(
        dataset="movielens_1m", model="graphfm", formulation="reference", precision="mixed_bfloat16", seed=SEEDS[:3]
    )


def write_report(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Compare both with Table 5 of AutoInt."""
    compare(rows, ["autoint_table5"], folder)
