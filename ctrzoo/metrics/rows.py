"""The labels, scores and weights of a split, checked, and blocks of them, so that metrics need little memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

# Rows processed at a time where intermediate results are wider than scores. So few are in the processor's cache, and
# 45 million rows need little memory.
BLOCK = 1 << 16


def checked(
    labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None, binary: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return labels, scores and weights as arrays `(rows,)`; binary labels as booleans.

    Args:
        labels: A number for each row; 0 or 1 if `binary`.
        scores: A number for each row.
        weights: A weight of at least 0 for each row; `None` weights all rows alike.
        binary: Whether labels must be 0 or 1.

    Raises:
        ValueError: If the lengths differ, the arrays are empty, a label, score or weight is none, or all weights are 0.

    >>> checked([0, 1], [[0.2], [0.7]])[1].tolist()
    [0.2, 0.7]
    """
    labels, scores = np.ravel(np.asarray(labels)), np.ravel(np.asarray(scores))
    if len(labels) != len(scores):
        raise ValueError(f"One score is needed for each label. Received: {len(scores)} scores, {len(labels)} labels.")
    if not len(labels):
        raise ValueError("Metrics need at least one row. Received: none.")
    strange = (labels != 0) & (labels != 1) if binary else ~np.isfinite(labels)
    if strange.any():
        what = "0 or 1" if binary else "finite numbers"
        raise ValueError(f"Labels must be {what}. Received: {labels[strange][0]}.")
    if np.isnan(scores).any():
        raise ValueError(f"{int(np.isnan(scores).sum()):,} of {len(scores):,} scores are NaN: the model has diverged.")
    if weights is not None:
        weights = np.ravel(np.asarray(weights))
        if len(weights) != len(labels):
            raise ValueError(f"One weight is needed for each label. Received: {len(weights)} and {len(labels)}.")
        wrong = ~(weights >= 0) | np.isinf(weights)
        if wrong.any() or not weights.any():
            found = f"{weights[wrong][0]}" if wrong.any() else "only 0"
            raise ValueError(f"Weights must be finite, at least 0, and not all 0. Received: {found}.")
    return labels.astype(bool) if binary else labels, scores, weights


def blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    """Yield an array in pieces of `BLOCK` rows."""
    return (array[start : start + BLOCK] for start in range(0, len(array), BLOCK))


def weight_blocks(weights: np.ndarray | None, rows: int) -> Iterator[np.ndarray]:
    """Yield the weights of the rows of each block as float64, ones without weights."""
    if weights is None:
        return (np.ones(min(BLOCK, rows - start)) for start in range(0, rows, BLOCK))
    return (block.astype(np.float64) for block in blocks(weights))


def sortable(numbers: np.ndarray) -> np.ndarray:
    """Return float32 numbers as unsigned integers in the same order, uint32 `(rows,)`; -0 and 0 are one number.

    Integers that hold a number and something else are sorted many times faster than numbers by `argsort`.

    >>> np.diff(sortable(np.array([-2.0, -0.0, 0.0, 1.5], np.float32)).astype(np.int64)) > 0
    array([ True, False,  True])
    """
    numbers = numbers + np.float32(0)  # -0 + 0 is 0
    flipped = (numbers.view(np.int32) >> 31).view(np.uint32)  # all bits of negative numbers, and of others the first
    flipped |= np.uint32(1 << 31)
    return numbers.view(np.uint32) ^ flipped
