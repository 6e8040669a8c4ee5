"""Intervals and p-values of resamples, and Holm's correction."""

import numpy as np
import pytest

from ctrzoo.metrics.significance import bootstrap_p_value, holm, percentile_interval


def test_the_interval_leaves_out_what_is_not_defined():
    values = np.r_[np.arange(1001.0), np.nan, np.nan]
    assert percentile_interval(values) == pytest.approx((25, 975))
    assert np.isnan(percentile_interval(np.full(3, np.nan))).all()


def test_the_p_value_is_the_level_at_which_the_interval_reaches_0():
    random = np.random.default_rng(0)
    differences = random.normal(0.15, 0.1, 4001)
    p = bootstrap_p_value(differences)
    assert 0.1 < p < 0.16  # 2 * (1 - Phi(1.5)) is 0.134
    low, _ = percentile_interval(differences, 1 - p - 0.002)
    lower, _ = percentile_interval(differences, 1 - p + 0.002)
    assert lower < 0 < low
    assert bootstrap_p_value(-differences) == p


def test_the_smallest_and_the_largest_p_value():
    assert bootstrap_p_value(np.full(99, 0.1)) == 0.02
    assert bootstrap_p_value(np.zeros(99)) == 1
    assert bootstrap_p_value(np.array([0.1, np.nan])) == bootstrap_p_value(np.array([0.1])) == 1
    assert np.isnan(bootstrap_p_value(np.array([np.nan])))


def test_holm_by_hand():
    # Holm's procedure: 4 * 0.01, 3 * 0.02, then 2 * 0.025 = 0.05, which is not less than the one before, and 0.9.
    assert holm([0.9, 0.01, 0.025, 0.02]) == pytest.approx([0.9, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1, 1] and holm([0.03]) == [0.03] and holm([]) == []
    assert holm([np.nan, 0.01])[1] == 0.02 and np.isnan(holm([np.nan, 0.01])[0])
