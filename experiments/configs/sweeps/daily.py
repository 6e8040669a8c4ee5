"""Training day by day in three ways, on synthetic clicks that drift (three seeds) or on MovieLens-1M (one seed).

Command: `ctrzoo-sweep --config=daily`; for MovieLens-1M, add `--raw=movielens_1m=ml-1m.zip
--folder=runs/daily_movielens`

Each day is scored before it is trained on, by three models: one that continues from the day before (`--extend`,
`--warm_start`), one trained from scratch on all days so far, and one trained only on the first day. Days depend on each
other, so they are trained one after the other in this process.
"""

import pathlib
from collections.abc import Mapping
from typing import Any

from ...daily.drift import SCHEMA, drifting_days
from ...daily.movielens import MOVIELENS, movielens_days
from ...daily.report import write_daily
from ...daily.rolling import roll

SEEDS = (2018, 2019, 2020)
SETTINGS: dict[str, Any] = {
    "model": "fm",
    "epochs": 8,
    "patience": 1,
    "batch_size": 256,
    "learning_rate": 0.01,
    "hyperparameters": {"embedding_dim": 8},
}


def run_sweep(folder: pathlib.Path, raw: Mapping[str, str]) -> None:
    """Roll through the days, once per seed, and report."""
    rows = []
    for seed in SEEDS if not raw else SEEDS[:1]:
        days = movielens_days(raw["movielens_1m"]) if raw else drifting_days(9, 8_000, 32_000, seed)
        found = roll(days, MOVIELENS if raw else SCHEMA, {**SETTINGS, "seed": seed}, folder / f"seed_{seed}")
        rows += [{"seed": seed, **row} for row in found]
    what = "MovieLens-1M by time: eight periods after the first half" if raw else "Synthetic clicks that drift"
    write_daily(rows, folder, what)
