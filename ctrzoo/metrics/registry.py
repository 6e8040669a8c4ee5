"""All metrics by name, and which of them a task reports after each epoch."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ctrzoo.metrics.binary import auc, log_loss, normalized_entropy, pr_auc
from ctrzoo.metrics.calibration import calibration, expected_calibration_error
from ctrzoo.metrics.ranking import GroupedMetrics, grouped_auc, grouped_metrics
from ctrzoo.metrics.regression import mae, mse, rmse
from ctrzoo.suggest import unknown


@dataclasses.dataclass(frozen=True, eq=False)
class Scored:
    """The rows of a split with their scores.

    Args:
        labels: The label of each row, `(rows,)`.
        scores: What a model returned for each row: a probability, a number, or a score to rank by.
        weights: The weight of each row, or `None`.
        groups: The group of each row, or `None`.
    """

    labels: np.ndarray
    scores: np.ndarray
    weights: np.ndarray | None = None
    groups: np.ndarray | None = None
    _grouped: dict[int | None, GroupedMetrics] = dataclasses.field(default_factory=dict, init=False, repr=False)

    def grouped(self, measure: str, k: int | None) -> float:
        """Return a metric of the order within groups; all are computed in one pass, but for the AUC of groups alone.

        Args:
            measure: One of `GroupedMetrics`.
            k: How many places count; `None` for metrics in which all do.

        Raises:
            ValueError: If the rows have no groups.
        """
        if self.groups is None:
            raise ValueError("Metrics of groups need the group of each row. Name a column as `group` in the schema.")
        columns = self.labels, self.scores, self.groups, self.weights
        if k is None and self._grouped:
            k = next(iter(self._grouped))  # what all places count in is the same for each k
        elif measure == "grouped_auc":
            return grouped_auc(*columns)
        if k not in self._grouped:
            self._grouped[k] = grouped_metrics(*columns, k)
        return getattr(self._grouped[k], measure)


@dataclasses.dataclass(frozen=True)
class Metric:
    """A metric of a split.

    Attributes:
        title: Its name in tables.
        function: Computes the metric from the `Scored` rows of a split.
        is_main: Whether the progress line and tables of several runs show it. `history.csv`, TensorBoard,
            `metrics.json` and `report.md` show all metrics.
        format: Format of its values in tables.
        higher_is_better: Whether training looks for a high value; `None` if neither direction is better.
        needs_groups: Whether rows need groups.
    """

    title: str
    function: Callable[[Scored], float]
    is_main: bool = True
    format: str = "{:.4f}"
    higher_is_better: bool | None = True
    needs_groups: bool = False


def _rowwise(function: Callable[..., float]) -> Callable[[Scored], float]:
    return lambda rows: function(rows.labels, rows.scores, rows.weights)


def _grouped(title: str, measure: str, k: int | None = None, higher_is_better: bool = True, **options: Any) -> Metric:
    return Metric(
        title,
        lambda rows: rows.grouped(measure, k),
        higher_is_better=higher_is_better,
        needs_groups=True,
        **options,
    )


# All metrics. An entry here can be monitored, and appears in history, tables and reports of tasks that name it.
METRICS: dict[str, Metric] = {
    "auc": Metric("AUC", _rowwise(auc)),
    "log_loss": Metric("log loss", _rowwise(log_loss), higher_is_better=False),
    "calibration": Metric("calibration", _rowwise(calibration), False, "{:.3f}", higher_is_better=None),
    "normalized_entropy": Metric("normalized entropy", _rowwise(normalized_entropy), False, higher_is_better=False),
    "pr_auc": Metric("PR-AUC", _rowwise(pr_auc), False),
    "calibration_error": Metric(
        "calibration error", _rowwise(expected_calibration_error), False, higher_is_better=False
    ),
    "rmse": Metric("RMSE", _rowwise(rmse), higher_is_better=False),
    "mse": Metric("MSE", _rowwise(mse), higher_is_better=False),
    "mae": Metric("MAE", _rowwise(mae), higher_is_better=False),
    "grouped_auc": _grouped("grouped AUC", "grouped_auc"),
    "mrr": _grouped("MRR", "mrr"),
    "mean_rank": _grouped("mean rank", "mean_rank", higher_is_better=False, is_main=False, format="{:.2f}"),
}
# Metrics of the first k places of each group, whose names end in a number, such as `ndcg@10`.
METRICS_AT: dict[str, tuple[str, str, bool]] = {
    "ndcg": ("NDCG", "ndcg", True),
    "hit_rate": ("hit rate", "hit_rate", False),
}


def metric_of(name: str) -> Metric:
    """Return a metric by name.

    Raises:
        ValueError: If it is unknown.

    >>> metric_of("ndcg@10").title, metric_of("log_loss").higher_is_better
    ('NDCG@10', False)
    """
    found = re.fullmatch(r"(\w+)@([1-9]\d*)", name)
    if found and found[1] in METRICS_AT:
        title, measure, is_main = METRICS_AT[found[1]]
        return _grouped(f"{title}@{found[2]}", measure, int(found[2]), is_main=is_main)
    if name not in METRICS:
        raise ValueError(unknown("metric", name, [*METRICS, *(f"{name}@10" for name in METRICS_AT)]))
    return METRICS[name]


def main_metrics(names: Iterable[str]) -> dict[str, Metric]:
    """Return those of some metrics that the progress line and tables of several runs show."""
    return {name: metric for name in names if (metric := metric_of(name)).is_main}


def metrics_of_row(row: Iterable[str]) -> list[str]:
    """Return the names of the validation metrics in the columns of a history.

    >>> metrics_of_row(["epoch", "train_auc", "valid_auc", "valid_ndcg@10"])
    ['auc', 'ndcg@10']
    """
    return [name.removeprefix("valid_") for name in row if name.startswith("valid_")]


def evaluate_scores(rows: Scored, names: Iterable[str]) -> dict[str, float]:
    """Compute metrics of a split, by name.

    >>> evaluate_scores(Scored(np.array([0, 1]), np.array([0.2, 0.7])), ["auc"])
    {'auc': 1.0}
    """
    return {name: metric_of(name).function(rows) for name in names}


def cell_of(metric: Metric, values: Mapping[str, Any], name: str) -> str:
    """Return a metric as text for a table cell; the AUC of rows with only one class is undefined.

    >>> cell_of(METRICS["auc"], {"auc": 0.81236}, "auc"), cell_of(METRICS["auc"], {"auc": None}, "auc")
    ('0.8124', 'nan')
    """
    value = values.get(name)
    return "nan" if value is None else metric.format.format(value)
