"""What a run logs, and what happens if it cannot."""

import io
import os
import subprocess
import sys

import pytest
import tensorflow as tf
from rich.console import Console

from ctrzoo.training.logging import RunLogs

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
    with RunLogs(tmp_path, console) as logs:
        logs.write_steps(1, 0.5, 100.0)
        logs.write_epoch(HISTORY)
    assert console.file.getvalue().count("(No space left on device)") == 1


def test_another_error_is_not_hidden(tmp_path):
    with pytest.raises(ZeroDivisionError), RunLogs(tmp_path):
        raise ZeroDivisionError
