"""Weights of the edges between fields that are computed from two states without learned numbers.

Letters: b batch, n = i = j fields, d size of a state. Zero states are those of absent fields. Their edges come out
equal to the last digit, wherever a row lies in its batch, because a selection of edges may keep ties.
"""

import keras
from keras import ops

from ctrzoo.types import Tensor


def cosine_weights(states: Tensor) -> Tensor:
    """Compute `(1 + cosine) / 2` of the states of each two fields; a zero state has a cosine of 0 with all.

    Args:
        states: Tensor `(n, b, d)`.

    Returns:
        Tensor `(n, n, b)` of numbers between 0 and 1, symmetric.

    >>> cosine_weights(ops.array([[[1.0, 0.0]], [[0.0, 2.0]], [[-3.0, 0.0]]]))[0, :, 0].numpy().tolist()
    [1.0, 0.5, 0.0]
    """
    wide = ops.cast(states, keras.backend.result_type(states.dtype, "float32"))
    # The cosine does not depend on the length of a state. Squares of entries near 1 do not underflow.
    largest = ops.stop_gradient(ops.max(ops.abs(wide), axis=-1, keepdims=True))
    present = largest > 0
    wide = wide / ops.where(present, largest, 1.0)
    squares = ops.sum(ops.square(wide), axis=-1, keepdims=True)
    units = ops.transpose(wide * ops.rsqrt(ops.where(present, squares, 1.0)), (1, 0, 2))
    cosines = ops.transpose(ops.matmul(units, ops.transpose(units, (0, 2, 1))), (1, 2, 0))
    # A product of matrices may round (i, j) and (j, i) differently.
    cosines = ops.clip((cosines + ops.transpose(cosines, (1, 0, 2))) / 2.0, -1.0, 1.0)
    return ops.cast((1.0 + cosines) / 2.0, states.dtype)


def euclidean_weights(states: Tensor) -> Tensor:
    """Compute `1 / (1 + distance)` of the states of each two fields: 1 for equal states, 0.5 at a distance of 1.

    Distances are lengths of differences, because squared lengths minus products lose the digits of small distances.

    Args:
        states: Tensor `(n, b, d)`.

    Returns:
        Tensor `(n, n, b)` of numbers between 0 and 1, symmetric.

    >>> euclidean_weights(ops.array([[[0.0, 0.0]], [[3.0, 0.0]], [[3.0, 4.0]]]))[2, 1:, 0].numpy().round(3)
    array([0.2, 1. ], dtype=float32)
    """
    wide = ops.cast(states, keras.backend.result_type(states.dtype, "float32"))
    distances = _length(ops.expand_dims(wide, 1) - ops.expand_dims(wide, 0))
    # The distance of a state from zero is its length. It is computed once for all absent fields, so that their edges
    # are equal.
    lengths, absent = _length(wide), ops.all(wide == 0, axis=-1)
    to_zero = ops.expand_dims(lengths, 1) + ops.expand_dims(lengths, 0)
    has_zero = ops.logical_or(ops.expand_dims(absent, 1), ops.expand_dims(absent, 0))
    return ops.cast(1.0 / (1.0 + ops.where(has_zero, to_zero, distances)), states.dtype)


def _length(states):
    """Return the lengths of states; the gradient is zero where the length is."""
    squares = ops.sum(ops.square(states), axis=-1)
    positive = squares > 0
    return ops.where(positive, ops.sqrt(ops.where(positive, squares, 1.0)), 0.0)


EDGE_METRICS = {"cosine": cosine_weights, "euclidean": euclidean_weights}
