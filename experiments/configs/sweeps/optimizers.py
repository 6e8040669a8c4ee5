"""Row-wise Adam compared with dense Adam on MovieLens-1M: does the faster step cost accuracy? Five seeds each.

Command: `ctrzoo-sweep --config=optimizers --raw=movielens_1m=ml-1m.zip --workers=2`

The models have no penalty on embeddings, because it would give every row of the table a gradient. For Criteo and Avazu:
`--set=dataset=criteo --raw=criteo=train.txt --folder=runs/optimizers_criteo`.
"""

import pathlib
from collections.abc import Sequence

from ctrzoo.types import Config

from ...sweeps.comparison import compare
from ...sweeps.grid import grid


def get_sweep() -> list[Config]:
    """Return the settings of each run."""
    common = {"dataset": "movielens_1m", "optimizer": ["adam", "lazy_adam"], "seed": [2018, 2019, 2020, 2021, 2022]}
    falling = {"learning_rate": 3e-3, "plateau_factor": 0.3, "patience": 2, "epochs": 30}
    return grid(model=["fm", "deepfm"], embedding_l2=0.0, **common, **falling)


def write_report(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Draw the optimizers next to each other, and next to the published numbers."""
    compare(rows, ["graphfm_table2", "autoint_table5"], folder)
