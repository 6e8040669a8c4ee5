"""Metrics of counts are the metrics of the drawn rows, written out one by one."""

import warnings

import numpy as np
import pytest

from ctrzoo.metrics import METRICS, Metric, Scored, evaluate_scores
from ctrzoo.metrics.resampled import MEAN_LABEL, ResampledMetrics
from ctrzoo.metrics.resampling import resample_counts, units_of

OF_CLICKS = ["auc", "log_loss", "calibration", "normalized_entropy", "pr_auc", "calibration_error"]
OF_NUMBERS = ["rmse", "mse", "mae"]
OF_GROUPS = ["grouped_auc", "ndcg@10", "ndcg@2", "hit_rate@3", "mrr", "mean_rank"]


def drawn_rows(rows, units, counts):
    """Return the rows of a resample by a loop over the draws; a group that is drawn twice is two groups."""
    found, groups = [], []
    for unit, count in enumerate(counts.astype(int)):
        for _ in range(count):
            own = [row for row in range(len(rows.labels)) if (row if units is None else units[row]) == unit]
            found += own
            groups += [len(groups)] * len(own)
    weights = None if rows.weights is None else rows.weights[found]
    return Scored(rows.labels[found], rows.scores[found], weights, None if units is None else np.array(groups))


def expected_metrics(rows, names):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of undefined metrics
        found = evaluate_scores(rows, [name for name in names if name != MEAN_LABEL])
    return [
        np.average(rows.labels.astype(float), weights=rows.weights) if name == MEAN_LABEL else found[name]
        for name in names
    ]


def rows_of(kind, is_grouped, is_weighted, has_ties, size=120, seed=4):
    random = np.random.default_rng(seed)
    labels = {
        "clicks": random.random(size) < 0.3,
        "numbers": random.normal(size=size),
        "grades": random.integers(0, 4, size),
    }
    scores = random.random(size)
    scores = (scores * 6).round() / 6 if has_ties else scores
    weights = random.integers(1, 5, size).astype(np.float32) / 2 if is_weighted else None
    groups = random.integers(100, 117, size) if is_grouped else None
    return Scored(labels[kind].astype(np.float32), scores.astype(np.float32), weights, groups)


@pytest.mark.parametrize("has_ties", [False, True])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize(
    ("kind", "is_grouped", "names"),
    [
        ("clicks", False, [MEAN_LABEL, *OF_CLICKS]),
        ("clicks", True, [*OF_CLICKS, MEAN_LABEL, *OF_GROUPS]),
        ("numbers", False, [*OF_NUMBERS, MEAN_LABEL]),
        ("numbers", True, OF_NUMBERS),
        ("grades", True, OF_GROUPS),
    ],
)
def test_every_metric_of_counts_is_that_of_the_drawn_rows(kind, is_grouped, names, is_weighted, has_ties):
    rows = rows_of(kind, is_grouped, is_weighted, has_ties)
    units, number = units_of(rows)
    metrics = ResampledMetrics(rows, names, units, number)
    for resample in range(5):
        counts = resample_counts(number, 9, resample)
        found = metrics(counts, counts if units is None else counts[units])
        expected = expected_metrics(drawn_rows(rows, units, counts), names)
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-12, err_msg=str(names))
        assert np.isfinite(found).all()


def test_counts_of_1_give_the_metrics():
    for kind, names in (("clicks", OF_CLICKS), ("numbers", OF_NUMBERS), ("grades", OF_GROUPS)):
        rows = rows_of(kind, kind == "grades", True, True)
        units, number = units_of(rows)
        ones = np.ones(number), np.ones(len(rows.labels))
        found = ResampledMetrics(rows, names, units, number)(*ones)
        np.testing.assert_allclose(found, list(evaluate_scores(rows, names).values()), rtol=1e-7)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_is_not_a_number(label):
    rows = Scored(np.array([label, label, 1 - label]), np.array([0.2, 0.5, 0.4]))
    names = [MEAN_LABEL, *OF_CLICKS]
    found = dict(zip(names, ResampledMetrics(rows, names, None, 3)(*[np.array([2.0, 1.0, 0.0])] * 2), strict=True))
    drawn = expected_metrics(drawn_rows(rows, None, np.array([2, 1, 0])), names)
    np.testing.assert_allclose(list(found.values()), drawn, rtol=1e-7)
    assert (
        np.isnan(found["auc"]) and np.isnan(found["normalized_entropy"]) and np.isnan(found["pr_auc"]) == (label == 0)
    )


@pytest.mark.parametrize("is_grouped", [False, True])
def test_a_metric_of_your_own_is_computed_of_the_repeated_rows(is_grouped, monkeypatch):
    def largest_group(rows):
        groups = np.arange(len(rows.labels)) if rows.groups is None else rows.groups
        return np.unique(groups, return_counts=True)[1].max() + rows.scores.sum() * rows.weights.mean()

    monkeypatch.setitem(METRICS, "mine", Metric("mine", largest_group))
    rows = rows_of("clicks", is_grouped, True, False)
    units, number = units_of(rows)
    counts = resample_counts(number, 1, 0)
    found = ResampledMetrics(rows, ["mine", "auc"], units, number)(counts, counts if units is None else counts[units])
    drawn = drawn_rows(rows, units, counts)
    np.testing.assert_allclose(found, [largest_group(drawn), METRICS["auc"].function(drawn)], rtol=1e-6)


def test_an_unknown_metric_is_refused():
    with pytest.raises(ValueError, match="Did you mean 'log_loss'"):
        ResampledMetrics(rows_of("clicks", False, False, False), ["logloss"], None, 120)
