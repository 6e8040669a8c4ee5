"""GraphFM's Figure 2: without interaction selection (-S), interactions (-I) or several heads (-M); five seeds.

Command: `ctrzoo-sweep --config=ablation --raw=movielens_1m=ml-1m.zip --raw=criteo=train.txt --workers=2`

`--set=dataset=movielens_1m` leaves Criteo out. The remaining 20 runs take 16 minutes each on one core next to another
run: less than three hours on two cores. The paper's figure gives the order on both data sets as GraphFM, -S, then -I
and -M, without numbers. Finished runs are in `experiments/results/ablation`. Pass
`--folder=experiments/results/ablation` to resume from them.
"""

import pathlib
from collections.abc import Sequence

from ctrzoo.types import Config

from ...sweeps.comparison import compare
from ...sweeps.grid import grid


def get_sweep() -> list[Config]:
    """Return the settings of each run."""
    common = {
        "dataset": ["movielens_1m", "criteo"],
        "model": "graphfm",
        "seed": [2018, 2019, 2020, 2021, 2022],
    }
    return (
        grid(formulation="reference", **common)  # the same runs as in `table2`
        + grid(label="graphfm(-S)", use_selection=False, **common)
        + grid(label="graphfm(-I)", use_interaction=False, **common)
        + grid(label="graphfm(-M)", num_heads=1, **common)
    )


def write_report(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Draw the variants, and GraphFM next to its row of Table 2."""
    compare(rows, ["graphfm_table2"], folder)
