"""Gradients of some rows of a table, on every backend: their form, their sums, and writing rows.

TensorFlow has such gradients, `tf.IndexedSlices`. JAX has none: the gradient of its `take` covers the whole table. On
JAX, the training step (`ctrzoo.training.jax_step`) makes a `RowGradient` with the same attributes.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import keras
from keras import ops

from ctrzoo.divided_rows import division_of, read_divided, write_divided
from ctrzoo.lookup import look_up
from ctrzoo.types import Shape, Tensor

if TYPE_CHECKING or keras.backend.backend() == "tensorflow":
    import tensorflow as tf

_IS_TENSORFLOW = keras.backend.backend() == "tensorflow"


@dataclasses.dataclass(frozen=True)
class RowGradient:
    """The gradient of some rows of a table on a backend without `tf.IndexedSlices`; repeated rows add up.

    Attributes:
        values: `(rows, ...)`.
        indices: Their ids, `(rows,)`. Ids of at least the number of rows of the table stand for no row.
        dense_shape: The shape of the table.
    """

    values: Tensor
    indices: Tensor
    dense_shape: Shape


def is_of_rows(gradient: Tensor) -> bool:
    """Return whether a gradient covers only some rows."""
    return isinstance(gradient, RowGradient) or (_IS_TENSORFLOW and isinstance(gradient, tf.IndexedSlices))


def values_of(gradient: Tensor) -> Tensor:
    """Return the numbers of a gradient: those of its rows, or all."""
    return gradient.values if is_of_rows(gradient) else gradient


def with_values(gradient: Tensor, values: Tensor) -> Tensor:
    """Return a gradient of the same rows with other numbers."""
    return type(gradient)(values, gradient.indices, gradient.dense_shape) if is_of_rows(gradient) else values


def dense(gradient: Tensor) -> Tensor:
    """Return a gradient as that of all rows."""
    if not isinstance(gradient, RowGradient):
        return tf.convert_to_tensor(gradient) if _IS_TENSORFLOW else gradient
    zeros = ops.zeros(gradient.dense_shape, gradient.values.dtype)
    return zeros.at[gradient.indices].add(gradient.values, mode="drop")


def merged(gradient: RowGradient) -> RowGradient:
    """Return an equal gradient in which each id occurs once, and as many rows, as compiled shapes cannot shrink.

    Ids are sorted. The places left over hold ids beyond the table, each another one, whose rows are zero.
    """
    ids, values = gradient.indices, gradient.values
    num = ids.shape[0]
    order = ops.argsort(ids)
    ids, places = ops.take(ids, order), ops.arange(num, dtype=ids.dtype)
    starts = ops.concatenate([ops.zeros((1,), "bool"), ids[1:] != ids[:-1]])
    segments = ops.cumsum(ops.cast(starts, "int32"))
    sums = ops.segment_sum(ops.take(values, order, axis=0), segments, num_segments=num, sorted=True)
    distinct = (places + gradient.dense_shape[0]).at[segments].set(ids)
    return RowGradient(sums, distinct, gradient.dense_shape)


def read_rows(table: keras.Variable, ids: Tensor) -> Tensor:
    """Return rows of a table, `(rows, ...)`; for an id beyond it, such as `merged` has, any row.

    If the rows are divided over devices, return what each of them has, `(devices, rows, ...)`.
    """
    if _IS_TENSORFLOW:
        return look_up(table, ids)
    division = division_of(table)
    if division is not None:
        return read_divided(ops.convert_to_tensor(table), ids, division)
    return look_up(table, ops.minimum(ids, table.shape[0] - 1))


def write_rows(optimizer: keras.optimizers.Optimizer, table: keras.Variable, rows: Tensor, ids: Tensor) -> None:
    """Write rows that `read_rows` returned, changed. On JAX, ids are those of `merged`; those beyond are left out."""
    if _IS_TENSORFLOW:
        optimizer.assign(table, tf.IndexedSlices(rows, ids))
    elif (division := division_of(table)) is not None:
        table.assign(write_divided(ops.convert_to_tensor(table), rows, ids, division))
    else:
        options = {"mode": "drop", "unique_indices": True, "indices_are_sorted": True}
        table.assign(ops.convert_to_tensor(table).at[ids].set(rows, **options))
