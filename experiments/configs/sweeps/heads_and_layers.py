"""GraphFM on MovieLens-1M with 1, 2 and 4 heads and with 1 to 4 layers; three seeds.

Command: `ctrzoo-sweep --config=heads_and_layers --raw=movielens_1m=ml-1m.zip --workers=2`

The settings of `movielens_1m/graphfm.py` have 2 heads and 3 layers of 7, 4 and 2 neighbors. Each run changes either the
number of heads or that of layers. With fewer layers, the last ones are left out; a fourth has 1 neighbor. Finished runs
are in `experiments/results/heads_and_layers`. Pass `--folder=experiments/results/heads_and_layers` to resume from them.
"""

import pathlib
from collections.abc import Sequence

from ctrzoo.types import Config

from ...sweeps.comparison import compare
from ...sweeps.grid import grid

NEIGHBORS = (7, 4, 2, 1)
UNITS = 64


def get_sweep() -> list[Config]:
    """Return the settings of each run."""
    common = {"dataset": "movielens_1m", "model": "graphfm", "seed": [2018, 2019, 2020]}
    runs = grid(formulation="reference", **common)  # 2 heads and 3 layers: the same runs as in `table2`
    for heads in (1, 4):
        runs += grid(label=f"{heads} head{'s' * (heads > 1)}", num_heads=heads, **common)
    for layers in (1, 2, 4):
        shape = {"units": (UNITS,) * layers, "num_neighbors": NEIGHBORS[:layers]}
        runs += grid(label=f"{layers} layer{'s' * (layers > 1)}", **shape, **common)
    return sorted(runs, key=lambda run: run["seed"])  # each seed gives a whole picture


def write_report(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Draw the variants and test whether they differ beyond the noise of seeds."""
    compare(rows, ["graphfm_table2"], folder)
