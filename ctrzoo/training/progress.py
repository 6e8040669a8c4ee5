"""The progress display of a training run: a bar with rows/s and time left, and one line per epoch."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from ctrzoo.metrics import main_metrics, metrics_of_row

HEARTBEAT_SECONDS = 30


class TrainingProgress:
    """A context manager that shows rows/s, time left and loss within an epoch, and validation metrics after it.

    A terminal shows a bar that is redrawn. A file gets one line every half minute and one per epoch.

    Args:
        name: What is being trained.
        num_rows: Rows per epoch.
        epochs: Maximum number of epochs.
        console: The `rich` console to write to; by default standard error.
    """

    def __init__(self, name: str, num_rows: int, epochs: int, console: Console | None = None) -> None:
        self.name, self.num_rows, self.epochs = name, num_rows, epochs
        self.console = console or Console(stderr=True, highlight=False, markup=False)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[state]}"),
        )
        self._bar = Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal)

    def __enter__(self) -> TrainingProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def start_epoch(self, epoch: int, rows: int) -> None:
        """Begin an epoch, counted from 1; an earlier process may have finished some of its rows."""
        self._title, self._first_row = f"{self.name}, epoch {epoch}/{self.epochs}", rows
        self._start = self._shown = time.monotonic()
        self._task = self._bar.add_task(self._title, total=self.num_rows, completed=rows, state="")

    def update(self, rows: int, loss: float) -> None:
        """Show how many of the epoch's rows are done and the mean loss so far."""
        now = time.monotonic()
        if now - self._shown < (0.2 if self.console.is_terminal else HEARTBEAT_SECONDS):
            return
        self._shown = now
        rate = (rows - self._first_row) / (now - self._start)
        state = f"{rate:,.0f} rows/s, {(self.num_rows - rows) / rate:.0f} s left, loss {loss:.4f}"
        self._bar.update(self._task, completed=rows, state=state)
        if not self.console.is_terminal:
            self.console.print(f"{self._title}: {rows / self.num_rows:.0%}, {state}", markup=False)

    def end_epoch(self, row: Mapping[str, float]) -> None:
        """Show the finished epoch's row of the history."""
        self._bar.remove_task(self._task)
        metrics = main_metrics(metrics_of_row(row)).items()
        found = ", ".join(f"{metric.title} {metric.format.format(row[f'valid_{name}'])}" for name, metric in metrics)
        speed = f"{row['rows_per_second']:,.0f} rows/s, {row['seconds']:.1f} s"
        self.console.print(f"{self._title}: loss {row['loss']:.4f}, valid {found} ({speed})", markup=False)
