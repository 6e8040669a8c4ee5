"""The state of a run, read from its folder, and the lock that assigns the run to one process.

A run is finished if its folder holds `metrics.json` and an `experiment.json` with the same settings. `run.json` holds
everything else that a sweep knows about it, such as why it failed.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import json
import pathlib
import time
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

from ctrzoo.files import write_json
from ctrzoo.types import Config

from ..settings import stored_settings

if TYPE_CHECKING:
    from .plan import Run


LOCK, LOG, RECORD = "run.lock", "run.log", "run.json"


def take(run: Run) -> IO[str] | None:
    """Lock a run for this process; return the locked file, or None if another process holds the lock.

    The training process inherits the lock. While it lives, no other sweep starts the run, even if this sweep was
    killed.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    lock = open(run.folder / LOCK, "a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def is_finished(run: Run) -> bool:
    """Return whether the run has its metrics and the same settings."""
    experiment, metrics = _read(run.folder / "experiment.json"), _read(run.folder / "metrics.json")
    return bool(metrics) and "settings" in experiment and not run.settings.differences(stored_settings(experiment))


def check_same_data(runs: Sequence[Run]) -> None:
    """Raise an error if the data of finished runs have changed since: their results are from other rows.

    Raises:
        ValueError: If such runs exist.
    """
    from ... import data_pipelines  # slow: loads TensorFlow

    found = {}
    for run in filter(is_finished, runs):
        data = _read(run.folder / "experiment.json").get("data", {})
        if "fingerprint" not in data or not pathlib.Path(data["folder"]).is_dir():
            continue
        if data["folder"] not in found:
            found[data["folder"]] = data_pipelines.load(pathlib.Path(data["folder"])).fingerprint
        if found[data["folder"]] != data["fingerprint"]:
            raise ValueError(
                f"The data in {data['folder']} have changed since {run.folder} was trained. "
                "Choose another --folder, or delete the runs on the earlier data."
            )


def is_failed(run: Run) -> bool:
    """Return whether the run ended without metrics. A killed run does not count as ended."""
    return not is_finished(run) and _read(run.folder / RECORD).get("state") == "failed"


def metrics_of(run: Run) -> Config:
    """Return the metrics of a finished run, otherwise an empty dictionary."""
    return _read(run.folder / "metrics.json") if is_finished(run) else {}


def reason_of(run: Run) -> str:
    """Return why the run failed, otherwise an empty text."""
    return _read(run.folder / RECORD).get("reason", "") if is_failed(run) else ""


def record_start(run: Run) -> None:
    """Record that the run starts or resumes."""
    record = _read(run.folder / RECORD)
    spent = {"seconds": seconds_of(run), "starts": record.get("starts", 0) + 1}
    write_json(run.folder / RECORD, {"state": "running", **spent, "started": time.time(), "command": run.command})


def record_end(run: Run, reason: str) -> None:
    """Record that the run ended.

    Args:
        run: The `Run`.
        reason: Why it failed; failed runs are not repeated automatically.
    """
    record = _read(run.folder / RECORD)
    state = {"state": "failed", "reason": reason} if reason else {"state": "finished"}
    spent = {"seconds": seconds_of(run), "starts": record["starts"]}
    write_json(run.folder / RECORD, {**state, **spent, "command": run.command})


def forget_failure(run: Run) -> None:
    """Allow a failed run to start again."""
    record = _read(run.folder / RECORD)
    if record.get("state") == "failed":
        write_json(run.folder / RECORD, {**record, "state": "forgotten"})


def seconds_of(run: Run) -> float:
    """Return the total wall time over all starts of the run, each up to its last sign of life."""
    record = _read(run.folder / RECORD)
    seconds = record.get("seconds", 0.0)
    if record.get("state") == "running":
        ends = [path.stat().st_mtime for name in ("metrics.json", LOG) if (path := run.folder / name).is_file()]
        seconds += max([end - record["started"] for end in ends] + [0.0])
    return seconds


def history_of(run: Run) -> list[dict[str, str]]:
    """Return the rows of the run's `history.csv`, one per finished epoch, as text by column."""
    with contextlib.suppress(OSError), open(run.folder / "history.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
    return []


def last_line(run: Run) -> str:
    """Return the last line that the run printed."""
    lines = (run.folder / LOG).read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "no message")


def _read(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
