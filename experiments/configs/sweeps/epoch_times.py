"""Three epochs of each model of `table2` and `modern`, whose times a leaderboard can show.

Command: `ctrzoo-sweep --config=epoch_times --raw=movielens_1m=ml-1m.zip --workers=1`

The runs of those two sweeps were made on several machines, next to other work. Run this one on a quiet machine.
TensorFlow builds its graph in the first epoch, so the time of a model is the median of three.
`experiments/results/epoch_times` has the finished runs, which took 35 minutes.
`python -m ctrzoo.experiments.leaderboard --times_from=FOLDER` takes the times.
"""

import pathlib
from collections.abc import Sequence

from ctrzoo.files import write_text
from ctrzoo.types import Config

from ...claims.markdown import table_lines
from ...sweeps.results import name_of
from . import modern, table2

SEED, EPOCHS = 2018, 3


def get_sweep() -> list[Config]:
    """Return the settings of each run."""
    runs = [*table2.get_sweep(), *modern.get_sweep()]
    return [{**run, "epochs": EPOCHS} for run in runs if run["seed"] == SEED]


def write_report(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Write `epoch_times.md`, a table of the finished models, the fastest first."""
    finished = [row for row in rows if row["seconds_per_epoch"] is not None]
    table = [
        {
            "model": name_of(row),
            "s per epoch": f"{row['seconds_per_epoch']:.1f}",
            "weights": f"{row['num_parameters']:,}",
        }
        for row in sorted(finished, key=lambda row: row["seconds_per_epoch"])
    ]
    lines = table_lines(table) if table else ["No run is finished."]
    write_text(folder / "epoch_times.md", "\n".join(["# Seconds per epoch", "", *lines]) + "\n")
