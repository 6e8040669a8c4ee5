"""Rows scored as they are and changed: how much worse a metric becomes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from ctrzoo.explanation.measure import default_metric, lost, measured
from ctrzoo.metrics import Scored, metric_of
from ctrzoo.model import CTRModel, predict_slices
from ctrzoo.types import Features


class Scorer:
    """The logits of rows, and what is lost when other logits take their place.

    Args:
        model: A `CTRModel`.
        features: `{"ids": (rows, slots), "values": (rows, slots)}` of the rows as they are.
        labels: The label of each row; for classification 0 or 1, of both kinds.
        batch_size: Rows computed at once.
        weights: The weight of each row in the metric, or None.
        groups: The group of each row, for metrics of the order within groups, or None.
        metric: Name of the metric; None for AUC of classification, mean squared error of regression and NDCG@10 of
            ranking.

    Attributes:
        base: The logits of the rows as they are, float64 `(rows,)`.
        value: The metric of these rows.

    Raises:
        ValueError: If the metric has no better direction, needs groups or is not defined on these rows, or if the
            labels of classification are all equal or not 0 or 1.
    """

    def __init__(
        self,
        model: CTRModel,
        features: Features,
        labels: np.ndarray,
        batch_size: int = 4096,
        weights: np.ndarray | None = None,
        groups: np.ndarray | None = None,
        metric: str | None = None,
    ) -> None:
        labels, self.metric = np.ravel(labels), metric or default_metric(model.task)
        self.weights = None if weights is None else np.ravel(weights)
        title = metric_of(self.metric).title
        if metric_of(self.metric).higher_is_better is None:
            raise ValueError(f"Shuffling needs a metric that is better high or better low. Received: {self.metric}.")
        if metric_of(self.metric).needs_groups and groups is None:
            raise ValueError(f"{title} needs the group of each row. Pass them as `groups`.")
        if model.task == "classification":
            _check_clicks(labels, title)
        outputs: Any = model.explainer().output
        self._model, self._batch_size = model, batch_size
        self._logit = keras.Model(model.input, outputs["logit"])
        self._rows = Scored(labels, labels, self.weights, groups)
        self.base = self.logits(features)
        self.value = measured(model, self.base, self._rows, self.metric)
        if np.isnan(self.value):
            raise ValueError(
                f"{title} is not defined on these {len(labels):,} rows{_reason(self.metric)}. Take more rows."
            )

    def logits(self, features: Features) -> np.ndarray:
        """Return the logits of changed rows, float64 `(rows,)`."""
        return predict_slices(self._logit, features, self._batch_size)[:, 0].astype(np.float64)

    def lost(self, logits: np.ndarray) -> float:
        """Return how much worse the metric becomes with these logits in place of `base`."""
        return lost(self.metric, self.value, measured(self._model, logits, self._rows, self.metric))


def _check_clicks(labels, title):
    other = labels[(labels != 0) & (labels != 1)]
    if len(other):
        raise ValueError(
            f"Shuffling is measured by {title}, which needs clicks, 0 or 1. Received: the label {other[0]:g}. Models "
            "of numbers have the task regression, models of grades the task ranking."
        )
    if len(np.unique(labels)) < 2:
        raise ValueError(f"{title} needs rows with and without a click. Received: {len(labels):,} rows of one kind.")


def _reason(metric):
    if metric == "grouped_auc":
        return ": no group has rows of different labels"
    return ": no group has a row with a label above 0" if metric_of(metric).needs_groups else ""
