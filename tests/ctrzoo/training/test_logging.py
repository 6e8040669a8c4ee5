"""The history of a run as CSV, and as events of TensorBoard."""

import csv

import numpy as np
import pytest
import tensorflow as tf

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
