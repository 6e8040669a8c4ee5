"""GraphFM's Table 2 and further models: three seeds each, five for GraphFM in both formulations.

Command: `ctrzoo-sweep --config=table2 --raw=movielens_1m=ml-1m.zip --workers=2`

For Criteo and Avazu: `--set=dataset=criteo --raw=criteo=train.txt --folder=runs/table2_criteo` (or avazu, train.csv).
Hyperparameters, tuned on validation rows, come from `configs/<data set>/<model>.py`. The 61 runs took 8 hours on one
core each, next to other runs. Finished runs, with times, are in `experiments/results/table2`. Pass
`--folder=experiments/results/table2` to resume from them.
"""

import pathlib
from collections.abc import Sequence

from ctrzoo.types import Config

from ...sweeps.comparison import compare
from ...sweeps.grid import grid

TABLE = ["lr", "fm", "afm", "nfm", "hofm", "deep_crossing", "cross_net", "cin", "autoint", "fignn", "interhat"]
BESIDE = ["ffm", "hoafm", "wide_deep", "deepfm", "xdeepfm", "dcn_v2"]


def get_sweep() -> list[Config]:
    """Return the settings of each run."""
    common = {"dataset": "movielens_1m"}
    seeds = [2018, 2019, 2020]
    # The plain equations stay below FM, so they get the residual and normalization of the released code.
    by_equations = {"formulation": "paper", "use_residual_norm": True}
    return (
        grid(model=TABLE + BESIDE, seed=seeds, **common)
        + grid(model="graphfm", formulation="reference", seed=[*seeds, 2021, 2022], **common)
        + grid(model="graphfm", label="graphfm (paper)", seed=[*seeds, 2021, 2022], **by_equations, **common)
    )


def write_report(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Compare ours with Table 2 of GraphFM and Table 5 of AutoInt."""
    compare(rows, ["graphfm_table2", "autoint_table5"], folder)
