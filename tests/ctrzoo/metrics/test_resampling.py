"""The bootstrap: a slow loop with the same resamples, pairs of runs, and how often intervals hold the truth."""

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from ctrzoo.metrics import Scored, resampling
from ctrzoo.metrics.resampling import bootstrap, resample_counts
from ctrzoo.metrics.significance import bootstrap_p_value, percentile_interval


def clicks(size=80, seed=0, groups=None):
    random = np.random.default_rng(seed)
    labels = (random.random(size) < 0.4).astype(np.float32)
    runs = [random.random(size) * 0.7 + labels * 0.2 for _ in range(2)]
    return [Scored(labels, scores.astype(np.float32), None, groups) for scores in runs]


def test_a_slow_loop_with_the_same_resamples():
    runs = clicks()
    found = bootstrap(runs, ["auc", "log_loss"], resamples=20, seed=3)
    for resample in range(20):
        random = np.random.default_rng((3, resample))
        drawn = random.integers(0, 80, 80, dtype=np.uint32)
        for run, rows in enumerate(runs):
            labels, scores = rows.labels[drawn], rows.scores[drawn].astype(np.float64)
            assert found[resample, run, 0] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
            assert found[resample, run, 1] == pytest.approx(log_loss(labels, scores), rel=1e-9)


def test_groups_are_drawn_whole():
    groups = np.repeat([30, 10, 20], [2, 1, 3])
    rows = Scored(np.arange(6.0), np.zeros(6), None, groups)
    found = bootstrap([rows], ["mae"], resamples=30)[:, 0, 0]
    sums, sizes = np.array([2, 3 + 4 + 5, 0 + 1]), np.array([1, 3, 2])  # of the groups 10, 20 and 30
    for resample, value in enumerate(found):
        counts = resample_counts(3, 0, resample)
        assert value == pytest.approx((sums * counts).sum() / (sizes * counts).sum())
    assert len(set(found.round(9))) > 5


def test_resamples_depend_on_the_seed_and_not_on_threads(monkeypatch):
    runs = clicks()
    found = bootstrap(runs, ["auc"], 16, seed=1)
    monkeypatch.setattr(resampling, "_cores", lambda: 1)
    np.testing.assert_array_equal(bootstrap(runs, ["auc"], 16, seed=1), found)
    np.testing.assert_array_equal(bootstrap(runs, ["auc"], 8, seed=1), found[:8])
    assert not np.isin(bootstrap(runs, ["auc"], 16, seed=2), found).any()
    assert [resample_counts(5, 0, resample).sum() for resample in range(3)] == [5, 5, 5]


def test_the_progress_is_told_and_no_resamples_are_refused():
    done = []
    bootstrap(clicks(), ["auc"], 7, advance=lambda: done.append(1))
    assert len(done) == 7
    with pytest.raises(ValueError, match="`resamples` must be at least 1"):
        bootstrap(clicks(), ["auc"], 0)


def test_intervals_hold_the_true_value_in_95_of_100_samples():
    random, inside = np.random.default_rng(11), np.zeros(2)
    true = 0.7602499389065234, 0.4  # Phi(1 / sqrt(2)), and the mean absolute error below
    for trial in range(300):
        labels = random.random(200) < 0.4
        of_clicks = Scored(labels, labels + random.normal(size=200))
        of_numbers = Scored(np.zeros(200), random.exponential(0.4, 200))
        for index, (rows, name) in enumerate(((of_clicks, "auc"), (of_numbers, "mae"))):
            low, high = percentile_interval(bootstrap([rows], [name], 200, seed=trial)[:, 0, 0])
            inside[index] += low <= true[index] <= high
    # Three deviations of a binomial count of 300 are 11; percentile intervals of few rows are slightly narrow.
    assert (inside >= 270).all() and (inside <= 297).all(), inside


def test_rows_of_a_group_that_are_alike_need_resamples_of_groups():
    random = np.random.default_rng(2)
    inside = {True: 0, False: 0}
    for trial in range(150):
        groups = np.repeat(np.arange(40), 8)
        errors = (1 + random.exponential(1.0, 40))[groups]
        for is_grouped in inside:
            rows = Scored(np.zeros(320), errors, None, groups if is_grouped else None)
            low, high = percentile_interval(bootstrap([rows], ["mae"], 200, seed=trial)[:, 0, 0])
            inside[is_grouped] += low <= 2 <= high
    assert inside[True] >= 130 and inside[False] < 100, inside


def test_runs_are_compared_on_the_same_resamples():
    random, false_alarms = np.random.default_rng(8), 0
    for trial in range(200):
        common = random.normal(size=150)
        runs = [Scored(np.zeros(150), common + random.normal(size=150) / 4) for _ in range(2)]
        values = bootstrap(runs, ["mse"], 150, seed=trial)[:, :, 0]
        differences = values[:, 0] - values[:, 1]
        assert differences.std() < values[:, 0].std()  # of two resamples it would be 1.4 times as large
        false_alarms += bootstrap_p_value(differences) < 0.05
    assert 2 <= false_alarms <= 20, false_alarms
