"""Exact metrics of the order within groups, such as the rows of a user, a query or a session.

The place of a row is 1 for the highest score of its group. Rows of equal scores share a place, the mean of the best and
the worst that they could have. If the order of the rows decided instead, a constant score would look good in a table
sorted by label. NDCG takes the mean of the discounts at those places instead of the discount at the mean place, which
could make it exceed 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ctrzoo.metrics.grouping import by_group_and_score, whole_groups
from ctrzoo.metrics.rows import checked


class GroupedMetrics(NamedTuple):
    """Metrics of the order within groups.

    Args:
        grouped_auc: Mean AUC of the groups with different labels, weighted by their rows (GAUC): the share of the pairs
            of rows with different grades that are in the right order.
        ndcg: Mean normalized discounted cumulative gain of the groups with a positive row.
        mrr: Mean reciprocal place of the best positive row of those groups.
        hit_rate: Share of those groups whose best positive row has at most place k.
        mean_rank: Mean place of the positive rows.
        groups: Number of groups.
        one_class_groups: Groups that `grouped_auc` leaves out.
        groups_without_positives: Groups that the other metrics leave out.
    """

    grouped_auc: float
    ndcg: float
    mrr: float
    hit_rate: float
    mean_rank: float
    groups: int
    one_class_groups: int
    groups_without_positives: int


def grouped_metrics(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike,
    weights: ArrayLike | None = None,
    k: int | None = 10,
) -> GroupedMetrics:
    """Compute all metrics of the order within groups in one pass.

    Labels are grades of at least 0: those above 0 are positive. The gain of a grade is `2^grade - 1` and the discount
    of a place `1 / log2(1 + place)` (Burges et al., 2005, section 6). For labels 0 and 1, the gain is the label. Ties
    in NDCG: McSherry and Najork, 2008, equation 2, https://doi.org/10.1007/978-3-540-78646-7_38.

    Args:
        labels: A grade for each row, at least 0.
        scores: A number for each row; higher ranks first.
        groups: The group of each row, whole numbers or text.
        weights: A weight for each row. They count in `grouped_auc` and `mean_rank`; a place does not depend on them.
        k: Only places up to k count in `ndcg` and `hit_rate`; `None` counts all.

    Raises:
        ValueError: If the lengths differ, a grade is negative or above 30, or `k` is less than 1.

    >>> grouped_metrics([0, 1, 1, 0], [0.2, 0.9, 0.3, 0.3], ["a", "a", "b", "b"]).mrr  # places 1 and 1.5
    0.8333333333333333
    """
    labels, scores, weights = checked(labels, scores, weights, binary=False)
    groups = np.ravel(np.asarray(groups))
    if len(groups) != len(labels):
        raise ValueError(f"One group is needed for each label. Received: {len(groups)} and {len(labels)}.")
    if labels.min() < 0 or labels.max() > 30:
        raise ValueError(f"Grades must lie in 0 to 30. Received: from {labels.min()} to {labels.max()}.")
    if k is not None and k < 1:
        raise ValueError(f"`k` must be at least 1. Received: {k}.")
    sums = np.zeros(10)
    for block in _sorted_blocks(labels, scores, groups, weights):
        sums += np.r_[_auc_sums(block), _place_sums(block, k)]
    won, compared, one_class, number, empty, gain, reciprocal, hits, places, positives = sums
    ranked = number - empty
    return GroupedMetrics(
        grouped_auc=_ratio(won, compared),
        ndcg=_ratio(gain, ranked),
        mrr=_ratio(reciprocal, ranked),
        hit_rate=_ratio(hits, ranked),
        mean_rank=_ratio(places, positives),
        groups=int(number),
        one_class_groups=int(one_class),
        groups_without_positives=int(empty),
    )


def _ratio(total, number):
    return float(total / number) if number else float("nan")


class _Block(NamedTuple):
    """Rows of whole groups, sorted by group and falling score.

    Args:
        labels: The grade of each row.
        weights: The weight of each row, or `None`.
        firsts: The first row of each group.
        ties: The first row of each set of rows with equal scores in a group.
        places: The place of each row; the mean for rows with equal scores.
    """

    labels: np.ndarray
    weights: np.ndarray | None
    firsts: np.ndarray
    ties: np.ndarray
    places: np.ndarray

    def sums(self, numbers: np.ndarray) -> np.ndarray:
        """Return the sum of numbers of the rows in each group."""
        return np.add.reduceat(numbers, self.firsts)

    def of_rows(self, numbers: np.ndarray) -> np.ndarray:
        """Return numbers of the groups for each row."""
        return np.repeat(numbers, np.diff(self.firsts, append=len(self.labels)))


def _sorted_blocks(labels, scores, groups, weights) -> Iterator[_Block]:
    for rows, number_of_group in whole_groups(groups):
        score = scores[rows]
        order = by_group_and_score(number_of_group, score)
        rows, score = rows[order], score[order]
        new_group = np.diff(number_of_group, prepend=-1) > 0
        firsts = np.flatnonzero(new_group)
        new_score = new_group.copy()
        new_score[1:] |= score[1:] != score[:-1]
        ties = np.flatnonzero(new_score)
        before = np.repeat(firsts, np.diff(firsts, append=len(rows)))
        if len(ties) == len(rows):
            places = np.arange(1.0, len(rows) + 1) - before
        else:
            lengths = np.diff(ties, append=len(rows))
            places = np.repeat(ties + (lengths + 1) / 2, lengths) - before
        weight = None if weights is None else weights[rows].astype(np.float64)
        yield _Block(labels[rows].astype(np.float64), weight, firsts, ties, places)


def _auc_sums(block):
    """Return the sum of the AUCs times rows, of these rows, and how many groups were left out."""
    if block.weights is None and block.labels.max() <= 1 and not (block.labels % 1).any():
        sizes, positives = np.diff(block.firsts, append=len(block.labels)), block.sums(block.labels)
        pairs = positives * (sizes - positives)
        # Without any negative row, the places of the positive ones add up to the second number.
        won = pairs - (block.sums(block.places * block.labels) - positives * (positives + 1) / 2)
    else:
        sizes, won, pairs = _weighted_pairs(block)
    both = pairs > 0
    return (won[both] / pairs[both] * sizes[both]).sum(), sizes[both].sum(), (~both).sum()


def _weighted_pairs(block):
    """Return, for each group, the weight of its rows, of the pairs won and of all pairs."""
    labels, firsts, ties = block.labels, block.firsts, block.ties
    weights = np.ones(len(labels)) if block.weights is None else block.weights
    firsts_of_ties = np.searchsorted(ties, firsts)
    ties_of_groups = np.diff(firsts_of_ties, append=len(ties))
    won, pairs = np.zeros(len(firsts)), np.zeros(len(firsts))
    for grade in np.unique(labels)[1:]:
        # A row wins against those of lower grades below it: all of the group but those before and half of the equal.
        up, down = (np.add.reduceat(np.where(which, weights, 0), ties) for which in (labels == grade, labels < grade))
        ups, downs = (np.add.reduceat(part, firsts_of_ties) for part in (up, down))
        before = np.cumsum(down) - down
        before -= np.repeat(before[firsts_of_ties], ties_of_groups)
        won += np.add.reduceat(up * (np.repeat(downs, ties_of_groups) - before - down / 2), firsts_of_ties)
        pairs += ups * downs
    return block.sums(weights), won, pairs


def _place_sums(block, k):
    """Return the number of groups and the sums behind the other metrics than the AUC."""
    labels, firsts, ties, places = block.labels, block.firsts, block.ties, block.places
    sizes, positive = np.diff(firsts, append=len(labels)), labels > 0
    lengths = np.diff(ties, append=len(labels))
    # Rows with equal scores have these places, and share their mean discount.
    worst_places = places[ties].astype(np.float64) + (lengths - 1) / 2
    last = min(k or len(labels), int(sizes.max()))
    discounts = np.r_[0, np.cumsum(1 / np.log2(1 + np.arange(1, last + 1)))]
    worst_places = worst_places.astype(np.int64)
    shared = discounts[np.minimum(worst_places, last)] - discounts[np.minimum(worst_places - lengths, last)]
    gains = np.exp2(labels) - 1
    reached = block.sums(gains * np.repeat(shared / lengths, lengths))
    group_of_row = block.of_rows(np.arange(len(firsts)))
    ideal_order = by_group_and_score(group_of_row, labels.astype(np.float32))
    ideal_places = np.arange(1, len(labels) + 1) - block.of_rows(firsts)
    single = np.diff(discounts, append=discounts[-1])  # of place 1, 2, ..., and 0 of places after the last
    ideal = block.sums(gains[ideal_order] * single[np.minimum(ideal_places - 1, last)])
    has_positive = np.logical_or.reduceat(positive, firsts)
    best = np.minimum.reduceat(np.where(positive, places, np.inf), firsts)[has_positive]
    weight_of_positives = positive * (1.0 if block.weights is None else block.weights)
    return (
        len(firsts),
        (~has_positive).sum(),
        (reached[has_positive] / ideal[has_positive]).sum(),
        (1 / best).sum(),
        (best <= last).sum(),
        (places * weight_of_positives).sum(),
        weight_of_positives.sum(),
    )
