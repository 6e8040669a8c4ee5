"""How well two lists of numbers agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Return Pearson's correlation; NaN if all numbers of one are equal."""
    centred = np.stack([first, second]).astype(np.float64)
    centred -= centred.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1)
    return float(centred[0] @ centred[1] / lengths.prod()) if lengths.all() else float("nan")


def rank_correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Return Spearman's rank correlation, ties with their mean rank; NaN if all numbers of one are equal.

    >>> round(rank_correlation([1, 2, 3], [2, 5, 4]), 6)
    0.5
    """
    return correlation(_ranks(first), _ranks(second))


def _ranks(scores):
    _, distinct, counts = np.unique(scores, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[distinct]
