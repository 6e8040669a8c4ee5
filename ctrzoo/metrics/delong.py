"""DeLong's covariance of the AUCs of several models on the same rows, in the time of a few sorts.

The sources are DeLong et al., 1988, https://doi.org/10.2307/2531595, and, for mid-ranks, Sun and Xu, 2014,
https://doi.org/10.1109/LSP.2014.2337313.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from ctrzoo.metrics.rows import checked


class AucCovariance(NamedTuple):
    """The AUCs of models on the same rows, and how they vary together over samples of rows.

    Args:
        aucs: The AUC of each model, `(models,)`.
        covariance: Their covariance, `(models, models)`; NaN with fewer than two rows of a class.
    """

    aucs: np.ndarray
    covariance: np.ndarray

    def interval(self, model: int, level: float = 0.95) -> tuple[float, float]:
        """Return the normal confidence interval of an AUC, cut to 0 and 1; NaN where the variance is unknown.

        Args:
            model: The index of the model.
            level: The share of samples whose interval holds the true AUC.

        >>> AucCovariance(np.array([0.8]), np.array([[0.01]])).interval(0)[0]
        0.604...
        """
        half = ndtri((1 + level) / 2) * math.sqrt(self.covariance[model, model])
        low, high = np.clip([self.aucs[model] - half, self.aucs[model] + half], 0, 1)
        return float(low), float(high)

    def difference(self, model: int, other: int, level: float = 0.95) -> tuple[float, float, float, float]:
        """Return the difference of two AUCs, the ends of its confidence interval, and the p-value of no difference.

        Two models that order all rows alike do not differ: their p-value is 1. The p-value is NaN where the variance is
        unknown, or 0 although the AUCs differ.

        Args:
            model: The index of the first model.
            other: The index of the model whose AUC is subtracted.
            level: As in `interval`.

        >>> AucCovariance(np.array([0.8, 0.7]), np.diag([0.01, 0.01])).difference(0, 1)[3]
        0.4795...
        """
        found = self.aucs[model] - self.aucs[other]
        contrast = np.zeros(len(self.aucs))
        contrast[model] += 1
        contrast[other] -= 1
        deviation = math.sqrt(max(contrast @ self.covariance @ contrast, 0.0))
        half = ndtri((1 + level) / 2) * deviation
        if deviation:
            p = 2 * ndtr(-abs(found) / deviation)
        else:
            p = math.nan if found else 1.0
        return tuple(map(float, (found, found - half, found + half, p)))  # pyright: ignore[reportReturnType]


def delong(labels: ArrayLike, scores: Sequence[ArrayLike]) -> AucCovariance:
    """Return the AUCs of models on the same rows and their covariance, for rows that are independent.

    The placement of a positive row is the share of the negative rows below it, equal ones counting half; that of a
    negative row is the share of the positive rows above it (DeLong et al., 1988, equations 4 and 5, `V10` and `V01`).
    A placement is a difference of mid-ranks (Sun and Xu, 2014, equations 12 and 13), so no pair of rows is compared.
    The covariance is that of the placements of positive rows, divided by their number, plus that of negative rows,
    divided by theirs (DeLong et al., equation 6). Weights are not defined for it; resample rows instead.

    Args:
        labels: 0 or 1 for each row.
        scores: The scores of each model, a list of `(rows,)`.

    Raises:
        ValueError: As in `ctrzoo.metrics.auc`, or if there is no model, or all rows have the same class.

    >>> found = delong([0, 0, 1, 1], [[0.1, 0.4, 0.4, 0.8], [0.3, 0.2, 0.2, 0.9]])
    >>> found.aucs.tolist(), found.covariance.round(4).tolist()
    ([0.875, 0.625], [[0.0312, 0.0312], [0.0312, 0.1562]])
    """
    if not len(scores):
        raise ValueError("DeLong's covariance needs the scores of at least one model. Received: none.")
    of_positives, of_negatives = [], []
    for of_model in scores:
        is_positive, of_model, _ = checked(labels, of_model)
        positives, negatives = int(is_positive.sum()), int((~is_positive).sum())
        if not positives or not negatives:
            raise ValueError(
                f"The AUC needs rows of both classes. Received: {positives:,} of {len(of_model):,} positive."
            )
        ranks = rankdata(of_model)
        of_positives.append((ranks[is_positive] - rankdata(of_model[is_positive])) / negatives)
        of_negatives.append(1 - (ranks[~is_positive] - rankdata(of_model[~is_positive])) / positives)
    aucs = np.array([placements.mean() for placements in of_positives])
    return AucCovariance(aucs, _covariance(of_positives) + _covariance(of_negatives))


def _covariance(placements):
    """Return the covariance of the means of placements."""
    models, rows = len(placements), len(placements[0])
    if rows < 2:
        return np.full((models, models), math.nan)
    return np.atleast_2d(np.cov(placements)) / rows
