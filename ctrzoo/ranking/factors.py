"""Pair terms across two sides of a row's fields, as inner products of a vector of each side.

A model whose logit is a sum of terms of pairs (or of more fields) needs one vector for each query and one for each
candidate: its score is the sum of what each side gives by itself and the inner product of the two vectors.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from ctrzoo.layers import AnovaKernel, FieldAwareInteraction, PairwiseInteraction


def cross_factors(
    layer: keras.layers.Layer, first: np.ndarray, second: np.ndarray, is_second: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors whose inner products are what a layer gives for the terms with fields of both sides.

    Args:
        layer: A layer of `FACTORS`.
        first: The embedded fields of rows of the first side, `(rows, fields, dim)`, zero in the fields of the second.
        second: Those of the second side, `(others, fields, dim)`.
        is_second: Whether a field is of the second side, `(fields,)`.

    Returns:
        Vectors `(rows, size)` and `(others, size)`.

    Raises:
        KeyError: If the layer has no such form.
    """
    return FACTORS[type(layer)](layer, first, second, is_second)


def _pairwise(layer, first, second, is_second):
    """`<sum of the first, sum of the second>`."""
    return first.sum(axis=1), second.sum(axis=1)


def _anova(layer, first, second, is_second):
    """Each product of `order` fields takes s of them from the first side and the others from the second."""
    left = elementary(first[:, ~is_second], layer.order - 1)
    right = elementary(second[:, is_second], layer.order - 1)
    return np.concatenate(left, axis=1), np.concatenate(right[::-1], axis=1)


def elementary(vectors: np.ndarray, order: int) -> list[np.ndarray]:
    """Return the sums of all products of 1, 2, ..., `order` different vectors, each `(rows, dim)`.

    >>> [part.tolist() for part in elementary(np.array([[[2.0], [3.0], [5.0]]]), 2)]
    [[[10.0]], [[31.0]]]
    """
    sums = [np.zeros_like(vectors[:, 0]) for _ in range(order)]
    for index in range(vectors.shape[1]):
        vector = vectors[:, index]
        for size in range(order - 1, 0, -1):
            sums[size] = sums[size] + sums[size - 1] * vector
        sums[0] = sums[0] + vector
    return sums


def _field_aware(layer, first, second, is_second):
    """`<v_ij, v_ji>` for each field i of the first side and each field j of the second."""
    fields = len(is_second)
    left, right = (side.reshape(len(side), fields, fields, -1) for side in (first, second))
    left = left[:, ~is_second][:, :, is_second]
    right = right[:, is_second][:, :, ~is_second].transpose(0, 2, 1, 3)
    return left.reshape(len(left), -1), right.reshape(len(right), -1)


FACTORS: dict[type, Callable[..., tuple[np.ndarray, np.ndarray]]] = {
    PairwiseInteraction: _pairwise,
    AnovaKernel: _anova,
    FieldAwareInteraction: _field_aware,
}
