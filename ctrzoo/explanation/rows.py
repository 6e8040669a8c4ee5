"""Rows worth a look: those that a model predicts best and worst, in the sense of its task."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ctrzoo.metrics import Scored, metric_of


def choose_rows(labels: np.ndarray, probabilities: np.ndarray, count: int = 3) -> list[int]:
    """Return the indices of rows worth a look: in turn the surest right click, right non-click, and wrong row.

    >>> choose_rows([1, 0, 1, 0], [0.9, 0.8, 0.6, 0.1])
    [0, 3, 1]
    """
    labels, probabilities = np.ravel(labels).astype(bool), np.ravel(probabilities)
    errors = np.abs(labels - probabilities)
    surest, wrongest = np.argsort(errors, kind="stable"), np.argsort(-errors, kind="stable")
    return _in_turn([surest[labels[surest]], surest[~labels[surest]], wrongest], count)


def choose_numbers(labels: np.ndarray, predictions: np.ndarray, count: int = 3) -> list[int]:
    """Return the indices of rows worth a look: in turn the one most too high, most too low, and closest to its label.

    >>> choose_numbers([1.0, 2.0, 3.0, 4.0], [3.0, 2.1, 0.0, 4.5])
    [0, 2, 1]
    """
    errors = np.ravel(predictions).astype(np.float64) - np.ravel(labels)
    rising = np.argsort(errors, kind="stable")
    return _in_turn(
        [rising[errors[rising] > 0][::-1], rising[errors[rising] < 0], np.argsort(np.abs(errors), kind="stable")], count
    )


def _in_turn(lists: Sequence[Iterable[int]], count: int) -> list[int]:
    turns = itertools.chain.from_iterable(itertools.zip_longest(*lists))
    return list(dict.fromkeys(int(row) for row in turns if row is not None))[:count]


class RankedGroup(NamedTuple):
    """The rows of a group in the order of their scores.

    Args:
        rows: Indices of its rows, the highest score first.
        places: The place of each one; rows with equal scores share the mean of theirs.
        value: A metric of the group, NaN where it is not defined.
    """

    rows: np.ndarray
    places: np.ndarray
    value: float


def ranked_groups(rows: Scored, metric: str) -> list[RankedGroup]:
    """Return each group of rows with its metric.

    Args:
        rows: Labels, scores and groups.
        metric: Name of a metric of the order within groups.

    >>> group, = ranked_groups(Scored(np.array([0, 1]), np.array([0.2, 0.9]), None, np.array([7, 7])), "mrr")
    >>> group.rows.tolist(), group.places.tolist(), group.value
    ([1, 0], [1.0, 2.0], 1.0)
    """
    assert rows.groups is not None
    order = np.lexsort((-rows.scores, rows.groups))
    groups = rows.groups[order]
    found = []
    for members in np.split(order, np.flatnonzero(groups[1:] != groups[:-1]) + 1):
        scores = rows.scores[members]
        places = (np.searchsorted(-scores, -scores) + np.searchsorted(-scores, -scores, "right") + 1) / 2
        weights = None if rows.weights is None or not rows.weights[members].any() else rows.weights[members]
        of_group = Scored(rows.labels[members], scores, weights, rows.groups[members])
        found.append(RankedGroup(members, places, metric_of(metric).function(of_group)))
    return found


def choose_ranked(rows: Scored, metric: str, count: int = 3) -> list[int]:
    """Return the indices of rows worth a look, of the groups that a model orders best and worst.

    In turn: the row in the first place of the best group, the row in the first place of the worst group, and the row
    of the highest label there, the one of the lowest place if there are several; then those of the next groups. Of
    groups that are ordered equally well, the largest is first. Groups of one row say nothing of an order.

    Args:
        rows: Labels, scores and groups.
        metric: Name of a metric of the order within groups.
        count: How many rows.
    """
    sign = 1 if metric_of(metric).higher_is_better else -1
    groups = [group for group in ranked_groups(rows, metric) if len(group.rows) > 1 and not np.isnan(group.value)]
    best = sorted(groups, key=lambda group: (-sign * group.value, -len(group.rows)))
    worst = sorted(groups, key=lambda group: (sign * group.value, -len(group.rows)))
    highest = []
    for group in worst:
        labels = rows.labels[group.rows]
        highest.append(group.rows[np.flatnonzero(labels == labels.max())[-1]])
    return _in_turn([[group.rows[0] for group in best], [group.rows[0] for group in worst], highest], count)
