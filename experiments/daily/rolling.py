"""Train day by day and test on the day after, in three ways."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import polars as pl

from ctrzoo.files import replaced
from ctrzoo.metrics import evaluate_scores
from ctrzoo.metrics.registry import Scored
from ctrzoo.types import Config

from ...data_pipelines.encoding.fields import TableEncoding
from ...data_pipelines.preparation.table import prepare_own_table
from ..experiment import run_experiment
from ..settings import Settings

WARM, SCRATCH, NEVER = "warm", "scratch", "never"
WAYS = {
    WARM: "warm start on each day",
    SCRATCH: "from scratch on all days so far",
    NEVER: "trained once, never again",
}
METRICS = ("auc", "calibration", "log_loss")
# Of the rows of a day, every so many-th chooses the epoch.
VALID = 10


def roll(
    days: Sequence[pl.DataFrame], schema: Mapping[str, Any], settings: Config, folder: pathlib.Path
) -> list[Config]:
    """Train on each day but the last in three ways, test on the day after, and return a row for each way and day.

    A finished day is not trained again, so an interrupted call resumes.

    Args:
        days: The rows of each day; the first may have more.
        schema: The content of a schema file, without a `split`.
        settings: Arguments of `Settings` but the data set and the warm start.
        folder: Where tables, prepared folders and runs go.

    Returns:
        Dictionaries of `day`, from 1, `way`, and the metrics of the rows of that day.
    """
    tables, data, runs = (folder / name for name in ("tables", "data", "runs"))
    for each in (tables, data, runs):
        each.mkdir(parents=True, exist_ok=True)
    for day, frame in enumerate(days):
        is_valid = np.arange(len(frame)) % VALID == VALID - 1
        for name, rows in (("train", frame.filter(~is_valid)), ("valid", frame.filter(is_valid)), ("test", frame)):
            with replaced(tables / f"{name}_{day:02}.csv") as temporary:
                rows.write_csv(temporary)
    found = []
    for day in range(len(days) - 1):
        last = {"valid": tables / f"valid_{day:02}.csv", "test": tables / f"test_{day + 1:02}.csv"}
        warm = {"extend": data / f"warm_{day - 1:02}"} if day else {"schema": schema, "keep_counts": True}
        _prepare(data / f"warm_{day:02}", {"train": tables / f"train_{day:02}.csv", **last}, warm)
        before = {"warm_start": str(runs / f"warm_{day - 1:02}")} if day else {}
        metrics = {WARM: _trained(settings, data / f"warm_{day:02}", runs / f"warm_{day:02}", before)}
        metrics[SCRATCH] = metrics[WARM]
        if day:
            every = _together(tables, day)
            _prepare(data / f"scratch_{day:02}", {"train": every, **last}, {"schema": schema})
            every.unlink()
            metrics[SCRATCH] = _trained(settings, data / f"scratch_{day:02}", runs / f"scratch_{day:02}", {})
        metrics[NEVER] = _tested(runs / "warm_00", days[day + 1], schema["label"])
        found += [{"day": day + 1, "way": way, **{key: metrics[way][key] for key in METRICS}} for way in WAYS]
    return found


def _together(tables, day):
    """Write the training rows of all days so far into one file."""
    path = tables / f"all_{day:02}.csv"
    with replaced(path) as temporary:
        frames = [pl.read_csv(tables / f"train_{each:02}.csv", infer_schema=False) for each in range(day + 1)]
        pl.concat(frames).write_csv(temporary)
    return path


def _prepare(place, tables, how):
    if not place.is_dir():
        prepare_own_table(place, place.name, tables, **how)


def _trained(settings, dataset, run, others):
    if not (run / "metrics.json").is_file():
        run_experiment(Settings(dataset=str(dataset), **settings, **others), dataset.parent, None, run)
        keras.backend.clear_session()
    return json.loads((run / "metrics.json").read_text(encoding="utf-8"))["test"]


def _tested(run, rows, label):
    """Test the model of a run on rows that it encodes as it learned to."""
    encoding = TableEncoding.load(run / "encoding")
    model: Any = keras.models.load_model(run / "model.keras")
    features = encoding.features(rows)
    scores = model.predict(features, verbose=0)[:, 0]
    return evaluate_scores(Scored(rows[label].to_numpy().astype(np.float32), scores), METRICS)
