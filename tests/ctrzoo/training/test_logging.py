"""The history of a run as CSV and as events of TensorBoard, and what happens if it cannot be written."""

import csv
import io
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console

from ctrzoo.training.logging import RunLogs


def events_of(folder):
    """Return `{(tag, step): tensor}` of all events."""
    found = {}
    for path in (folder / "tensorboard").iterdir():
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            found |= {(value.tag, event.step): tf.make_ndarray(value.tensor) for value in event.summary.value}
    return found


def test_steps_epochs_and_pictures_are_written(tmp_path):
    history = [{"epoch": 1, "loss": 0.5, "valid_auc": 0.75}, {"epoch": 2, "loss": 0.25, "valid_auc": 0.8}]
    strengths = {"pairs": np.array([[0.0, 1.0], [1.0, 0.0]])}
    with RunLogs(tmp_path) as logs:
        logs.write_steps(7, loss=0.6, rows_per_second=1000.0)
        logs.write_epoch(history[:1])
        logs.write_epoch(history, strengths, ["user", "item"])
    with open(tmp_path / "history.csv", newline="") as file:
        assert [{key: float(cell) for key, cell in row.items()} for row in csv.DictReader(file)] == history
    events = events_of(tmp_path)
    scalars = {key: float(value) for key, value in events.items() if value.ndim == 0 and value.dtype.kind == "f"}
    expected = {("steps/loss", 7): 0.6, ("steps/rows_per_second", 7): 1000, ("epoch/train", 1): 1}
    expected |= {("loss/train", 1): 0.5, ("auc/valid", 1): 0.75, ("epoch/train", 2): 2}
    expected |= {("loss/train", 2): 0.25, ("auc/valid", 2): 0.8}
    assert scalars == pytest.approx(expected)
    assert events["pairs", 2][-1].startswith(b"\x89PNG") and ("pairs", 1) not in events


HISTORY = [{"epoch": 1, "loss": 0.5, "valid_auc": 0.6}]


def test_events_that_cannot_be_written_are_told_once_and_the_history_is_still_written(tmp_path):
    """The limit is of a process, so another one meets it."""
    code = f"""
import resource
from ctrzoo.training.logging import RunLogs
with RunLogs({str(tmp_path)!r}) as logs:
    logs.write_steps(1, 0.5, 100.0)
    logs._events.flush()
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, resource.RLIM_INFINITY))
    for step in range(300):
        logs.write_steps(step, 0.5, 100.0)
    for _ in range(2):
        logs.write_epoch({HISTORY!r})
print("training went on")
"""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120)
    assert run.stdout == "training went on\n"
    told = [line for line in run.stderr.splitlines() if not line.startswith(("I0000", "E0000", "WARNING"))]
    assert told == [
        f"Cannot write TensorBoard events into {tmp_path / 'tensorboard'} (File too large). Training goes on without "
        "them."
    ]
    assert (tmp_path / "history.csv").read_text() == "epoch,loss,valid_auc\n1,0.5,0.6\n"


def test_a_writer_that_cannot_be_made_is_told(tmp_path, monkeypatch):
    def full(path):
        raise tf.errors.ResourceExhaustedError(None, None, f"{path}; No space left on device")

    monkeypatch.setattr(tf.summary, "create_file_writer", full)
    console = Console(file=io.StringIO(), width=300)
    folder = tmp_path / "price [" / "kg]"  # rich would take it for its markup
    folder.mkdir(parents=True)
    with RunLogs(folder, console) as logs:
        logs.write_steps(1, 0.5, 100.0)
        logs.write_epoch(HISTORY)
    assert console.file.getvalue().count(f"{folder / 'tensorboard'} (No space left on device)") == 1


def test_another_error_is_not_hidden(tmp_path):
    with pytest.raises(ZeroDivisionError), RunLogs(tmp_path):
        raise ZeroDivisionError
