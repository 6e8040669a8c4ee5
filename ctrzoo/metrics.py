"""Exact metrics over a whole split: AUC, log loss, calibration.

Keras' `AUC` sorts scores into 200 bins and sums over batches. Its error is larger than the differences between CTR
models. These functions use every score.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

EPSILON = 1e-7
# Rows processed at a time where intermediate results are wider than scores, so that 45 million rows need little memory.
BLOCK = 1 << 20


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the ROC curve: the share of (positive, negative) pairs in the right order.

    Pairs with equal scores count half (Mann-Whitney U, with mid-ranks). The scores and one sorted copy of them must
    fit in memory.

    Args:
        labels: 0 or 1 for each row.
        scores: A number for each row; higher means more likely positive.

    Returns:
        The AUC; NaN, with a `UserWarning`, if all rows have the same class.

    Raises:
        ValueError: If the lengths differ, the arrays are empty, a label is not 0 or 1, or a score is NaN.

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


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the mean negative log-likelihood, with probabilities clipped to [1e-7, 1 - 1e-7].

    Raises:
        ValueError: If the lengths differ, the arrays are empty, a label is not 0 or 1, or a probability
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


def calibration(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return predicted clicks divided by actual clicks: above 1 over-predicts; NaN without clicks.

    >>> calibration([1, 0, 0, 1], [0.5, 0.5, 0.5, 0.5])
    1.0
    """
    labels, probabilities = _checked(labels, probabilities)
    clicks = int(labels.sum())
    return float(probabilities.sum(dtype=np.float64) / clicks) if clicks else float("nan")


@dataclasses.dataclass(frozen=True)
class Metric:
    """A metric of a split, reported after each epoch and at the end.

    Attributes:
        title: Its name in tables.
        function: Computes the metric from labels and probabilities.
        is_main: Whether the progress line and tables of several runs show it. `history.csv`, TensorBoard,
            `metrics.json` and `report.md` show all metrics.
        format: Format of its values in tables.
    """

    title: str
    function: Callable[[np.ndarray, np.ndarray], float]
    is_main: bool = True
    format: str = "{:.4f}"


# All metrics reported for a split. An entry here appears in progress, history, TensorBoard, tables and reports.
METRICS: dict[str, Metric] = {
    "auc": Metric("AUC", auc),
    "log_loss": Metric("log loss", log_loss),
    "calibration": Metric("calibration", calibration, is_main=False, format="{:.3f}"),
}


def main_metrics() -> dict[str, Metric]:
    """Return the metrics shown in the progress line and in tables of several runs."""
    return {name: metric for name, metric in METRICS.items() if metric.is_main}


def evaluate_scores(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Compute all `METRICS` of a split, by name.

    >>> list(evaluate_scores(np.array([0, 1]), np.array([0.2, 0.7])))
    ['auc', 'log_loss', 'calibration']
    """
    return {name: metric.function(labels, probabilities) for name, metric in METRICS.items()}


def cell_of(metric: Metric, values: Mapping[str, Any], name: str) -> str:
    """Return a metric as text for a table cell; the AUC of rows with only one class is undefined.

    >>> cell_of(METRICS["auc"], {"auc": 0.81236}, "auc"), cell_of(METRICS["auc"], {"auc": None}, "auc")
    ('0.8124', 'nan')
    """
    value = values.get(name)
    return "nan" if value is None else metric.format.format(value)


def _blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    return (array[start : start + BLOCK] for start in range(0, len(array), BLOCK))


def _checked(labels: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
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
