"""What stops a run before it wastes a night: wrong schemas, ids outside the table, a loss that explodes."""

import pathlib

import numpy as np

from ctrzoo.files import replaced
from ctrzoo.validation import _first

# A loss this many times the first step's (or 1, if that is more) does not come back.
EXPLODED = 50
FAILED_BATCH = "failed_batch.npz"


def check_same_run(earlier, now, folder):
    """Refuse to go on with a run whose settings are others than those it began with.

    Args:
        earlier: The description of the run in the checkpoint, a flat dictionary.
        now: The description of this run.
        folder: Where the checkpoint lies.

    Raises:
        ValueError: With the first differences.
    """
    differences = [
        f"{key} was {_short(earlier.get(key))}, is {_short(now.get(key))}"
        for key in {**earlier, **now}
        if earlier.get(key) != now.get(key)
    ]
    if differences:
        raise ValueError(
            f"{folder} holds checkpoints of another run: {_first(differences)}. "
            "Choose another folder, or delete it to begin anew."
        )


def check_loss(losses, first_loss):
    """Return the index of the first loss that is not finite or has exploded, None if all are sound.

    >>> check_loss([0.7, 0.6], 0.7), check_loss([0.7, 800.0], 0.7), check_loss([float("nan")], 0.7)
    (None, 1, 0)
    """
    limit = EXPLODED * max(abs(first_loss), 1.0) if np.isfinite(first_loss) else np.inf
    for index, loss in enumerate(losses):
        if not loss <= limit:
            return index
    return None


def diverged(loss, epoch, step, batch, folder):
    """Write the batch of a step that went wrong; return the error that says so.

    Args:
        loss: Its loss.
        epoch: Number of the epoch, from 1.
        step: Number of the step in it, from 1.
        batch: `(features, labels)` as NumPy arrays.
        folder: Where to write, or None.
    """
    features, labels = batch
    what = "is no number" if not np.isfinite(loss) else "has exploded"
    bad = sum(int((~np.isfinite(array)).sum()) for array in (features["values"], labels))
    cause = (
        f"{bad} of its numbers are not finite: look at the data."
        if bad
        else "Lower the learning rate, or look for extreme numbers in the data."
    )
    saved = ""
    if folder:
        path = pathlib.Path(folder) / FAILED_BATCH
        with replaced(path) as temporary:
            np.savez(temporary, **features, labels=labels, loss=loss, epoch=epoch, step=step)
        saved = f" Its batch is in {path}."
    return ValueError(
        f"The run has diverged: the training loss {what} ({loss:g}) at step {step} of epoch {epoch}. {cause}{saved}"
    )


def _short(value):
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
