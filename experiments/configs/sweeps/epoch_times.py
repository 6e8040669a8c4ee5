"""Three epochs of each model of `table2` and `modern`, whose times a leaderboard can show.

Command: `ctrzoo-sweep --config=epoch_times --raw=movielens_1m=ml-1m.zip --workers=1`

The runs of those two sweeps were made on several machines, next to other work. Run this one on a quiet machine. The
median of three epochs leaves out the first, in which TensorFlow builds its graph.
`python -m ctrzoo.experiments.leaderboard --times_from=FOLDER` takes the times.
"""

import pathlib
from collections.abc import Sequence

from ctrzoo.types import Config

from . import modern, table2

SEED, EPOCHS = 2018, 3


def get_sweep() -> list[Config]:
    """Return the settings of each run."""
    runs = [*table2.get_sweep(), *modern.get_sweep()]
    return [{**run, "epochs": EPOCHS} for run in runs if run["seed"] == SEED]


def write_report(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Write nothing: `results.csv` has the times."""
    del rows, folder
