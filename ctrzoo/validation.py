"""Checks of what a model is given: the schema of its data and the ids of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from ctrzoo.schema import Schema
from ctrzoo.types import Features


def check_schema(model: Any, data: Any) -> None:
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


def check_ids(features: Features, schema: Schema) -> None:
    """Refuse ids that the table does not have; a GPU would read zeros for them, XLA the nearest row.

    One pass over the ids in the memory of the host.

    Args:
        features: The features of a batch.
        schema: The `Schema`.

    Raises:
        ValueError: With the first such id, its row and its field; or if there are no ids, they are no whole numbers or
            not as many per row as the schema has slots, or the values have another shape.

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


def _first(differences):
    more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
    return "; ".join(differences[:3]) + more
