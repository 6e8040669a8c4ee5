"""What synthetic clicks share: distributions of ids, the bias of the logit, and the AUC of known probabilities."""

from __future__ import annotations

import numpy as np

from ..storage.writing import SPLITS

BLOCK_ROWS = 16_384
POSITIVE_RATE = 0.25
# The logit is rounded to 1/4096, so exact AUC needs only counts instead of sorting all rows.
LOGIT_STEPS, LOGIT_LIMIT = 4096, 8
GRID = np.arange(-LOGIT_LIMIT * LOGIT_STEPS, LOGIT_LIMIT * LOGIT_STEPS + 1) / LOGIT_STEPS
PROBABILITIES = (1 / (1 + np.exp(-GRID))).astype(np.float32)
STREAMS = {split: stream for stream, split in enumerate((*SPLITS, "truth", "calibration"))}


def inverse_distribution(size: int, exponent: float) -> np.ndarray:
    """Return the id, from 0, of each of 65,536 equally likely draws, for Zipf-distributed ids.

    >>> np.bincount(inverse_distribution(2, 1.0))
    array([43691, 21845])
    """
    weights = np.arange(1, size + 1) ** -exponent
    ends = np.cumsum(weights) / weights.sum() * 2**16
    return np.searchsorted(ends, np.arange(2**16) + 0.5).clip(max=size - 1).astype(np.int32)


def steps_of(logits: np.ndarray) -> np.ndarray:
    """Return the index of each logit on the grid of 1/4096.

    >>> GRID[steps_of(np.array([0.5, 99.0]))]
    array([0.5, 8. ])
    """
    steps = np.rint(logits * np.float32(LOGIT_STEPS)).astype(np.int64) + LOGIT_LIMIT * LOGIT_STEPS
    return steps.clip(0, len(GRID) - 1)


def bias_of(logits: np.ndarray) -> np.float32:
    """Find, by bisection, the constant that makes the mean probability of logits 25 %.

    >>> round(float(bias_of(np.zeros(3))), 4)  # ln(1 / 3)
    -1.0986
    """
    low, middle, high = -10.0, 0.0, 10.0
    for _ in range(40):
        middle = (low + high) / 2
        if np.mean(1 / (1 + np.exp(-(logits + middle)))) < POSITIVE_RATE:
            low = middle
        else:
            high = middle
    return np.float32(middle)


def auc_and_log_loss(counts: np.ndarray, probabilities: np.ndarray) -> tuple[float | None, float]:
    """Return the AUC and the log loss of predictions, from counts of rows.

    Args:
        counts: How many negatives and positives have each prediction, `(2, predictions)`.
        probabilities: The predictions, ascending, float64 `(predictions,)`.

    Returns:
        The AUC, None if there is one class only, and the log loss.

    >>> auc_and_log_loss(np.array([[2, 1], [0, 1]]), np.array([0.25, 0.5]))[0]  # of 3 pairs, 2 are won and 1 is a tie
    0.8333333333333334
    """
    negatives, positives = counts
    pairs_won = positives @ (np.cumsum(negatives) - negatives / 2)
    pairs = positives.sum() * negatives.sum()
    loss = -(positives @ np.log(probabilities) + negatives @ np.log1p(-probabilities)) / counts.sum()
    return float(pairs_won / pairs) if pairs else None, float(loss)
