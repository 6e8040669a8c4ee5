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
    labels, scores, groups, weights = _checked(labels, scores, groups, weights)
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


def grouped_auc(labels: ArrayLike, scores: ArrayLike, groups: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the `grouped_auc` of `grouped_metrics` alone, in less time.

    Args:
        labels: A grade for each row, at least 0.
        scores: A number for each row; higher ranks first.
        groups: The group of each row, whole numbers or text.
        weights: A weight for each row.

    Raises:
        ValueError: As in `grouped_metrics`.

    >>> grouped_auc([0, 1, 1, 0], [0.2, 0.9, 0.3, 0.3], ["a", "a", "b", "b"])
    0.75
    """
    sums = np.zeros(3)
    for block in _sorted_blocks(*_checked(labels, scores, groups, weights)):
        sums += _auc_sums(block)
    return _ratio(sums[0], sums[1])


def _checked(labels, scores, groups, weights):
    labels, scores, weights = checked(labels, scores, weights, binary=False)
    groups = np.ravel(np.asarray(groups))
    if len(groups) != len(labels):
        raise ValueError(f"One group is needed for each label. Received: {len(groups)} and {len(labels)}.")
    if labels.min() < 0 or labels.max() > 30:
        raise ValueError(f"Grades must lie in 0 to 30. Received: from {labels.min()} to {labels.max()}.")
    return labels, scores, groups, weights


def _ratio(total, number):
    return float(total / number) if number else float("nan")


class _Block(NamedTuple):
    """Rows of whole groups, sorted by group and falling score.

    Args:
        labels: The grade of each row.
        is_binary: Whether all grades of the split, not of the block alone, are 0 or 1.
        weights: The weight of each row, or `None`.
        number_of_group: The number of each row's group, from 0.
        firsts: The first row of each group.
        ties: The first row of each set of rows with equal scores in a group.
    """

    labels: np.ndarray
    is_binary: bool
    weights: np.ndarray | None
    number_of_group: np.ndarray
    firsts: np.ndarray
    ties: np.ndarray


def _sorted_blocks(labels, scores, groups, weights) -> Iterator[_Block]:
    is_binary = bool(((labels == 0) | (labels == 1)).all())
    # Score, label and weight of a row are moved in one integer where they fit: many times faster than to look them up.
    is_packed = is_binary and all(numbers is None or numbers.dtype == np.float32 for numbers in (scores, weights))

    def values(rows):
        if is_packed:
            return _packed(labels[rows], scores[rows], None if weights is None else weights[rows])
        return np.arange(rows.start, min(rows.stop, len(labels)), dtype=np.uint64)

    for number_of_group, firsts, value in whole_groups(groups, values):
        if is_packed:
            score = (value >> np.uint64(32)).astype(np.uint32).view(np.float32)
        else:
            score = scores.take(value.view(np.int64))
        order, is_new = by_group_and_score(number_of_group, score)
        value = value.take(order)
        if is_packed:
            label, weight = _label_and_weight(value, weights is not None)
        else:
            rows = value.view(np.int64)
            label, weight = labels.take(rows), None if weights is None else weights.take(rows)
        weight = None if weight is None else weight.astype(np.float64)
        yield _Block(label.astype(np.float64), is_binary, weight, number_of_group, firsts, np.flatnonzero(is_new))


def _packed(labels, scores, weights):
    """Return the bits of each row's score, its label, and the bits of its weight but the sign, which is never set."""
    packed = scores.view(np.uint32).astype(np.uint64)
    packed <<= np.uint64(1)
    packed |= labels.astype(np.uint64)
    packed <<= np.uint64(31)
    if weights is not None:
        packed |= (weights + np.float32(0)).view(np.uint32)  # -0 + 0 is 0
    return packed


def _label_and_weight(packed, is_weighted):
    low = packed.astype(np.uint32)
    return low >> np.uint32(31), (low & np.uint32(2**31 - 1)).view(np.float32) if is_weighted else None


def _places(block, rows):
    """Return the place of rows; the mean for rows with equal scores."""
    first = block.firsts[block.number_of_group[rows]]
    if len(block.ties) == len(block.labels):
        return rows + 1.0 - first
    lengths = _lengths(block.ties, len(block.labels))
    return np.repeat(block.ties + (lengths + 1) / 2, lengths)[rows] - first


def _lengths(starts, stop):
    """Return how far it is from each start to the next one, or to the stop."""
    lengths = np.empty_like(starts)
    np.subtract(starts[1:], starts[:-1], out=lengths[:-1])
    lengths[-1] = stop - starts[-1]
    return lengths


def _auc_sums(block):
    """Return the sum of the AUCs times rows, of these rows, and how many groups were left out."""
    if block.weights is None and block.is_binary:
        sizes, positives = _lengths(block.firsts, len(block.labels)), np.add.reduceat(block.labels, block.firsts)
        pairs = positives * (sizes - positives)
        # The places of the positive rows add up to the last number if they are before all others.
        places = _places(block, np.arange(len(block.labels))) * block.labels
        won = pairs - (np.add.reduceat(places, block.firsts) - positives * (positives + 1) / 2)
    else:
        sizes, won, pairs = _weighted_pairs(block)
    both = pairs > 0
    return (won[both] / pairs[both] * sizes[both]).sum(), sizes[both].sum(), (~both).sum()


def _weighted_pairs(block):
    """Return, for each group, the weight of its rows, of the pairs won and of all pairs."""
    labels, firsts, ties = block.labels, block.firsts, block.ties
    weights = np.ones(len(labels)) if block.weights is None else block.weights
    firsts_of_ties = firsts if len(ties) == len(labels) else np.searchsorted(ties, firsts)
    won, pairs = np.zeros(len(firsts)), np.zeros(len(firsts))
    for grade in [1] if block.is_binary else np.unique(labels)[1:]:
        # A row loses against those of lower grades above it and half of those with an equal score.
        up = weights * (labels if block.is_binary else labels == grade)
        down = weights - up if block.is_binary else weights * (labels < grade)
        if len(ties) < len(labels):
            up, down = np.add.reduceat(up, ties), np.add.reduceat(down, ties)
        ups, downs = (np.add.reduceat(part, firsts_of_ties) for part in (up, down))
        above = np.cumsum(down)  # those of the groups before, too
        above -= down / 2
        up *= above
        before = np.cumsum(downs) - downs
        won += ups * (downs + before) - np.add.reduceat(up, firsts_of_ties)
        pairs += ups * downs
    return np.add.reduceat(weights, firsts), won, pairs


def _place_sums(block, k):
    """Return the number of groups and the sums behind the other metrics than the AUC, which positive rows make up."""
    number, rows = len(block.firsts), np.flatnonzero(block.labels > 0)
    if not len(rows):
        return number, number, 0, 0, 0, 0, 0
    labels, places, group = block.labels[rows], _places(block, rows), block.number_of_group[rows]
    is_first = np.r_[True, group[1:] != group[:-1]]
    firsts = np.flatnonzero(is_first)
    last = min(k or len(block.labels), int(_lengths(block.firsts, len(block.labels)).max()))
    discounts = np.r_[1 / np.log2(1 + np.arange(1, last + 1)), 0]  # of place 1, 2, ..., and 0 after the last
    gains = np.exp2(labels) - 1
    reached = np.add.reduceat(gains * _shared_discounts(block, rows, places, discounts), firsts)
    ideal_places = np.arange(len(rows)) - firsts[np.cumsum(is_first) - 1]  # from 0
    ordered = gains if block.is_binary else gains[by_group_and_score(group, labels.astype(np.float32))[0]]
    ideal = np.add.reduceat(ordered * discounts[np.minimum(ideal_places, last)], firsts)
    best = np.minimum.reduceat(places, firsts)
    weights = np.ones(len(rows)) if block.weights is None else block.weights[rows]
    return (
        number,
        number - len(firsts),
        (reached / ideal).sum(),
        (1 / best).sum(),
        (best <= last).sum(),
        (places * weights).sum(),
        weights.sum(),
    )


def _shared_discounts(block, rows, places, discounts):
    """Return the discount of rows, the mean of those of their places for rows with equal scores."""
    last = len(discounts) - 1
    if len(block.ties) == len(block.labels):
        return discounts[np.minimum(places.astype(np.int64) - 1, last)]
    tie = np.searchsorted(block.ties, rows, "right") - 1
    lengths = _lengths(block.ties, len(block.labels))[tie]
    before = block.ties[tie] - block.firsts[block.number_of_group[rows]]
    up_to = np.r_[0, np.cumsum(discounts)]
    return (up_to[np.minimum(before + lengths, last)] - up_to[np.minimum(before, last)]) / lengths
