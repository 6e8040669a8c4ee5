"""Rows worth a look, chosen by hand."""

import numpy as np
import pytest

from ctrzoo.explanation.rows import choose_numbers, choose_ranked, choose_rows, ranked_groups
from ctrzoo.metrics import Scored

# Groups a, b, c, d. "a" is in the right order, "b" in the wrong one, "c" has no positive row, "d" has one row.
GROUPS = np.array(list("aababbccd"))
LABELS = np.array([2.0, 1.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 1.0])
SCORES = np.array([3.0, 2.0, 9.0, 1.0, 5.0, 4.0, 7.0, 7.0, 0.0])


def test_clicks():
    labels, probabilities = [1, 1, 0, 0, 1], [0.9, 0.7, 0.2, 0.1, 0.05]
    assert choose_rows(labels, probabilities) == [0, 3, 4]
    assert choose_rows(labels, probabilities, 5) == [0, 3, 4, 1, 2]
    assert choose_rows([0, 0], [0.3, 0.2]) == [1, 0]


def test_numbers_most_too_high_most_too_low_and_closest():
    labels, predictions = np.array([[0.0], [5.0], [2.0], [1.0], [7.0]]), [3.0, 1.0, 2.0, 2.0, 6.5]
    assert choose_numbers(labels, predictions) == [0, 1, 2]
    assert choose_numbers(labels, predictions, 9) == [0, 1, 2, 3, 4]
    assert choose_numbers([1.0, 1.0], [3.0, 2.0]) == [0, 1]  # none is too low
    assert choose_numbers([1.0], [1.0], 0) == []


def test_groups_with_their_places():
    groups = ranked_groups(Scored(LABELS, SCORES, None, GROUPS), "ndcg@10")
    assert [group.rows.tolist() for group in groups] == [[0, 1, 3], [2, 4, 5], [6, 7], [8]]
    assert [group.places.tolist() for group in groups] == [[1, 2, 3], [1, 2, 3], [1.5, 1.5], [1]]
    worst = (1 / np.log2(3) + 3 / 2) / (3 + 1 / np.log2(3))  # gains 0, 1, 3 instead of 3, 1, 0
    np.testing.assert_allclose([group.value for group in groups], [1, worst, np.nan, 1])


def test_rows_of_the_groups_in_the_best_and_the_worst_order():
    rows = Scored(LABELS, SCORES, None, GROUPS)
    # The first of the best group, the first of the worst, and the row of the highest label there.
    assert choose_ranked(rows, "ndcg@10") == [0, 2, 5]
    assert choose_ranked(rows, "mean_rank") == [0, 2, 5]
    assert choose_ranked(rows, "ndcg@10", 5) == [0, 2, 5]  # of b, then of a, are the same rows


def test_weights_of_zero_do_not_undo_a_group():
    weights = np.where(GROUPS == "b", 0.0, 2.0)
    values = [group.value for group in ranked_groups(Scored(LABELS, SCORES, weights, GROUPS), "mrr")]
    np.testing.assert_allclose(values, [1, 1 / 2, np.nan, 1])


@pytest.mark.parametrize("metric", ["grouped_auc", "mrr", "ndcg@1"])
def test_of_equal_groups_the_largest_is_first(metric):
    groups, labels = np.array([0, 0, 1, 1, 1]), np.array([1, 0, 1, 0, 0])
    assert choose_ranked(Scored(labels, np.array([2.0, 1.0, 3.0, 2.0, 1.0]), None, groups), metric, 1) == [2]
