"""Logs of a training run: the history as CSV, and scalars and pictures for TensorBoard."""

import contextlib
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import tensorflow as tf
from rich.console import Console

from ctrzoo.files import write_csv
from ctrzoo.plots import interaction_picture
from ctrzoo.types import Path


class RunLogs:
    """Write `history.csv` and TensorBoard events into a folder; a context manager.

    If events cannot be written, for example on a full disk, training goes on without them.

    Args:
        folder: An existing folder.
        console: The `rich` console on which to say so; by default standard error.
    """

    def __init__(self, folder: Path, console: Console | None = None) -> None:
        self.folder, self._console = pathlib.Path(folder), console or Console(stderr=True, highlight=False)
        self._events: Any = None

    def __enter__(self) -> "RunLogs":
        with self._or_without_events():
            self._events = tf.summary.create_file_writer(str(self.folder / "tensorboard"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._or_without_events():
            if self._events:
                self._events.close()

    def write_steps(self, step: int, loss: float, rows_per_second: float) -> None:
        """Write loss and speed at a step; steps count from the beginning of the run."""
        if not self._events:
            return
        with self._or_without_events(), self._events.as_default(step=step):
            tf.summary.scalar("steps/loss", loss)
            tf.summary.scalar("steps/rows_per_second", rows_per_second)

    def write_epoch(
        self,
        history: Sequence[Mapping[str, Any]],
        strengths: Mapping[str, np.ndarray] | None = None,
        names: Sequence[str] = (),
    ) -> None:
        """Write the history, and the scalars and pictures of its last epoch.

        Args:
            history: The rows of the history so far, as dictionaries of numbers.
            strengths: Matrices `(fields, fields)` by name, drawn as heat maps.
            names: Field names.
        """
        write_csv(self.folder / "history.csv", history)
        if not self._events:
            return
        with self._or_without_events(), self._events.as_default(step=history[-1]["epoch"]):
            for name, value in history[-1].items():
                split, _, metric = name.partition("_")
                tag = f"{metric}/{split}" if split in ("train", "valid") else f"{name}/train"
                tf.summary.scalar(tag, value)
            for name, matrix in (strengths or {}).items():
                tf.summary.image(name, interaction_picture(matrix, names, name)[None])
            self._events.flush()

    @contextlib.contextmanager
    def _or_without_events(self) -> Iterator[None]:
        """Turn an error of the events' writer into a line, and write no further events."""
        try:
            yield
        except (tf.errors.OpError, OSError) as error:
            events, self._events = self._events, None
            reason = " ".join(str(error).split("\n")[0].rpartition("; ")[2].split())
            self._console.print(
                f"Cannot write TensorBoard events into {self.folder / 'tensorboard'} ({reason}). Training goes on "
                "without them.",
                soft_wrap=True,
                markup=False,
            )
            with contextlib.suppress(tf.errors.OpError, OSError):
                if events:
                    events.close()
