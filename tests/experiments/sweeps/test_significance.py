"""Welch's t-test: p-values worked by hand, and groups without a spread."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from ctrzoo.experiments.sweeps.significance import p_value


def test_p_values_by_hand():
    # Equal deviations of 0.001 and two seeds each: t is the difference in thousandths, with two degrees of freedom, so
    # p = 1 - t / sqrt(t^2 + 2).
    assert p_value((0.8, 0.001, 2), (0.81, 0.001, 2)) == pytest.approx(1 - 10 / 102**0.5)
    assert p_value((0.81, 0.001, 2), (0.8, 0.001, 2)) == pytest.approx(1 - 10 / 102**0.5)


def test_means_and_deviations_give_what_the_samples_give():
    random = np.random.default_rng(0)
    first, second = random.normal(0.8, 0.01, 5), random.normal(0.81, 0.001, 3)
    found = p_value(*((values.mean(), values.std(ddof=1), len(values)) for values in (first, second)))
    assert found == pytest.approx(ttest_ind(first, second, equal_var=False).pvalue)


def test_a_single_seed_is_not_tested():
    assert p_value((0.8, None, 1), (0.9, 0.001, 3)) is None is p_value((0.8, 0.001, 3), (0.9, None, 1))


def test_groups_without_spread():
    assert p_value((0.8, 0.0, 2), (0.9, 0.0, 2)) == 0.0 and p_value((0.8, 0.0, 2), (0.8, 0.0, 2)) == 1.0
