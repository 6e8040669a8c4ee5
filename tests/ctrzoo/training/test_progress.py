"""What one sees of a training run that prints into a file."""

import io

import pytest
from rich.console import Console

from ctrzoo.training import progress
from ctrzoo.training.progress import TrainingProgress

ROW = {"loss": 0.25, "valid_auc": 0.75, "valid_log_loss": 0.5, "valid_calibration": 1.0}


@pytest.fixture
def clock(monkeypatch):
    """Return a list whose last number is the time in seconds."""
    times = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: times[-1])
    return times


def test_lines_come_each_half_minute_and_at_the_end_of_an_epoch(clock):
    console = Console(file=io.StringIO(), force_terminal=False, width=200)
    with TrainingProgress("fm", num_rows=1000, epochs=3, console=console) as shown:
        shown.start_epoch(2, rows=100)  # an earlier process has done a hundred rows
        clock.append(129.0)
        shown.update(200, loss=0.5)  # too early to be told
        clock.append(140.0)
        shown.update(500, loss=0.125)
        shown.end_epoch({**ROW, "rows_per_second": 12345.6, "seconds": 41.25})
    told, ended = console.file.getvalue().splitlines()
    # 400 rows in 40 seconds; 500 rows are left.
    assert told == "fm, epoch 2/3: 50%, 10 rows/s, 50 s left, loss 0.1250"
    assert ended.startswith("fm, epoch 2/3: loss 0.2500, valid AUC 0.7500, log loss 0.5000")
    assert ended.endswith("(12,346 rows/s, 41.2 s)")
