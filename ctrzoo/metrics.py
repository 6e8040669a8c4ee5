"""Exact metrics of a whole split: AUC, log loss, calibration.

Keras' `AUC` sorts scores into 200 bins and sums over batches; differences between CTR models are
smaller than its error. These functions look at every score.
"""

import warnings

import numpy as np

EPSILON = 1e-7
# Rows at a time where intermediate results are wider than scores: 45 million rows then cost little beside them.
BLOCK = 1 << 20


def auc(labels, scores):
    """Return the area under the ROC curve: the share of (positive, negative) pairs ranked rightly.

    Pairs with equal scores count half (Mann-Whitney U, with mid-ranks). Needs the scores and one
    sorted copy of them in memory.

    Args:
        labels: 0 or 1 for each row.
        scores: Any number for each row, larger for likelier positives.

    Returns:
        The AUC; NaN, with a `UserWarning`, if there are rows of one class only.

    Raises:
        ValueError: If the lengths differ, there are no rows, a label is not 0 or 1 or a score is NaN.

    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
    0.875
    """
    labels, scores = _checked(labels, scores)
    positives, negatives = scores[labels], scores[~labels]
    if not len(positives) or not len(negatives):
        kind = "negative" if not len(positives) else "positive"
        warnings.warn(f"AUC is not defined: all {len(labels):,} rows are {kind}. It is set to NaN.", stacklevel=2)
        return float("nan")
    positives.sort()
    negatives.sort()
    won_twice = 0
    for block in _blocks(positives):
        for side in ("left", "right"):  # pairs won, and those won or equal
            won_twice += int(np.searchsorted(negatives, block, side).sum(dtype=np.int64))
    return won_twice / (2 * len(positives) * len(negatives))


def log_loss(labels, probabilities):
    """Return the mean negative log-likelihood, probabilities clipped to [1e-7, 1 - 1e-7].

    Raises:
        ValueError: If the lengths differ, there are no rows, a label is not 0 or 1, or a probability
            is NaN or outside [0, 1].

    >>> round(log_loss([1, 0], [0.8, 0.4]), 4)
    0.367
    """
    labels, probabilities = _checked(labels, probabilities)
    if probabilities.min() < 0 or probabilities.max() > 1:
        raise ValueError(
            f"Probabilities must lie in [0, 1]. Received: from {probabilities.min()} to {probabilities.max()}. "
            "Apply a sigmoid to logits first."
        )
    total = 0.0
    for actual, probability in zip(_blocks(labels), _blocks(probabilities), strict=True):
        of_label = np.where(actual, probability, 1 - probability.astype(np.float64))
        total -= np.log(np.clip(of_label, EPSILON, 1 - EPSILON)).sum()
    return float(total / len(labels))


def calibration(labels, probabilities):
    """Return predicted clicks over actual clicks: 1 is calibrated, more is too sure; NaN without a click.

    >>> calibration([1, 0, 0, 1], [0.5, 0.5, 0.5, 0.5])
    1.0
    """
    labels, probabilities = _checked(labels, probabilities)
    clicks = int(labels.sum())
    return float(probabilities.sum(dtype=np.float64) / clicks) if clicks else float("nan")


def evaluate_scores(labels, probabilities):
    """Return `{"auc", "log_loss", "calibration"}` of a split.

    >>> sorted(evaluate_scores([0, 1], [0.2, 0.7]))
    ['auc', 'calibration', 'log_loss']
    """
    return {
        "auc": auc(labels, probabilities),
        "log_loss": log_loss(labels, probabilities),
        "calibration": calibration(labels, probabilities),
    }


def _blocks(array):
    return (array[start : start + BLOCK] for start in range(0, len(array), BLOCK))


def _checked(labels, scores):
    labels, scores = np.ravel(np.asarray(labels)), np.ravel(np.asarray(scores))
    if len(labels) != len(scores):
        raise ValueError(f"One score is needed for each label. Received: {len(scores)} scores, {len(labels)} labels.")
    if not len(labels):
        raise ValueError("Metrics need at least one row. Received: none.")
    strange = (labels != 0) & (labels != 1)
    if strange.any():
        raise ValueError(f"Labels must be 0 or 1. Received: {labels[strange][0]}.")
    if np.isnan(scores).any():
        raise ValueError(f"{int(np.isnan(scores).sum()):,} of {len(scores):,} scores are NaN: the model has diverged.")
    return labels.astype(bool), scores
