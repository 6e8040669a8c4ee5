"""The places of targets among all candidates, and their metrics."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np


class RankMetrics(NamedTuple):
    """Metrics of one target per query.

    Args:
        mean_rank: Mean place.
        mrr: Mean reciprocal place.
        hit_rate: Share of the targets with a place of at most k.
        ndcg: Mean discount `1 / log2(1 + place)` of the places up to k.
        queries: Number of queries.
    """

    mean_rank: float
    mrr: float
    hit_rate: float
    ndcg: float
    queries: int


@dataclasses.dataclass(frozen=True, eq=False)
class Places:
    """The place of the target of each query, from 1.

    Candidates of equal scores share the places from `best` to `worst`.

    Args:
        best: The best place that the target could have, int64 `(queries,)`.
        worst: The worst one.
    """

    best: np.ndarray
    worst: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """The mean of the best and the worst place, float64 `(queries,)`."""
        return (self.best + self.worst) / 2

    def rows(self, chosen: np.ndarray) -> Places:
        """Return the places of some queries."""
        return Places(self.best[chosen], self.worst[chosen])

    def metrics(self, k: int = 10) -> RankMetrics:
        """Return metrics, with ties as in `ctrzoo.metrics.grouped_metrics`.

        Args:
            k: Only places up to k count in `hit_rate` and `ndcg`.

        Raises:
            ValueError: If there are no queries, or `k` is less than 1.

        >>> Places(np.array([1, 2]), np.array([1, 3])).metrics().mean_rank
        1.75
        """
        if not len(self.best):
            raise ValueError("Metrics need at least one query. Received: none.")
        if k < 1:
            raise ValueError(f"`k` must be at least 1. Received: {k}.")
        discounts = np.r_[0, np.cumsum(1 / np.log2(1 + np.arange(1, k + 1)))]
        shared = discounts[np.minimum(self.worst, k)] - discounts[np.minimum(self.best - 1, k)]
        return RankMetrics(
            mean_rank=float(self.mean.mean()),
            mrr=float((1 / self.mean).mean()),
            hit_rate=float((self.mean <= k).mean()),
            ndcg=float((shared / (self.worst - self.best + 1)).mean()),
            queries=len(self.best),
        )


def places_of(scores: np.ndarray, targets: np.ndarray, excluded: np.ndarray | None = None) -> Places:
    """Return the places of targets by falling score.

    Args:
        scores: `(queries, candidates)`.
        targets: The candidate that is the target of each query, `(queries,)`.
        excluded: Which candidates to leave out for a query, `(queries, candidates)`; never its target.

    Raises:
        ValueError: If a score is NaN, or a target is excluded.

    >>> places_of(np.array([[0.1, 0.5, 0.5, 0.9]]), np.array([1])).mean
    array([2.5])
    """
    if np.isnan(scores).any():
        raise ValueError(f"{int(np.isnan(scores).sum()):,} of {scores.size:,} scores are NaN: the model has diverged.")
    rows = np.arange(len(targets))
    own = scores[rows, targets][:, None]
    higher, equal = scores > own, scores == own
    if excluded is not None:
        if excluded[rows, targets].any():
            raise ValueError(f"The target of query {int(np.argmax(excluded[rows, targets]))} is excluded.")
        higher, equal = higher & ~excluded, equal & ~excluded
    before = higher.sum(axis=1)
    return Places(before + 1, before + equal.sum(axis=1))


def joined(parts: list[Places]) -> Places:
    """Return the places of consecutive queries as one."""
    return Places(np.concatenate([part.best for part in parts]), np.concatenate([part.worst for part in parts]))
