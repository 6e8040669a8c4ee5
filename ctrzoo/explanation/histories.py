"""What a model makes of a history: the weights of events next to what leaving them out costs."""

from __future__ import annotations

import typing
from typing import Any

import numpy as np

from ctrzoo.explanation.correlation import rank_correlation
from ctrzoo.explanation.event_permutation import HistoryImportance, history_importance
from ctrzoo.explanation.events import EventWeights, event_weights
from ctrzoo.explanation.measure import lost_key
from ctrzoo.explanation.scorer import Scorer
from ctrzoo.model import CTRModel
from ctrzoo.types import Features


class HistoryAnalysis(typing.NamedTuple):
    """A history over rows.

    Args:
        name: Name of the history.
        columns: Its columns.
        weights: The `EventWeights`; None if the model gives events no weights.
        importance: The `HistoryImportance`.
        metric: Name of the metric of what is lost.
    """

    name: str
    columns: tuple[str, ...]
    weights: EventWeights | None
    importance: HistoryImportance
    metric: str

    def agreement(self) -> tuple[float, float] | None:
        """Return rank correlations over places: of weights with changes of the logit, and with what is lost.

        What is lost counts all rows, so the weights are summed over rows for it. None if there are no weights.
        """
        if self.weights is None:
            return None
        used = self.importance.counts > 0
        means, counts = self.weights.mean[used], self.importance.counts[used]
        return (
            rank_correlation(means, self.importance.event_logits[used]),
            rank_correlation(means * counts, self.importance.events[used]),
        )

    def table(self) -> list[dict[str, Any]]:
        """Return a dictionary for each place, the newest first; what there is no row of is None."""
        return [self._line(place) for place in range(len(self.importance.counts))]

    def _line(self, place):
        line: dict[str, Any] = {"place": place + 1, "rows": int(self.importance.counts[place])}
        if self.weights is not None:
            line["weight"] = _number(self.weights.mean[place])
            for column, (same, others) in self.weights.alike.items():
                line |= {f"weight_same_{column}": _number(same[place])}
                line |= {f"weight_other_{column}": _number(others[place])}
        line["logit_change"] = _number(self.importance.event_logits[place])
        return line | {lost_key(self.metric): float(self.importance.events[place])}


def _number(number):
    return None if np.isnan(number) else float(number)


def analyse_histories(
    model: CTRModel,
    features: Features,
    labels: np.ndarray,
    repeats: int = 3,
    seed: int = 0,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    metric: str | None = None,
) -> tuple[HistoryAnalysis, ...]:
    """Compare the weights that a model gives the events of histories with what leaving them out costs.

    Args:
        model: A `CTRModel`, trained.
        features: `{"ids": (rows, slots), "values": (rows, slots)}` of some thousand rows.
        labels: The label of each row.
        repeats: How many permutations to try.
        seed: Seed of the permutations.
        weights: The weight of each row in what is lost.
        groups: The group of each row, which ranking needs.
        metric: What is measured, see `ctrzoo.explanation.permutation.permutation_importance`.

    Returns:
        A `HistoryAnalysis` for each history of the model's schema; none without histories.

    Raises:
        ValueError: As `permutation_importance`.
    """
    if not model.schema.histories:
        return ()
    if repeats < 1:
        raise ValueError(f"`repeats` must be at least 1. Received: {repeats}.")
    scorer = Scorer(model, features, labels, weights=weights, groups=groups, metric=metric)
    return tuple(
        HistoryAnalysis(
            name,
            columns,
            event_weights(model, features, name),
            history_importance(scorer, model.schema, features, name, repeats, seed),
            scorer.metric,
        )
        for name, columns in model.schema.histories.items()
    )
