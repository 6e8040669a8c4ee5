"""Checks of a model's input: the schema of its data and the ids of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from ctrzoo.schema import Schema
from ctrzoo.types import Features


def check_schema(model: Any, data: Any) -> None:
    """Raise an error if the data's schema differs from the model's.

    Raises:
        ValueError: If they differ; the message lists the first differences.
    """
    differences = model.schema.differences(data.schema)
    if differences:
        raise ValueError(
            f"The model '{model.name}' was built for a schema that differs from the data's: "
            f"{_first(differences)} (model and data). Build the model from the data's schema."
        )


def check_ids(features: Features, schema: Schema) -> None:
    """Raise an error if an id is outside the table; a GPU would read zeros for it, XLA the nearest row.

    Sequences are checked too: their events have the value 1 and come before the absent slots.

    This makes one pass over the ids in host memory.

    Args:
        features: The features of a batch.
        schema: The `Schema`.

    Raises:
        ValueError: If an id is outside the table (the message gives the first such id, its row and its field). Also if
            ids are missing, are not integers, do not match the schema's number of slots, if the shapes of ids and
            values differ, or if the slots of a sequence are not as its kind says.

    >>> from ctrzoo.schema import Field, Schema
    >>> check_ids({"ids": np.array([[1], [3]], "int32")}, Schema([Field("user", vocabulary_size=2)]))
    Traceback (most recent call last):
    ValueError: The id 3 of field 'user' (row 1 of its batch) is outside 0 to 2, ...
    """
    if "ids" not in features:
        raise ValueError(f"Features must be 'ids' and 'values'. Received: {', '.join(map(repr, features))}.")
    ids = np.asarray(features["ids"])
    if ids.dtype.kind not in "iu":
        raise ValueError(f"Ids must be whole numbers. Received an array of {ids.dtype}: cast it to int32.")
    if ids.ndim != 2 or ids.shape[1] != schema.num_slots:
        raise ValueError(f"Ids must have shape (rows, {schema.num_slots}), one per slot. Received: {ids.shape}.")
    shape = tuple(np.shape(features.get("values", ids)))
    if shape != ids.shape:
        raise ValueError(f"Values must have the same shape as the ids, {ids.shape}. Received: {shape}.")
    ids = ids.astype(ids.dtype.newbyteorder("="), copy=False)
    # As unsigned integers, negative ids become the largest, so one maximum checks both bounds.
    if ids.size and ids.view(f"uint{8 * ids.itemsize}").max() >= schema.num_ids:
        row, slot = np.argwhere((ids < 0) | (ids >= schema.num_ids))[0]
        name = schema.names[schema.slot_fields[slot]]
        raise ValueError(
            f"The id {ids[row, slot]} of field '{name}' (row {row} of its batch) is outside 0 to "
            f"{schema.num_ids - 1}, the rows of the embedding table. Prepare the data again, with the vocabulary "
            "that the model was built for."
        )
    if schema.histories and "values" in features:
        _check_histories(np.asarray(features["values"]), schema)


def _check_histories(values, schema):
    """Check that each event has the value 1, and that no event comes after an absent slot of its history."""
    owners = np.asarray(schema.slot_fields)
    for history, columns in schema.histories.items():
        slots = [values[:, owners == schema.names.index(column)] for column in columns]
        for column, own in zip(columns, slots, strict=True):
            odd = (own != 0) & (own != 1)
            if odd.any():
                row, slot = np.argwhere(odd)[0]
                raise ValueError(
                    f"An event of a sequence has the value 1, an absent slot 0. Received: {own[row, slot]} in slot "
                    f"{slot} of '{column}' (row {row} of its batch)."
                )
        present = np.any(np.stack(slots) != 0, axis=0)
        late = present[:, 1:] & ~present[:, :-1]
        if late.any():
            row, slot = np.argwhere(late)[0]
            raise ValueError(
                f"The events of the history '{history}' must come before its absent slots, the oldest first. Received: "
                f"an event in slot {slot + 1} after an absent one (row {row} of its batch)."
            )


def _first(differences):
    more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
    return "; ".join(differences[:3]) + more
