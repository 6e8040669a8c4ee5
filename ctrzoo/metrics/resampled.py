"""Metrics of a resample, computed from how often each row or group was drawn.

Rows are sorted once, not once per resample, and no resample is written out. The values are those of the metrics of the
drawn rows, but for rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ctrzoo.metrics.binary import EPSILON
from ctrzoo.metrics.calibration import BINS
from ctrzoo.metrics.group_sums import MEASURES, group_sums
from ctrzoo.metrics.registry import METRICS_AT, Scored, metric_of

# The mean label, such as the base rate of clicks. It is computed like metrics, but says nothing of a model.
MEAN_LABEL = "mean_label"


class ResampledMetrics:
    """Metrics of a run's rows as functions of counts.

    Args:
        rows: The rows.
        names: Names of metrics, or `MEAN_LABEL`.
        units: The number of each row's unit, from `ctrzoo.metrics.resampling.units_of`.
        number: How many units there are.

    Raises:
        ValueError: If a metric is unknown.

    >>> rows = Scored(np.array([0, 1, 0]), np.array([0.2, 0.7, 0.4]))
    >>> ResampledMetrics(rows, [MEAN_LABEL, "auc"], None, 3)(*[np.array([0.0, 2.0, 2.0])] * 2)
    [0.5, 1.0]
    """

    def __init__(self, rows: Scored, names: Sequence[str], units: np.ndarray | None, number: int) -> None:
        columns: dict[object, np.ndarray] = {}  # what each unit adds to a sum
        self._from_sums: dict[str, tuple[list[int], Callable[..., float]]] = {}
        self._from_rows: dict[str, Callable[[np.ndarray], float]] = {}
        self._names = tuple(names)
        for name in dict.fromkeys(names):
            found = _row_sums(name, rows, units, number) or _group_sums(name, rows, units)
            if found:
                sums, function = found
                columns |= sums
                self._from_sums[name] = [list(columns).index(key) for key in sums], function
            elif name not in _Order.NAMES:
                self._from_rows[name] = _Bins(rows) if name == "calibration_error" else _Repeated(name, rows)
        self._order = _Order(rows) if set(names) & set(_Order.NAMES) else None
        self._columns = np.stack(list(columns.values())) if columns else np.empty((0, number))

    def __call__(self, counts: np.ndarray, row_counts: np.ndarray) -> list[float]:
        """Return the metrics of a resample, NaN where one is not defined.

        Args:
            counts: How often each unit was drawn, float64 `(units,)`.
            row_counts: How often each row was, float64 `(rows,)`.
        """
        totals = np.einsum("su,u->s", self._columns, counts).tolist()
        values = {
            name: function(*(totals[at] for at in places)) for name, (places, function) in self._from_sums.items()
        }
        values |= {name: function(row_counts) for name, function in self._from_rows.items()}
        if self._order:
            values |= self._order(row_counts)
        return [values[name] for name in self._names]


def _ratio(total, weight):
    return total / weight if weight else math.nan


def _root_of_ratio(total, weight):
    return math.sqrt(total / weight) if weight else math.nan


def _entropy_ratio(loss, positives, weight):
    share = _ratio(positives, weight)
    if not 0 < share < 1:
        return math.nan
    return loss / weight / -(share * math.log(share) + (1 - share) * math.log1p(-share))


# Metrics of sums over rows: the sums, and the metric as a function of them.
ROW_SUMS: dict[str, tuple[tuple[str, ...], Callable[..., float]]] = {
    MEAN_LABEL: (("label", "weight"), _ratio),
    "log_loss": (("loss", "weight"), _ratio),
    "normalized_entropy": (("loss", "label", "weight"), _entropy_ratio),
    "calibration": (("prediction", "label"), _ratio),
    "mse": (("squared", "weight"), _ratio),
    "rmse": (("squared", "weight"), _root_of_ratio),
    "mae": (("absolute", "weight"), _ratio),
}


def _row_sums(name, rows, units, number):
    """Return `{sum: what each unit adds}` and the function of the sums; None if the metric has none."""
    if name not in ROW_SUMS:
        return None
    sums, function = ROW_SUMS[name]
    columns = {what: _column(what, rows) * _weights(rows) for what in sums}
    if units is not None:
        columns = {what: np.bincount(units, column, number) for what, column in columns.items()}
    return columns, function


def _column(what, rows):
    labels, scores = rows.labels.astype(np.float64), rows.scores.astype(np.float64)
    if what == "weight":
        return np.ones(len(labels))
    if what == "label":
        return labels
    if what == "prediction":
        return scores
    if what == "loss":
        return -np.log(np.clip(np.where(labels > 0, scores, 1 - scores), EPSILON, 1 - EPSILON))
    return np.square(scores - labels) if what == "squared" else np.abs(scores - labels)


def _group_sums(name, rows, units):
    """Return the same of a metric of the order within groups."""
    base, _, k = name.partition("@")
    measure = METRICS_AT[base][1] if k and base in METRICS_AT else base
    if measure not in MEASURES or units is None:
        return None
    sums = group_sums(rows.labels, rows.scores, units, rows.weights, int(k) if k else None)[measure]
    return {(name, part): column for part, column in enumerate(sums)}, _ratio


def _weights(rows):
    return np.ones(1) if rows.weights is None else rows.weights.astype(np.float64)


class _Order:
    """AUC and area under precision and recall, from the sorted scores of the positive and of the negative rows."""

    NAMES = ("auc", "pr_auc")

    def __init__(self, rows):
        is_positive = rows.labels > 0
        self.positives, self.negatives = (_sorted(rows.scores, which) for which in (is_positive, ~is_positive))
        positives, negatives = rows.scores[self.positives], rows.scores[self.negatives]
        self.below, self.below_or_equal = (np.searchsorted(negatives, positives, side) for side in ("left", "right"))
        self.first = np.searchsorted(positives, positives)  # the first positive row of the same score
        weights = np.broadcast_to(_weights(rows), len(rows.labels))
        self.up, self.down = weights[self.positives], weights[self.negatives]

    def __call__(self, counts):
        up = counts[self.positives] * self.up
        down = np.concatenate([[0.0], np.cumsum(counts[self.negatives] * self.down)])
        below = down[self.below]
        won = float((up * (below + down[self.below_or_equal])).sum()) / 2
        ups = np.concatenate([[0.0], np.cumsum(up)])
        positive, pairs = float(ups[-1]), float(ups[-1] * down[-1])
        hits = positive - ups[self.first]  # positive rows of at least this score
        shown = hits + down[-1] - below
        area = float((up * np.divide(hits, shown, out=np.zeros(len(hits)), where=shown > 0)).sum())
        return {"auc": _ratio(won, pairs), "pr_auc": _ratio(area, positive)}


def _sorted(scores, which):
    rows = np.flatnonzero(which)
    return rows[np.argsort(scores[rows], kind="stable")]


class _Bins:
    """The expected calibration error, in bins of equally many of the drawn rows."""

    def __init__(self, rows):
        self.order = np.argsort(rows.scores, kind="stable")
        scores, weights = rows.scores[self.order], np.broadcast_to(_weights(rows), len(self.order))
        self.first = np.searchsorted(scores, scores)  # the first row of the same score, where a bin can begin
        self.weights = weights[self.order]
        self.errors = self.weights * (scores.astype(np.float64) - rows.labels[self.order])

    def __call__(self, counts):
        counts = counts[self.order]
        up_to = np.cumsum(counts)
        number = int(up_to[-1])
        ranks = np.unique(np.arange(1, BINS) * number // BINS)
        starts = np.unique(np.r_[0, self.first[np.searchsorted(up_to, ranks, "right")]])
        weight = float((counts * self.weights).sum())
        return _ratio(float(np.abs(np.add.reduceat(counts * self.errors, starts)).sum()), weight)


class _Repeated:
    """Any other metric: of the rows, each repeated as often as it was drawn."""

    def __init__(self, name, rows):
        self.function, self.rows = metric_of(name).function, rows

    def __call__(self, counts):
        counts = counts.astype(np.int64)
        rows = np.repeat(np.arange(len(counts)), counts)
        weights = None if self.rows.weights is None else self.rows.weights[rows]
        groups = None
        if self.rows.groups is not None:  # a group that is drawn twice is two groups
            copies = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
            distinct = np.unique(self.rows.groups, return_inverse=True)[1][rows]
            groups = distinct * (int(counts.max()) + 1) + copies
        return self.function(Scored(self.rows.labels[rows], self.rows.scores[rows], weights, groups))
