"""Exact metrics of predicted numbers over a whole split."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ctrzoo.metrics.binary import total_weight
from ctrzoo.metrics.rows import blocks, checked, weight_blocks


def rmse(labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the square root of the mean squared error.

    Args:
        labels: The actual number of each row.
        predictions: The predicted number of each row.
        weights: A weight for each row.

    Raises:
        ValueError: If the lengths differ, the arrays are empty, or a number is not finite.

    >>> rmse([1.0, 3.0], [2.0, 5.0], weights=[3, 1])
    1.3228756555322954
    """
    return math.sqrt(mse(labels, predictions, weights))


def mse(labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the mean squared error.

    Args:
        labels: The actual number of each row.
        predictions: The predicted number of each row.
        weights: A weight for each row.

    Raises:
        ValueError: As in `rmse`.

    >>> mse([1.0, 3.0], [2.0, 5.0])
    2.5
    """
    return _mean_error(labels, predictions, weights, np.square)


def mae(labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the mean absolute error.

    Args:
        labels: The actual number of each row.
        predictions: The predicted number of each row.
        weights: A weight for each row.

    Raises:
        ValueError: As in `rmse`.

    >>> mae([1.0, 3.0], [2.0, 5.0])
    1.5
    """
    return _mean_error(labels, predictions, weights, np.abs)


def _mean_error(labels, predictions, weights, function):
    labels, predictions, weights = checked(labels, predictions, weights, binary=False)
    total = 0.0
    pieces = zip(blocks(labels), blocks(predictions), weight_blocks(weights, len(labels)), strict=True)
    for actual, predicted, weight in pieces:
        total += (function(predicted.astype(np.float64) - actual) * weight).sum()
    return float(total / total_weight(weights, len(labels)))
