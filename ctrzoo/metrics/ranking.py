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

from ctrzoo.metrics import rows as rows_of
from ctrzoo.metrics.rows import checked, sortable


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
    for block in _whole_groups(groups):
        chosen = block[_by_group(groups[block], -scores[block])]
        weight = np.ones(len(chosen)) if weights is None else weights[chosen].astype(np.float64)
        sums += _sums(labels[chosen].astype(np.float64), scores[chosen], groups[chosen], weight, k or len(chosen))
    won, compared, gain, reciprocal, hits, places, positives, number, one_class, empty = sums
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


def _whole_groups(groups) -> Iterator[np.ndarray]:
    """Yield the numbers of the rows of some groups at a time, about `BLOCK` rows."""
    order = np.argsort(groups)
    start = 0
    while start < len(order):
        stop = min(start + rows_of.BLOCK, len(order))
        while stop < len(order) and groups[order[stop]] == groups[order[stop - 1]]:
            # The rest of the last group; it is sorted, so that its end is found by halving.
            stop += int(np.searchsorted(groups[order[stop : stop + rows_of.BLOCK]], groups[order[stop - 1]], "right"))
        yield order[start:stop]
        start = stop


def _by_group(groups, numbers):
    """Return the order by group, which the rows are sorted by already, and then by rising number."""
    if numbers.dtype != np.float32:
        return np.lexsort((numbers, np.cumsum(np.r_[False, groups[1:] != groups[:-1]])))
    number_of_group = np.cumsum(np.r_[False, groups[1:] != groups[:-1]], dtype=np.uint64)
    return np.argsort(number_of_group << np.uint64(32) | sortable(numbers))


def _sums(labels, scores, groups, weights, k):
    """Return the sums behind `GroupedMetrics` of rows sorted by group and falling score."""
    new_group = np.r_[True, groups[1:] != groups[:-1]]
    new_score = new_group | np.r_[True, scores[1:] != scores[:-1]]
    firsts, ties = np.flatnonzero(new_group), np.flatnonzero(new_score)
    group_of_tie = np.searchsorted(firsts, ties, "right") - 1
    ends = np.r_[ties[1:], len(labels)]
    # Rows with equal scores have these places, and share their mean.
    best_places, worst_places = ties + 1 - firsts[group_of_tie], ends - firsts[group_of_tie]
    places = np.repeat((best_places + worst_places) / 2, ends - ties)
    positive = labels > 0
    firsts_of_ties = np.flatnonzero(new_group[ties])

    # AUC: a row wins against those of lower grades below it: all of the group but those before and half of the equal.
    won, pairs = np.zeros(len(firsts)), np.zeros(len(firsts))
    for grade in np.unique(labels)[1:]:
        up, down = (np.add.reduceat(np.where(which, weights, 0), ties) for which in (labels == grade, labels < grade))
        ups, downs = (np.add.reduceat(part, firsts_of_ties) for part in (up, down))
        seen = np.cumsum(down)
        before = seen - down - (seen - down)[firsts_of_ties][group_of_tie]
        won += np.add.reduceat(up * (downs[group_of_tie] - before - down / 2), firsts_of_ties)
        pairs += ups * downs
    both, sizes = pairs > 0, np.add.reduceat(weights, firsts)
    aucs = won[both] / pairs[both]

    gains = np.exp2(labels) - 1
    discounts = np.r_[0, np.cumsum(1 / np.log2(1 + np.arange(1, min(k, int(worst_places.max())) + 1)))]
    last = len(discounts) - 1
    shared = discounts[np.minimum(worst_places, last)] - discounts[np.minimum(best_places - 1, last)]
    reached = np.add.reduceat(gains * np.repeat(shared / (ends - ties), ends - ties), firsts)
    group_of_row = np.repeat(np.arange(len(firsts)), np.diff(np.r_[firsts, len(labels)]))
    ideal_order = _by_group(group_of_row, -gains.astype(np.float32))
    ideal_places = np.arange(len(labels)) - firsts[group_of_row] + 1
    ideal = np.where(ideal_places <= k, gains[ideal_order] / np.log2(1 + ideal_places), 0)
    ideal = np.add.reduceat(ideal, firsts)
    has_positive = np.logical_or.reduceat(positive, firsts)
    best = np.minimum.reduceat(np.where(positive, places, np.inf), firsts)[has_positive]
    weight_of_positives = np.where(positive, weights, 0)
    return np.array(
        [
            (aucs * sizes[both]).sum(),
            sizes[both].sum(),
            (reached[has_positive] / ideal[has_positive]).sum(),
            (1 / best).sum(),
            (best <= k).sum(),
            (places * weight_of_positives).sum(),
            weight_of_positives.sum(),
            len(firsts),
            (~both).sum(),
            (~has_positive).sum(),
        ]
    )
