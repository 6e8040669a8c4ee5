"""Whether predicted probabilities are the shares of clicks that they should be."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ctrzoo.metrics.binary import checked_probabilities, weighted_sum
from ctrzoo.metrics.rows import blocks, weight_blocks

BINS = 20


def calibration(labels: ArrayLike, probabilities: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return predicted clicks divided by actual clicks: above 1 over-predicts; NaN without clicks.

    Args:
        labels: 0 or 1 for each row.
        probabilities: The predicted probability of each row.
        weights: A weight for each row.

    Raises:
        ValueError: If the lengths differ, a label is not 0 or 1, or a probability is outside [0, 1].

    >>> calibration([1, 0, 0, 1], [0.5, 0.5, 0.5, 0.5])
    1.0
    """
    labels, probabilities, weights = checked_probabilities(labels, probabilities, weights)
    clicks = weighted_sum(labels, weights)
    return weighted_sum(probabilities, weights) / clicks if clicks else float("nan")


class CalibrationCurve(NamedTuple):
    """Predicted and actual clicks of bins of rows, from the lowest probabilities to the highest.

    Args:
        predicted: Mean probability of each bin, `(bins,)`.
        actual: Share of positives of each bin.
        weight: Sum of the weights of each bin; the number of rows without weights.
    """

    predicted: np.ndarray
    actual: np.ndarray
    weight: np.ndarray


def calibration_curve(
    labels: ArrayLike, probabilities: ArrayLike, weights: ArrayLike | None = None, bins: int = BINS
) -> CalibrationCurve:
    """Return mean probability and share of positives in bins of equally many rows.

    Bins of equal width would leave nearly all rows of click data in the first. Rows with equal probabilities are in
    one bin, so there may be fewer bins than asked for.

    Args:
        labels: 0 or 1 for each row.
        probabilities: The predicted probability of each row.
        weights: A weight for each row; bins have equally many rows all the same.
        bins: The most bins.

    Raises:
        ValueError: As in `calibration`, or if there is no bin.

    >>> curve = calibration_curve([0, 1, 0, 1], [0.1, 0.2, 0.6, 0.8], bins=2)
    >>> curve.predicted.round(2).tolist(), curve.actual.tolist(), curve.weight.tolist()
    ([0.15, 0.7], [0.5, 0.5], [2.0, 2.0])
    """
    if bins < 1:
        raise ValueError(f"`bins` must be at least 1. Received: {bins}.")
    labels, probabilities, weights = checked_probabilities(labels, probabilities, weights)
    ranks = np.unique(np.arange(1, bins) * len(labels) // bins)
    edges = np.unique(np.sort(probabilities)[ranks]) if len(ranks) else np.empty(0)
    sums = np.zeros((3, len(edges) + 1))
    pieces = zip(blocks(labels), blocks(probabilities), weight_blocks(weights, len(labels)), strict=True)
    for actual, probability, weight in pieces:
        of = np.searchsorted(edges, probability, side="right")
        for total, numbers in zip(sums, (probability * weight, actual * weight, weight), strict=True):
            total += np.bincount(of, numbers, len(total))
    predicted, clicks, weight = sums[:, sums[2] > 0]
    return CalibrationCurve(predicted / weight, clicks / weight, weight)


def expected_calibration_error(
    labels: ArrayLike, probabilities: ArrayLike, weights: ArrayLike | None = None, bins: int = BINS
) -> float:
    """Return the mean difference between predicted and actual share of clicks over the bins of `calibration_curve`.

    Each bin counts by the weight of its rows.
    Source: Naeini et al., 2015, section "Calibration measures", https://doi.org/10.1609/aaai.v29i1.9602; the bins here
    have equally many rows.

    Args:
        labels: 0 or 1 for each row.
        probabilities: The predicted probability of each row.
        weights: A weight for each row.
        bins: The most bins.

    Raises:
        ValueError: As in `calibration_curve`.

    >>> round(expected_calibration_error([0, 1, 0, 1], [0.1, 0.2, 0.6, 0.8], bins=2), 3)
    0.275
    """
    curve = calibration_curve(labels, probabilities, weights, bins)
    return float(np.average(np.abs(curve.predicted - curve.actual), weights=curve.weight))
