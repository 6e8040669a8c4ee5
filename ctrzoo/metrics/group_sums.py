"""What each group adds to the metrics of the order within groups, so that groups can be resampled without ranking.

Each of these metrics is a ratio of two sums over groups. `ctrzoo.metrics.ranking` says what the metrics are.
"""

from __future__ import annotations

import numpy as np

# The metrics of `GroupedMetrics` that are ratios of sums over groups.
MEASURES = ("grouped_auc", "ndcg", "mrr", "hit_rate", "mean_rank")


def group_sums(
    labels: np.ndarray,
    scores: np.ndarray,
    groups: np.ndarray,
    weights: np.ndarray | None = None,
    k: int | None = 10,
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return what each group adds to the numerator and the denominator of each metric.

    Args:
        labels: A grade for each row, at least 0.
        scores: A number for each row; higher ranks first.
        groups: The number of each row's group, from 0, `(rows,)`.
        weights: A weight for each row, see `grouped_metrics`.
        k: Only places up to k count in `ndcg` and `hit_rate`; `None` counts all.

    Returns:
        `{measure: (numerators, denominators)}` with arrays `(groups,)`.

    >>> sums = group_sums(*map(np.array, ([0, 1, 1, 0], [0.2, 0.9, 0.3, 0.3], [0, 0, 1, 1])))
    >>> sums["mrr"][0].round(3).tolist(), sums["grouped_auc"][0].tolist()
    ([1.0, 0.667], [2.0, 1.0])
    """
    number = int(groups.max()) + 1
    order = np.lexsort((-scores.astype(np.float64), groups))
    group, score, grade = groups[order], scores[order], labels[order].astype(np.float64)
    weight = np.ones(len(grade)) if weights is None else weights[order].astype(np.float64)
    new_group = np.r_[True, group[1:] != group[:-1]]
    new_tie = new_group | np.r_[True, score[1:] != score[:-1]]
    tie = np.cumsum(new_tie) - 1
    ties = np.flatnonzero(new_tie)
    stops = np.r_[ties[1:], len(tie)]
    start = np.searchsorted(group, np.arange(number))  # the first row of each group
    before = (ties - start[group[ties]])[tie]  # rows of the group that are before all of the same score
    equal = (stops - ties)[tie]
    place = before + (equal + 1) / 2

    def summed(values):
        return np.bincount(group, values, number)

    auc = _auc_sums(grade, weight, group, tie, start, summed)
    is_positive = grade > 0
    has_positives = (summed(is_positive) > 0).astype(np.float64)
    last = len(grade) if k is None else k
    discounts = 1 / np.log2(1 + np.arange(1, min(last, int(np.bincount(group).max())) + 1))
    up_to = np.r_[0, np.cumsum(discounts)]
    top = len(discounts)
    gain = np.exp2(grade) - 1
    shared = (up_to[np.minimum(before + equal, top)] - up_to[np.minimum(before, top)]) / equal
    by_grade = np.lexsort((-grade, group))  # the groups stay where they are
    ideal_place = np.arange(len(grade)) - start[group]
    ideal = summed(gain[by_grade] * np.r_[discounts, 0][np.minimum(ideal_place, top)])
    best = np.full(number, np.inf)
    np.minimum.at(best, group[is_positive], place[is_positive])
    gained = np.divide(summed(gain * shared), ideal, out=np.zeros(number), where=ideal > 0)
    return {
        "grouped_auc": auc,
        "ndcg": (gained, has_positives),
        "mrr": (1 / best, has_positives),
        "hit_rate": ((best <= last).astype(np.float64), has_positives),
        "mean_rank": (summed(place * weight * is_positive), summed(weight * is_positive)),
    }


def _auc_sums(grade, weight, group, tie, start, summed):
    """Return AUC times rows, and rows, of the groups with different grades; 0 for the others."""
    won, pairs, rows = 0.0, 0.0, summed(weight)
    for level in np.unique(grade)[1:]:
        up, down = weight * (grade == level), weight * (grade < level)
        downs, below_or_equal = summed(down), np.cumsum(down)
        of_tie = np.bincount(tie, down)
        first = np.r_[0, below_or_equal][start]  # of the groups before
        seen = np.cumsum(of_tie)[tie] - of_tie[tie] - first[group]  # of higher scores in the group
        won = won + summed(up * (downs[group] - seen - of_tie[tie] / 2))
        pairs = pairs + summed(up) * downs
    pairs = np.broadcast_to(pairs, rows.shape)
    both = pairs > 0
    auc = np.divide(won, pairs, out=np.zeros(len(rows)), where=both)
    return auc * rows, rows * both
