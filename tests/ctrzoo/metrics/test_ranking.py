"""Metrics within groups equal a slow loop over groups and scikit-learn; ties share places."""

import tracemalloc

import numpy as np
import pytest

from ctrzoo.metrics import auc, grouped_auc, grouped_metrics, grouping
from ctrzoo.metrics import rows as metric_rows


def _mean(pairs):
    """The mean of `(number, weight)` pairs."""
    return sum(number * weight for number, weight in pairs) / sum(weight for _, weight in pairs)


def slow(labels, scores, groups, weights, k):
    """All metrics by their definitions, one group at a time."""
    aucs, gains, reciprocals, hits, places_of_positives = [], [], [], [], []
    one_class = 0
    for group in dict.fromkeys(groups):
        rows = np.flatnonzero(groups == group)
        y, s, w = labels[rows], scores[rows], weights[rows]
        places = np.array([1 + (s > score).sum() + ((s == score).sum() - 1) / 2 for score in s])
        won = pairs = 0.0
        for i in range(len(rows)):
            for j in range(len(rows)):
                if y[i] > y[j]:
                    won += w[i] * w[j] * ((s[i] > s[j]) + (s[i] == s[j]) / 2)
                    pairs += w[i] * w[j]
        if pairs:
            aucs.append((won / pairs, w.sum()))
        else:
            one_class += 1
        if not (y > 0).any():
            continue
        places_of_positives += list(zip(places[y > 0], w[y > 0], strict=True))
        reciprocals.append(1 / places[y > 0].min())
        hits.append(places[y > 0].min() <= k)
        discount = np.where(np.arange(1, len(rows) + 1) <= k, 1 / np.log2(np.arange(2, len(rows) + 2)), 0)
        shared = [
            discount[(s > score).sum() : (s > score).sum() + (s == score).sum()].mean() for score in s
        ]  # the mean over the places of rows with equal scores
        ideal = (np.sort(2.0**y - 1)[::-1] * discount).sum()
        gains.append(((2.0**y - 1) * shared).sum() / ideal)
    return {
        "grouped_auc": _mean(aucs),
        "ndcg": np.mean(gains),
        "mrr": np.mean(reciprocals),
        "hit_rate": np.mean(hits),
        "mean_rank": _mean(places_of_positives),
        "one_class_groups": one_class,
        "groups_without_positives": len(set(groups)) - len(gains),
    }


def random_rows(seed, graded):
    random = np.random.default_rng(seed)
    groups = random.integers(0, 12, 200)
    labels = random.integers(0, 4 if graded else 2, 200) * (groups != 3)
    labels[groups == 5] = 1
    return labels, np.round(random.random(200), 1), groups, random.integers(0, 3, 200)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("graded", [False, True])
@pytest.mark.parametrize("k", [1, 3, 100])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_metrics_equal_a_slow_loop_in_any_blocks(seed, graded, k, dtype, monkeypatch):
    labels, scores, *others = random_rows(seed, graded)
    rows = labels, scores.astype(dtype), *others
    expected = slow(*rows, k)
    for size in (1 << 20, 50, 3):
        monkeypatch.setattr(metric_rows, "BLOCK", size)
        monkeypatch.setattr(grouping, "PIECE", size)
        found = grouped_metrics(*rows, k=k)._asdict()
        assert found.pop("groups") == 12
        assert found == pytest.approx(expected, rel=1e-12)
        assert grouped_auc(*rows) == pytest.approx(expected["grouped_auc"], rel=1e-12)


@pytest.mark.parametrize("graded", [False, True])
def test_without_weights_each_row_weighs_one(graded):
    labels, scores, groups, _ = random_rows(7, graded)
    expected = slow(labels, scores, groups, np.ones(200), 3)
    for score in (scores.astype(np.float32), scores):
        found = grouped_metrics(labels, score, groups, k=3)._asdict()
        assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-12)
        assert grouped_auc(labels, score, groups) == pytest.approx(expected["grouped_auc"], rel=1e-12)


@pytest.mark.parametrize("wide", [False, True])
def test_groups_need_little_beside_the_scores(wide, monkeypatch):
    monkeypatch.setattr(metric_rows, "BLOCK", 1000)
    monkeypatch.setattr(grouping, "PIECE", 5000)
    random = np.random.default_rng(3)
    scores, groups = random.random(400_000, dtype=np.float32), random.integers(0, 20_000, 400_000)
    groups = groups * (2**63 // 20_000) if wide else groups
    labels = random.random(400_000) < scores
    tracemalloc.start()
    grouped_metrics(labels, scores, groups)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * scores.nbytes  # an integer of 8 bytes per row, and some booleans


def test_one_group_of_clicks_has_their_auc():
    labels, scores, _, weights = random_rows(2, False)
    found = grouped_metrics(labels, scores, np.zeros(200), weights).grouped_auc
    assert found == pytest.approx(auc(labels, scores, weights), rel=1e-12)


def test_ndcg_equals_scikit_learn_with_ties():
    sklearn = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(0)
    labels, scores = random.integers(0, 3, (5, 20)), np.round(random.random((5, 20)), 1)
    for k in (None, 4):
        theirs = sklearn.ndcg_score(2.0**labels - 1, scores, k=k)
        ours = grouped_metrics(labels.ravel(), scores.ravel(), np.repeat(np.arange(5), 20), k=k).ndcg
        assert ours == pytest.approx(theirs, rel=1e-12)


def test_ties_share_the_mean_of_the_best_and_the_worst_place():
    # Places in "a": 1, 3, 3, 3, 5; in "b": 1.5, 1.5.
    found = grouped_metrics([0, 1, 0, 0, 1, 1, 0], [9, 5, 5, 5, 1, 2, 2], list("aaaaabb"), k=2)
    assert found.mrr == pytest.approx((1 / 3 + 1 / 1.5) / 2)
    assert found.hit_rate == 0.5
    assert found.mean_rank == pytest.approx((3 + 5 + 1.5) / 3)


def test_a_constant_score_says_nothing_in_any_order_of_rows():
    labels = np.repeat([1, 0, 0, 0], 5)
    for order in (slice(None), slice(None, None, -1)):
        found = grouped_metrics(labels[order], np.zeros(20), np.zeros(20))
        assert (found.grouped_auc, found.mrr, found.mean_rank) == (0.5, 1 / 10.5, 10.5)


def test_groups_may_be_texts_or_large_numbers_in_any_order():
    labels, scores, groups, weights = random_rows(1, True)
    expected = grouped_metrics(labels, scores, groups, weights)
    texts = np.array([f"user {group}" for group in groups])
    large = groups.astype(np.int64) * (2**60 // 7) - 2**59
    order = np.random.default_rng(3).permutation(200)
    for other in (texts, large):
        shuffled = [column[order] for column in (labels, scores, other, weights)]
        assert grouped_metrics(*shuffled) == pytest.approx(expected, rel=1e-12)


def test_without_positives_or_pairs_metrics_are_nan():
    found = grouped_metrics([0, 0, 0], [1, 2, 3], [1, 1, 2])
    assert np.isnan([found.grouped_auc, found.ndcg, found.mrr, found.hit_rate, found.mean_rank]).all()
    assert (found.groups, found.one_class_groups, found.groups_without_positives) == (2, 2, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 0], [1, 2], [1]), "One group"),
        (([-1, 0], [1, 2], [1, 1]), "Grades must lie in 0 to 30"),
        (([31, 0], [1, 2], [1, 1]), "Grades must lie in 0 to 30"),
        (([1, 0], [1, 2], [1, 1], None, 0), "`k` must be at least 1"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        grouped_metrics(*arguments)
