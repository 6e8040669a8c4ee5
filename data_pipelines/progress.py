"""Progress display for work on many rows: bars on a terminal, a few lines elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

HEARTBEAT_SECONDS = 30
# Names and paths may hold square brackets, which rich would take for its markup.
console = Console(stderr=True, highlight=False, markup=False)


@contextlib.contextmanager
def rows_progress(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with the number of rows done since the last call.

    Args:
        description: What is being done; shown left of the bar.
        total: Number of rows; None if unknown.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(description, total=total, rate="")

        def advance(rows):
            progress.advance(task, rows)
            speed = progress.tasks[task].speed
            progress.update(task, rate=f"{speed:,.0f} rows/s" if speed else "")

        yield advance


class StepProgress:
    """A context manager that shows the progress of a long step: share done, rows/s and time left.

    A terminal shows a bar that is redrawn. A file gets one line every half minute.

    Args:
        description: What is being done.
    """

    def __init__(self, description: str):
        self.description, self.rows = description, 0
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[state]}"))
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

    def __enter__(self):
        self._start = self._shown = time.monotonic()
        self._bar.start()
        self._task = self._bar.add_task(self.description, total=1.0, state="")
        return self

    def advance(self, rows: int, share: float) -> None:
        """Report the rows done since the last call, and the share of the whole step, 0 to 1."""
        self.rows += rows
        now = time.monotonic()
        rate, left = self.rows / (now - self._start), (now - self._start) * (1 - share) / max(share, 1e-9)
        state = f"{share:.0%}" + (f", {rate:,.0f} rows/s" if self.rows else "") + f", {left:,.0f} s left"
        self._bar.update(self._task, completed=share, state=state)
        if not console.is_terminal and now - self._shown > HEARTBEAT_SECONDS:
            self._shown = now
            console.print(f"{self.description}: {state}")

    def __exit__(self, kind, error, traceback):
        self._bar.stop()
