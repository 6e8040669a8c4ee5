"""Exact metrics of a whole split: AUC, log loss, calibration; `METRICS` lists those that a run reports.

Keras' `AUC` sorts scores into 200 bins and sums over batches; differences between CTR models are
smaller than its error. These functions look at every score.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable, Iterator

import numpy as np

EPSILON = 1e-7
# Rows at a time where intermediate results are wider than scores: memory for 45 million rows then stays small.
BLOCK = 1 << 20


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the area under the ROC curve: the share of (positive, negative) pairs in the right order.

    Pairs with equal scores count half (Mann-Whitney U, with mid-ranks). Needs the scores and one
    sorted copy of them in memory.

    Args:
        labels: 0 or 1 for each row.
        scores: Any number for each row, larger for likelier positives.

    Returns:
        The AUC; NaN, with a `UserWarning`, if all rows are of one class.

    Raises:
        ValueError: If the lengths differ, the arrays are empty, a label is not 0 or 1 or a score is NaN.

    >>> auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.4, 0.8]))
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


def log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean negative log-likelihood, probabilities clipped to [1e-7, 1 - 1e-7].

    Raises:
        ValueError: If the lengths differ, the arrays are empty, a label is not 0 or 1, or a probability
            is NaN or outside [0, 1].

    >>> round(log_loss(np.array([1, 0]), np.array([0.8, 0.4])), 4)
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


def calibration(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return predicted clicks over actual clicks: 1 is calibrated, above 1 over-predicts; NaN without a click.

    >>> calibration(np.array([1, 0, 0, 1]), np.full(4, 0.5))
    1.0
    """
    labels, probabilities = _checked(labels, probabilities)
    clicks = int(labels.sum())
    return float(probabilities.sum(dtype=np.float64) / clicks) if clicks else float("nan")


@dataclasses.dataclass(frozen=True)
class Metric:
    """A metric that every run reports after each epoch and for the test split.

    Attributes:
        name: Its name in `history.csv`, `metrics.json` and TensorBoard, after the name of the split.
        function: Computes it from labels and probabilities, two arrays `(rows,)`.
        title: What tables call it.
        direction: `"max"` or `"min"`, whichever is better, or `"one"` for a ratio that should be 1.
        format: How tables print it.
        shown: Whether progress, tables and results of sweeps show it; files hold it in any case.
    """

    name: str
    function: Callable[[np.ndarray, np.ndarray], float]
    title: str
    direction: str
    format: str = "{:.4f}"
    shown: bool = True

    def text(self, value: float | None) -> str:
        """Return a value as tables print it; None, as of rows of one class in JSON, is `nan`.

        >>> METRICS["auc"].text(0.81236), METRICS["auc"].text(None)
        ('0.8124', 'nan')
        """
        return self.format.format(math.nan if value is None else value)


# The metrics of a run: an entry here is all that a new one needs. Its name must not change what others are called.
METRICS = {
    metric.name: metric
    for metric in (
        Metric("auc", auc, "AUC", "max"),
        Metric("log_loss", log_loss, "log loss", "min"),
        Metric("calibration", calibration, "calibration", "one", "{:.3f}", shown=False),
    )
}


def shown_metrics() -> list[Metric]:
    """Return the metrics that progress, tables and results of sweeps show."""
    return [metric for metric in METRICS.values() if metric.shown]


def evaluate_scores(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Return every metric of `METRICS` by name.

    >>> sorted(evaluate_scores(np.array([0, 1]), np.array([0.2, 0.7])))
    ['auc', 'calibration', 'log_loss']
    """
    return {metric.name: metric.function(labels, probabilities) for metric in METRICS.values()}


def _blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    return (array[start : start + BLOCK] for start in range(0, len(array), BLOCK))


def _checked(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
