"""How large vectors FM and FFM need on MovieLens-1M: the AUC by the size of their vectors, three seeds each.

Command: `ctrzoo-sweep --config=vector_sizes --raw=movielens_1m=ml-1m.zip --workers=2`

FM with 16 and FFM with 4 dimensions are the runs of `table2`, which have no `embedding_dim` of their own. All other
settings are those tuned for these two sizes.
"""

import pathlib
from collections.abc import Sequence

from ctrzoo.types import Config

from ...sweeps.comparison import compare
from ...sweeps.grid import grid

OTHER_SIZES = {"fm": [4, 8, 32], "ffm": [2, 8]}
SEEDS = (2018, 2019, 2020)


def get_sweep() -> list[Config]:
    """Return the settings of each run: all sizes of one seed before the next seed."""
    common = {"dataset": "movielens_1m"}
    known = grid(model=list(OTHER_SIZES), seed=list(SEEDS), **common)
    return known + [
        run
        for seed in SEEDS
        for model, sizes in OTHER_SIZES.items()
        for run in grid(model=model, seed=seed, embedding_dim=sizes, **common)
    ]


def write_report(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Write a table and a picture of all sizes; published scores are of one size only."""
    compare(rows, [], folder)
