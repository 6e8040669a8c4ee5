"""Encoded rows as model inputs: which slots are stored, and how to derive the ids and values of all slots."""

from __future__ import annotations

import typing
from collections.abc import Mapping

import numpy as np

if typing.TYPE_CHECKING:
    from ctrzoo.schema import Schema
    from ctrzoo.types import Tensor


class Block(typing.NamedTuple):
    """Some rows of a table, as stored.

    Args:
        ids: int32 `(rows, stored slots)`: global ids of categorical and multi-valued fields, 0 if absent.
        numerical: float32 `(rows, numerical slots)`: scaled numbers and those of vectors (0 if missing), and the
            weights of weighted fields' ids (0 for padding). Called `numbers` on disk.
        labels: `(rows,)`: 0 or 1 (uint8), or float32 numbers.
        columns: Further columns, `weight`, `group`, `time` and `id`, each `(rows,)`; see `Roles.read`.
    """

    ids: np.ndarray
    numerical: np.ndarray
    labels: np.ndarray
    columns: Mapping[str, np.ndarray] = {}

    def rows(self, chosen: slice | np.ndarray) -> Block:
        """Return some rows."""
        columns = {name: column[chosen] for name, column in self.columns.items()}
        return Block(self.ids[chosen], self.numerical[chosen], self.labels[chosen], columns)


def stored_slots(schema: Schema) -> list[int]:
    """Return the indices of the slots whose ids are stored: all except those of numerical fields and vectors."""
    return [slot for slot, field in enumerate(schema.slot_fields) if not schema.fields[field].holds_numbers]


def number_slots(schema: Schema) -> list[int]:
    """Return the indices of the slots whose numbers are stored: numbers, those of vectors, and weights of ids."""
    owners = [schema.fields[field] for field in schema.slot_fields]
    return [slot for slot, field in enumerate(owners) if field.holds_numbers or field.weighted]


def stored_widths(schema: Schema) -> dict[str, int]:
    """Return everything that the shards and the schema must agree on."""
    return {"ids": len(stored_slots(schema)), "numbers": len(number_slots(schema)), "vocabulary": schema.num_ids}


MOST_RUNS = 4


def assemble(schema: Schema, ids: Tensor, numbers: Tensor) -> dict[str, Tensor]:
    """Turn stored ids and numbers into the ids and values of all slots.

    Args:
        schema: The `Schema`.
        ids: int32 `(rows, stored slots)`.
        numbers: float32 `(rows, number slots)`.

    Returns:
        `{"ids": int32 (rows, num_slots), "values": float32 (rows, num_slots)}`: the value of a
        present id is 1, or 1/n for the n present ids of a mean-pooled field; an absent id has 0.
        In a weighted field the value is the weight, divided by the sum of the row's weights for the mean.
    """
    import tensorflow as tf

    slots, columns = stored_slots(schema), number_slots(schema)
    values = tf.cast(ids > 0, tf.float32)
    owners = [schema.slot_fields[slot] for slot in slots]
    weighted = [schema.fields[owner].weighted for owner in owners]
    if any(weighted):
        weights = tf.gather(numbers, [columns.index(slot) if slot in columns else 0 for slot in slots], axis=1)
        values = tf.where(tf.constant(weighted), weights, values)
    mean = [schema.fields[owner].kind == "multivalued" and schema.fields[owner].pooling == "mean" for owner in owners]
    if any(mean):
        # Column s of `together` sums the slots of slot s' field, so that values become 1/n.
        together = (np.equal.outer(owners, owners) & np.array(mean)).astype(np.float32)
        # A value of a compositional field has two slots.
        together /= np.array(
            [1.0 if schema.fields[owner].compositional is None else 2.0 for owner in owners], "float32"
        )
        totals = values @ together
        values /= tf.where(totals == 0.0, 1.0, totals)
    own_ids = tf.zeros_like(numbers, tf.int32) + tf.constant([_fixed_id(schema, slot) for slot in columns], tf.int32)
    # The column of each slot, counted over the stored ids first and then the numbers.
    numerical = [schema.fields[owner].holds_numbers for owner in schema.slot_fields]
    order = np.array(
        [len(slots) + columns.index(slot) if numerical[slot] else slots.index(slot) for slot in range(schema.num_slots)]
    )
    return {"ids": _in_order(order, ids, own_ids), "values": _in_order(order, values, numbers)}


def _fixed_id(schema, slot):
    """Return the id of a slot that holds a number: each number of a vector has an id of its own."""
    owner = schema.slot_fields[slot]
    position = slot - schema.slot_fields.index(owner) if schema.fields[owner].kind == "vector" else 0
    return schema.first_ids[owner] + position


def _in_order(order, left, right):
    """Return columns picked from two adjacent tables, `(rows, len(order))`."""
    import tensorflow as tf

    width = left.shape[1]
    starts = np.flatnonzero((np.diff(order, prepend=-2) != 1) | (order == width))
    if len(starts) > MOST_RUNS:
        # Picked as rows of the transposed tables, which is fast if the runs of columns are many and short.
        return tf.transpose(tf.gather(tf.concat([tf.transpose(left), tf.transpose(right)], axis=0), order))
    pieces = []
    for run in np.split(order, starts[1:]):
        table, first = (left, run[0]) if run[0] < width else (right, run[0] - width)
        pieces.append(table[:, first : first + len(run)])
    return tf.concat(pieces, axis=1)
