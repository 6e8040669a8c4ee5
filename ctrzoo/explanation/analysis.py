"""Compare what a model says of its pairs of fields with what shuffling them says and with planted pairs."""

from __future__ import annotations

import itertools
import typing
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ctrzoo.explanation.correlation import correlation, rank_correlation
from ctrzoo.explanation.explainer import EdgeStatistics, edge_statistics
from ctrzoo.explanation.histories import HistoryAnalysis, analyse_histories
from ctrzoo.explanation.measure import logit_in_words, lost_key
from ctrzoo.explanation.permutation import PermutationImportance, permutation_importance
from ctrzoo.metrics import metric_of
from ctrzoo.model import CTRModel
from ctrzoo.types import Features

# Interactions below this are errors of float32 logits.
ROUNDING = 1e-6
# Methods by name; in what an `Analysis` returns, the words in braces are those of its metric and task.
EXPLANATION, METRIC_INTERACTION, LOGIT_DIFFERENCE = "explanation", "{metric} interaction", "{logit} difference"


class Analysis(typing.NamedTuple):
    """A model's interactions over rows.

    Args:
        names: Field names.
        edges: The `EdgeStatistics`; None if the model names nothing that explains pairs.
        importance: The `PermutationImportance`.
        planted: Pairs `(i, j)`, i < j, that truly interact; empty where that is not known.
        logit: What contributions add up to, see `ctrzoo.explanation.measure.logit_in_words`.
        histories: The `HistoryAnalysis` of each history.
    """

    names: tuple[str, ...]
    edges: EdgeStatistics | None
    importance: PermutationImportance
    planted: tuple[tuple[int, int], ...]
    logit: str = "logit"
    histories: tuple[HistoryAnalysis, ...] = ()

    def called(self, method: str) -> str:
        """Return what a method of `METHODS` is called, such as `"AUC interaction"`."""
        return method.format(metric=metric_of(self.importance.metric).title, logit=self.logit)

    def rankings(self) -> dict[str, np.ndarray]:
        """Return how strongly each shuffled pair interacts, `{method: (pairs,)}`.

        The methods are those of `METHODS`, in this order; one that the model does not allow is left out.
        """
        scores = {self.called(method): score(self) for method, score in METHODS.items()}
        return {method: array for method, array in scores.items() if array is not None}

    def agreement(self) -> dict[str, tuple[float, float]]:
        """Return how well the explanation agrees with each method, `{method: (correlation, rank correlation)}`.

        Where most pairs hardly interact, their order is random, and the first says more than the second.
        """
        rankings = self.rankings()
        explanation = rankings.pop(EXPLANATION, None)
        if explanation is None:
            return {}
        return {
            method: (correlation(explanation, scores), rank_correlation(explanation, scores))
            for method, scores in rankings.items()
        }

    def precision(self) -> dict[str, float]:
        """Return the share of the planted pairs among as many strongest shuffled pairs, `{method: share}`.

        A pair whose number is zero, but for rounding, is not found.
        """
        if not self.planted:
            return {}
        pairs, count, shares = self.importance.pairs, len(self.planted), {}
        for method, scores in self.rankings().items():
            strongest = np.argsort(-scores, kind="stable")[:count]
            shares[method] = (
                sum(pairs[index] in self.planted and scores[index] > ROUNDING for index in strongest) / count
            )
        return shares

    def table(self) -> list[dict[str, Any]]:
        """Return a dictionary for each pair that was shuffled or has an edge, the strongest first.

        What was not measured is None.
        """
        if self.edges is None:
            rows = [self._row(pair) for pair in sorted(self.importance.pairs)]
            return sorted(rows, key=lambda row: -row["logit_interaction"])
        rows = [self._row(pair) for pair in itertools.combinations(range(len(self.names)), 2)]
        return sorted(rows, key=lambda row: -row["mean"])

    def _row(self, pair: tuple[int, int]) -> dict[str, Any]:
        field, other_field = pair
        field_losses = self.importance.fields.mean(axis=0)
        row: dict[str, Any] = {"field": self.names[field], "other_field": self.names[other_field]}
        for key in ("mean", "deviation", "top_share"):
            row[key] = None if self.edges is None else float(getattr(self.edges, key)[pair])
        row |= {
            f"{self.lost}_field": float(field_losses[field]),
            f"{self.lost}_other_field": float(field_losses[other_field]),
            **self._shuffled_together(pair),
        }
        if self.planted:
            row["planted"] = int(pair in self.planted)
        return row

    @property
    def lost(self) -> str:
        """How columns of what shuffling costs are called, such as `"auc_lost"`."""
        return lost_key(self.importance.metric)

    def _shuffled_together(self, pair: tuple[int, int]) -> dict[str, float | None]:
        keys = (f"{self.lost}_together", "interaction", "interaction_deviation", "logit_interaction")
        if pair not in self.importance.pairs:
            return dict.fromkeys(keys)
        index = self.importance.pairs.index(pair)
        interaction = self.importance.interaction[:, index]
        numbers = (
            self.importance.together[:, index].mean(),
            interaction.mean(),
            interaction.std(),
            self.importance.logit_interaction[:, index].mean(),
        )
        return {key: float(number) for key, number in zip(keys, numbers, strict=True)}


def _explained_scores(analysis):
    if analysis.edges is None:
        return None
    first, second = np.transpose(analysis.importance.pairs)
    return analysis.edges.mean[first, second]


# Methods to tell how strongly the shuffled pairs of an `Analysis` interact: scores `(pairs,)`, None if there are none.
METHODS: dict[str, Callable[[Analysis], np.ndarray | None]] = {
    EXPLANATION: _explained_scores,
    METRIC_INTERACTION: lambda analysis: analysis.importance.interaction.mean(axis=0),
    LOGIT_DIFFERENCE: lambda analysis: analysis.importance.logit_interaction.mean(axis=0),
}


def analyse(
    model: CTRModel,
    features: Features,
    labels: np.ndarray,
    planted: Sequence[Iterable[str]] = (),
    most_pairs: int = 60,
    repeats: int = 3,
    seed: int = 0,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    metric: str | None = None,
) -> Analysis:
    """Compare what a model says of its pairs of fields with what shuffling them says.

    Args:
        model: A `CTRModel`, trained.
        features: `{"ids": (rows, slots), "values": (rows, slots)}` of some thousand rows.
        labels: The label of each row; for classification 0 or 1, of both kinds.
        planted: Pairs of field names that truly interact, where that is known.
        most_pairs: If there are more pairs, only so many are shuffled: half of them the strongest ones, half chosen
            by chance from the others, and the planted ones.
        repeats: How many permutations to try.
        seed: Seed of the permutations and of the choice of pairs.
        weights: The weight of each row in what shuffling costs.
        groups: The group of each row, which ranking needs.
        metric: What is measured, see `permutation_importance`.

    Returns:
        The `Analysis`.

    Raises:
        ValueError: If there is one field only, a planted name is not a field, or as in `permutation_importance`.

    >>> from ctrzoo import models
    >>> from ctrzoo.schema import Field, Schema
    >>> model = models.build("fm", Schema([Field("user", vocabulary_size=2), Field("ad", vocabulary_size=2)]))
    >>> features = {"ids": np.array([[1, 3], [2, 3], [2, 4]]), "values": np.ones((3, 2))}
    >>> analyse(model, features, labels=[0, 1, 1]).importance.pairs
    [(0, 1)]
    """
    names = model.schema.names
    if len(names) < 2:
        raise ValueError(f"Interactions need at least two fields. Received: only {', '.join(names)}.")
    for name in itertools.chain(*planted):
        if name not in names:
            raise ValueError(f"Planted pairs must be of the fields {', '.join(names)}. Received: '{name}'.")
    known = tuple(_sorted_pair(names.index(name) for name in pair) for pair in planted)
    edges = edge_statistics(model, features)
    pairs = list(itertools.combinations(range(len(names)), 2))
    if len(pairs) > most_pairs:
        random = np.random.default_rng(seed)
        order = random.permutation(len(pairs))
        if edges is not None:
            strength = [edges.mean[pair] for pair in pairs]
            strongest = np.argsort(strength)[::-1][: most_pairs // 2]
            order = [*strongest, *(index for index in order if index not in set(strongest))]
        pairs = sorted({pairs[index] for index in order[:most_pairs]} | set(known))
    rows: dict[str, Any] = {"weights": weights, "groups": groups, "metric": metric}
    importance = permutation_importance(model, features, labels, pairs, repeats, seed, **rows)
    histories = analyse_histories(model, features, labels, repeats, seed, **rows)
    return Analysis(names, edges, importance, known, logit_in_words(model), histories)


def _sorted_pair(fields: Iterable[int]) -> tuple[int, int]:
    first, second = sorted(fields)
    return first, second
