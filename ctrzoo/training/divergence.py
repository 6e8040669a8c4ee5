"""Checks that stop a run early: the training loss is NaN, infinite or explodes."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import numpy as np

from ctrzoo.files import replaced
from ctrzoo.types import Path

# A loss this many times that of the first step (or 1, if that is more) does not recover.
EXPLODED = 50
FAILED_BATCH = "failed_batch.npz"


def check_loss(losses: Sequence[float], first_loss: float) -> int | None:
    """Return the index of the first loss that is not finite or has exploded, None if all are sound.

    >>> check_loss([0.7, 0.6], 0.7), check_loss([0.7, 800.0], 0.7), check_loss([float("nan")], 0.7)
    (None, 1, 0)
    """
    limit = EXPLODED * max(abs(first_loss), 1.0) if np.isfinite(first_loss) else np.inf
    for index, loss in enumerate(losses):
        if not loss <= limit:
            return index
    return None


def diverged(
    loss: float, epoch: int, step: int, batch: tuple[dict[str, np.ndarray], np.ndarray], folder: Path | None
) -> ValueError:
    """Write the batch of the step that diverged, and return the error to raise.

    Args:
        loss: The training loss of the step.
        epoch: The epoch, from 1.
        step: The step within the epoch, from 1.
        batch: `(features, labels)` as NumPy arrays.
        folder: The folder to write to, or None.
    """
    features, labels = batch
    what = "is NaN or infinite" if not np.isfinite(loss) else "has exploded"
    bad = sum(int((~np.isfinite(array)).sum()) for array in (features["values"], labels))
    cause = (
        f"{bad} of the batch's numbers are NaN or infinite: check the data."
        if bad
        else "Lower the learning rate, or check the data for extreme numbers."
    )
    saved = ""
    if folder:
        path = pathlib.Path(folder) / FAILED_BATCH
        with replaced(path) as temporary:
            np.savez(temporary, **features, labels=labels, loss=loss, epoch=epoch, step=step)
        saved = f" The batch is in {path}."
    return ValueError(
        f"The run has diverged: the training loss {what} ({loss:g}) at step {step} of epoch {epoch}. {cause}{saved}"
    )
