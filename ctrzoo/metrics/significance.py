"""Intervals and p-values from resampled values, and p-values of several tests together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

LEVEL = 0.95


def percentile_interval(values: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """Return the percentile interval of resampled values (Efron and Tibshirani, 1993, section 13.3).

    Args:
        values: A value for each resample, `(resamples,)`. Those that are NaN, where the measure is not defined, are
            left out.
        level: The share of the values that lie within.

    Returns:
        The ends of the interval; NaN if no value is left.

    >>> percentile_interval(np.arange(101.0), level=0.5)
    (25.0, 75.0)
    """
    values = values[~np.isnan(values)]
    if not len(values):
        return math.nan, math.nan
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_p_value(differences: np.ndarray) -> float:
    """Return the two-sided p-value of no difference: twice the share of resampled differences beyond 0.

    It is the level at which the percentile interval starts to hold 0. Each side counts one resample more, so no p-value
    is below 2 / (resamples + 1) (Davison and Hinkley, 1997, section 4.2).

    Args:
        differences: The difference in each resample; those that are NaN are left out.

    Returns:
        The p-value; NaN if no difference is left.

    >>> bootstrap_p_value(np.array([0.1, 0.2, 0.3])), bootstrap_p_value(np.zeros(3))
    (0.5, 1.0)
    """
    differences = differences[~np.isnan(differences)]
    if not len(differences):
        return math.nan
    beyond = min((differences <= 0).sum(), (differences >= 0).sum())
    return min(1.0, float(2 * (beyond + 1) / (len(differences) + 1)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for the number of tests, in the same order.

    The smallest of n is multiplied by n, the next one by n - 1 and so on; none is less than one before it, or more than
    1. The chance that any true hypothesis falls below a bound is then at most that bound.
    Source: Holm, 1979, https://www.jstor.org/stable/4615733.

    Args:
        p_values: A p-value for each test. NaN, a test that cannot be done, stays NaN and counts as a test.

    >>> holm([0.02, 0.01, 0.5])
    [0.04, 0.03, 0.5]
    """
    order = sorted(range(len(p_values)), key=lambda index: (math.isnan(p_values[index]), p_values[index]))
    corrected, largest = [math.nan] * len(p_values), 0.0
    for place, index in enumerate(order):
        if not math.isnan(p_values[index]):
            largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
            corrected[index] = largest
    return corrected
