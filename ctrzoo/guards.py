"""What stops a run before it wastes a night: wrong schemas, ids outside the table, a loss that explodes."""

import pathlib

import numpy as np

from ctrzoo.files import replaced

# A loss this many times the first step's (or 1, if that is more) does not come back.
EXPLODED = 50
FAILED_BATCH = "failed_batch.npz"


def check_schema(model, data):
    """Refuse data whose schema is not the one that the model was built for.

    Raises:
        ValueError: With the first differences.
    """
    differences = model.schema.differences(data.schema)
    if differences:
        raise ValueError(
            f"The model '{model.name}' was built for another schema than that of the data: "
            f"{_first(differences)} (model and data). Build the model from the data's schema."
        )


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


def check_ids(features, schema):
    """Refuse ids that the table does not have; a GPU would read zeros for them, XLA the nearest row.

    One pass over the ids in the memory of the host.

    Args:
        features: The features of a batch.
        schema: The `Schema`.

    Raises:
        ValueError: With the first such id, its row and its field; or if there are no ids, they are no whole numbers or
            not as many a row as the schema has slots, or the values have another shape.

    >>> from ctrzoo.schema import Field, Schema
    >>> check_ids({"ids": np.array([[1], [3]], "int32")}, Schema([Field("user", vocabulary_size=2)]))
    Traceback (most recent call last):
    ValueError: The id 3 of field 'user' (row 1 of its batch) is outside 0 to 2, ...
    """
    if "ids" not in features:
        raise ValueError(f"Features are 'ids' and 'values'. Received: {', '.join(map(repr, features))}.")
    ids = np.asarray(features["ids"])
    if ids.dtype.kind not in "iu":
        raise ValueError(f"Ids must be whole numbers. Received an array of {ids.dtype}: cast it to int32.")
    if ids.ndim != 2 or ids.shape[1] != schema.num_slots:
        raise ValueError(f"Ids must have the shape (rows, {schema.num_slots}), a slot each. Received: {ids.shape}.")
    shape = tuple(np.shape(features.get("values", ids)))
    if shape != ids.shape:
        raise ValueError(f"Values must have the shape of the ids, {ids.shape}. Received: {shape}.")
    ids = ids.astype(ids.dtype.newbyteorder("="), copy=False)
    # Unsigned, negative ids are the largest, so that one maximum tells both ends.
    if ids.size and ids.view(f"uint{8 * ids.itemsize}").max() >= schema.num_ids:
        row, slot = np.argwhere((ids < 0) | (ids >= schema.num_ids))[0]
        name = schema.names[schema.slot_fields[slot]]
        raise ValueError(
            f"The id {ids[row, slot]} of field '{name}' (row {row} of its batch) is outside 0 to "
            f"{schema.num_ids - 1}, the rows of the embedding table. Prepare the data again, with the vocabulary "
            "that the model was built for."
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


def _first(differences):
    more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
    return "; ".join(differences[:3]) + more


def _short(value):
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
