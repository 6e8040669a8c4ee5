"""Exact metrics of click probabilities over a whole split: AUC, area under precision and recall, log loss.

Keras' `AUC` sorts scores into 200 bins and sums over batches. Its error is larger than the differences between CTR
models. These functions use every score. A row of weight 2 counts as two rows.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from ctrzoo.metrics.rows import blocks, checked, sortable, weight_blocks

EPSILON = 1e-7


def auc(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the area under the ROC curve: the share of (positive, negative) pairs in the right order.

    Pairs with equal scores count half (Mann-Whitney U, with mid-ranks). A pair's weight is the product of its rows'
    weights. The scores and one sorted copy of them must fit in memory; with weights, 8 bytes per row.

    Args:
        labels: 0 or 1 for each row.
        scores: A number for each row; higher means more likely positive.
        weights: A weight for each row.

    Returns:
        The AUC; NaN, with a `UserWarning`, if all rows have the same class.

    Raises:
        ValueError: If the lengths differ, the arrays are empty, a label is not 0 or 1, a score is NaN, or a weight is
            negative.

    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
    0.875
    """
    labels, scores, weights = checked(labels, scores, weights)
    if weights is not None:
        return _weighted_auc(labels, scores, weights)
    positives, negatives = scores[labels], scores[~labels]
    if not len(positives) or not len(negatives):
        return _undefined("AUC", labels)
    positives.sort()
    negatives.sort()
    won_twice = 0
    for block in blocks(positives):
        for side in ("left", "right"):  # pairs won, and those won or equal
            won_twice += int(np.searchsorted(negatives, block, side).sum(dtype=np.int64))
    return won_twice / (2 * len(positives) * len(negatives))


def _weighted_auc(labels, scores, weights):
    won = below = total = 0.0
    for positives, negatives in _by_score(labels, scores, weights):
        before = below + np.cumsum(negatives) - negatives / 2
        won += (positives * before).sum()  # `@` would keep several threads busy for what one does
        total += positives.sum()
        below += negatives.sum()
    return float(won / (total * below)) if total and below else _undefined("AUC", labels)


def pr_auc(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the area under the curve of precision against recall, as the average precision.

    The average precision is the sum over thresholds of the precision there times the growth of the recall, without
    interpolation, as in scikit-learn. Rows with equal scores share a threshold.

    Args:
        labels: 0 or 1 for each row.
        scores: A number for each row; higher means more likely positive.
        weights: A weight for each row.

    Returns:
        The area; NaN, with a `UserWarning`, without positive rows.

    Raises:
        ValueError: As in `auc`.

    >>> pr_auc([0, 1, 1, 0], [0.1, 0.4, 0.8, 0.6])  # precision 1 at recall 1/2, 2/3 at recall 1
    0.8333333333333333
    """
    labels, scores, weights = checked(labels, scores, weights)
    found = shown = area = 0.0
    for positives, negatives in _by_score(labels, scores, weights, falling=True):
        hits = found + np.cumsum(positives)
        rows = shown + np.cumsum(positives + negatives)
        area += (positives * np.divide(hits, rows, out=np.zeros(len(rows)), where=rows > 0)).sum()
        found, shown = hits[-1], rows[-1]
    return float(area / found) if found else _undefined("The area under precision and recall", labels)


def _by_score(labels, scores, weights, falling=False) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the weights of positives and of negatives at each distinct score, in the order of the scores.

    A score is in one of the yielded arrays only, also if its rows are in several blocks.
    """
    held = None  # the last score of the block before, and its weights
    for at, weight, is_positive in _sorted_rows(labels, scores, weights, falling):
        starts = np.flatnonzero(np.r_[True, at[1:] != at[:-1]])
        positives = np.add.reduceat(np.where(is_positive, weight, 0.0), starts)
        negatives = np.add.reduceat(np.where(is_positive, 0.0, weight), starts)
        if held is not None:
            if held[0] == at[0]:
                positives[0] += held[1]
                negatives[0] += held[2]
            else:
                positives, negatives = np.r_[held[1], positives], np.r_[held[2], negatives]
        held = at[-1], positives[-1], negatives[-1]
        if len(positives) > 1:
            yield positives[:-1], negatives[:-1]
    assert held is not None  # there is at least one row
    yield np.array([held[1]]), np.array([held[2]])


def _sorted_rows(labels, scores, weights, falling):
    """Yield score (or what has its order), weight and label of the rows in blocks, in the order of the scores."""
    weights = np.ones(1, np.float32) if weights is None else weights
    if not all(array.dtype == np.float32 for array in (scores, weights)):
        order = np.argsort(scores)
        weights = np.broadcast_to(weights, len(scores))
        for rows in blocks(order[::-1] if falling else order):
            yield scores[rows], weights[rows].astype(np.float64), labels[rows]
        return
    # Score, label and weight of a row in one integer; a weight is not negative, so its sign bit is free for the label.
    packed = np.empty(len(scores), np.uint64)
    pieces = zip(
        blocks(packed), blocks(scores), blocks(np.broadcast_to(weights, len(scores))), blocks(labels), strict=True
    )
    for piece, score, weight, label in pieces:
        piece[:] = sortable(score)
        piece <<= np.uint64(32)
        piece |= (weight + np.float32(0)).view(np.uint32) | label.astype(np.uint32) << np.uint32(31)
    packed.sort()
    for rows in blocks(packed[::-1] if falling else packed):
        low = rows.astype(np.uint32)
        weight = (low & np.uint32(2**31 - 1)).view(np.float32).astype(np.float64)
        yield rows >> np.uint64(32), weight, (low >> np.uint32(31)).astype(bool)


def _undefined(what, labels):
    kind = "negative" if not labels.any() else "positive" if labels.all() else "of one class, without those of weight 0"
    warnings.warn(f"{what} is not defined: all {len(labels):,} rows are {kind}. It is set to NaN.", stacklevel=3)
    return float("nan")


def log_loss(labels: ArrayLike, probabilities: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the mean negative log-likelihood, with probabilities clipped to [1e-7, 1 - 1e-7].

    Args:
        labels: 0 or 1 for each row.
        probabilities: The predicted probability of each row.
        weights: A weight for each row.

    Raises:
        ValueError: If the lengths differ, the arrays are empty, a label is not 0 or 1, a weight is negative, or a
            probability is NaN or outside [0, 1].

    >>> round(log_loss([1, 0], [0.8, 0.4]), 4)
    0.367
    """
    labels, probabilities, weights = checked_probabilities(labels, probabilities, weights)
    total = 0.0
    pieces = zip(blocks(labels), blocks(probabilities), weight_blocks(weights, len(labels)), strict=True)
    for actual, probability, weight in pieces:
        of_label = np.where(actual, probability, 1 - probability.astype(np.float64))
        total -= (np.log(np.clip(of_label, EPSILON, 1 - EPSILON)) * weight).sum()
    return float(total / total_weight(weights, len(labels)))


def normalized_entropy(labels: ArrayLike, probabilities: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the log loss divided by that of the share of positives as the prediction for every row.

    Below 1, the model is better than no model. The measure does not depend on how rare clicks are.
    Source: He et al., 2014, equation 3, https://doi.org/10.1145/2648584.2648589.

    Args:
        labels: 0 or 1 for each row.
        probabilities: The predicted probability of each row.
        weights: A weight for each row.

    Returns:
        The ratio; NaN, with a `UserWarning`, if all rows have the same class.

    Raises:
        ValueError: As in `log_loss`.

    >>> normalized_entropy([1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25])
    1.0
    """
    labels, probabilities, weights = checked_probabilities(labels, probabilities, weights)
    share = weighted_sum(labels, weights) / total_weight(weights, len(labels))
    if share in (0, 1):
        return _undefined("The normalized entropy", labels)
    entropy = -(share * math.log(share) + (1 - share) * math.log1p(-share))
    return log_loss(labels, probabilities, weights) / entropy


def checked_probabilities(
    labels: ArrayLike, probabilities: ArrayLike, weights: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return what `checked` returns.

    Raises:
        ValueError: Also if a probability is outside [0, 1].
    """
    labels, probabilities, weights = checked(labels, probabilities, weights)
    if probabilities.min() < 0 or probabilities.max() > 1:
        raise ValueError(
            f"Probabilities must lie in [0, 1]. Received: from {probabilities.min()} to {probabilities.max()}. "
            "Apply a sigmoid to logits first."
        )
    return labels, probabilities, weights


def total_weight(weights: np.ndarray | None, rows: int) -> float:
    """Return the sum of the weights, the number of rows without weights."""
    return float(rows) if weights is None else float(weights.sum(dtype=np.float64))


def weighted_sum(numbers: np.ndarray, weights: np.ndarray | None) -> float:
    """Return the sum of numbers times weights in float64."""
    if weights is None:
        return float(numbers.sum(dtype=np.float64))
    return float(
        sum(
            (block * weight).sum()
            for block, weight in zip(blocks(numbers), weight_blocks(weights, len(numbers)), strict=True)
        )
    )
