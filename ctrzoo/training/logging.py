"""Logs of a training run: the history as CSV, and scalars and pictures for TensorBoard."""

import pathlib
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import tensorflow as tf

from ctrzoo.files import write_csv
from ctrzoo.plots import interaction_picture
from ctrzoo.types import Path


class RunLogs:
    """Write `history.csv` and TensorBoard events into a folder; a context manager.

    Args:
        folder: An existing folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = pathlib.Path(folder)

    def __enter__(self) -> "RunLogs":
        self._events = tf.summary.create_file_writer(str(self.folder / "tensorboard"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._events.close()

    def write_steps(self, step: int, loss: float, rows_per_second: float) -> None:
        """Write loss and speed at a step; steps count from the beginning of the run."""
        with self._events.as_default(step=step):
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
        with self._events.as_default(step=history[-1]["epoch"]):
            for name, value in history[-1].items():
                split, _, metric = name.partition("_")
                tag = f"{metric}/{split}" if split in ("train", "valid") else f"{name}/train"
                tf.summary.scalar(tag, value)
            for name, matrix in (strengths or {}).items():
                tf.summary.image(name, interaction_picture(matrix, names, name)[None])
        self._events.flush()
