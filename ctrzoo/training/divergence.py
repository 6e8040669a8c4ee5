"""Checks that stop a run early: a loss that is NaN, infinite or exploding."""

import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from ctrzoo.files import replaced
from ctrzoo.types import Path

# A loss above this multiple of the first step's loss (or of 1, if that is more) does not recover.
EXPLODED = 50
FAILED_BATCH = "failed_batch.npz"


def check_loss(losses: Sequence[float], first_loss: float) -> int | None:
    """Return the index of the first loss that is not finite or has exploded; None if all losses are fine.

    Args:
        losses: Losses of steps, in order.
        first_loss: Loss of the first step of the run.

    >>> check_loss([0.7, 0.6], 0.7), check_loss([0.7, 800.0], 0.7), check_loss([float("nan")], 0.7)
    (None, 1, 0)
    """
    limit = EXPLODED * max(abs(first_loss), 1.0) if np.isfinite(first_loss) else np.inf
    for index, loss in enumerate(losses):
        if not loss <= limit:
            return index
    return None


def diverged(
    loss: float, epoch: int, step: int, batch: tuple[Mapping[str, np.ndarray], np.ndarray], folder: Path | None
) -> ValueError:
    """Save the batch of the step that diverged and return the error to raise.

    Args:
        loss: The loss of the step.
        epoch: Number of the epoch, from 1.
        step: Number of the step within the epoch, from 1.
        batch: `(features, labels)` as NumPy arrays.
        folder: Where to save the batch; None does not save it.
    """
    features, labels = batch
    what = "has exploded" if np.isfinite(loss) else "is NaN or infinite"
    bad = sum(int((~np.isfinite(array)).sum()) for array in (features["values"], labels))
    cause = (
        f"{bad} of its numbers are not finite: check the data."
        if bad
        else "Lower the learning rate, or check the data for extreme numbers."
    )
    saved = ""
    if folder:
        path = pathlib.Path(folder) / FAILED_BATCH
        content = {**features, "labels": labels, "loss": np.asarray(loss), "epoch": np.asarray(epoch)}
        with replaced(path) as temporary:
            np.savez(temporary, step=np.asarray(step), **content)  # pyright: ignore[reportArgumentType] (NumPy's stub)
        saved = f" The batch is saved in {path}."
    return ValueError(
        f"The run has diverged: the training loss {what} ({loss:g}) at step {step} of epoch {epoch}. {cause}{saved}"
    )
