"""The bootstrap of metrics: each metric on many resamples of the rows, or of the groups, of a split.

A resample draws as many units as there are, with replacement, so it is a count for each unit (Efron, 1979,
https://doi.org/10.1214/aos/1176344552). A unit is a group if rows have groups, because the rows of a user are not
independent; otherwise it is a row.
"""

from __future__ import annotations

import concurrent.futures
import os
from collections.abc import Callable, Sequence

import numpy as np

from ctrzoo.metrics.registry import Scored
from ctrzoo.metrics.resampled import ResampledMetrics


def units_of(rows: Scored) -> tuple[np.ndarray | None, int]:
    """Return the number of each row's unit, None if each row is one, and how many units there are.

    >>> units_of(Scored(np.zeros(3), np.zeros(3), groups=np.array([7, 5, 7])))
    (array([1, 0, 1]), 2)
    """
    if rows.groups is None:
        return None, len(rows.labels)
    distinct, units = np.unique(rows.groups, return_inverse=True)
    return units, len(distinct)


def resample_counts(units: int, seed: int, resample: int) -> np.ndarray:
    """Return how often a resample draws each unit, float64 `(units,)`.

    Args:
        units: The number of units; as many are drawn.
        seed: Seed of all resamples.
        resample: The number of the resample, from 0. Each has a stream of its own.

    >>> int(resample_counts(4, seed=0, resample=0).sum())
    4
    """
    random = np.random.default_rng((seed, resample))
    return np.bincount(random.integers(0, units, units, dtype=np.uint32), minlength=units).astype(np.float64)


def bootstrap(
    runs: Sequence[Scored],
    names: Sequence[str],
    resamples: int = 1000,
    seed: int = 0,
    advance: Callable[[], object] | None = None,
) -> np.ndarray:
    """Return metrics on resamples, the same ones for all runs, so that differences of runs are paired.

    Memory does not depend on the number of resamples. Threads share them; the result does not depend on how many.

    Args:
        runs: The rows with the scores of each run. Labels, weights and groups are the same.
        names: Names of metrics, or `ctrzoo.metrics.resampled.MEAN_LABEL`.
        resamples: How many.
        seed: See `resample_counts`.
        advance: Called after each resample.

    Returns:
        `(resamples, runs, metrics)`, NaN where a metric is not defined, such as AUC if all drawn rows have one class.

    Raises:
        ValueError: If a metric is unknown, or `resamples` is less than 1.

    >>> rows = Scored(np.array([0, 1, 0, 1]), np.array([0.2, 0.7, 0.4, 0.3]))
    >>> bootstrap([rows], ["auc"], resamples=3).shape
    (3, 1, 1)
    """
    if resamples < 1:
        raise ValueError(f"`resamples` must be at least 1. Received: {resamples}.")
    units, number = units_of(runs[0])
    of_runs = [ResampledMetrics(rows, names, units, number) for rows in runs]
    values = np.empty((resamples, len(runs), len(names)))

    def compute(resample):
        counts = resample_counts(number, seed, resample)
        row_counts = counts if units is None else counts[units]
        for run, metrics in enumerate(of_runs):
            values[resample, run] = metrics(counts, row_counts)

    with concurrent.futures.ThreadPoolExecutor(_cores()) as threads:
        for _ in threads.map(compute, range(resamples)):
            if advance:
                advance()
    return values


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
