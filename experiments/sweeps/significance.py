"""Welch's t-test between the seeds of two groups of runs."""

from scipy.stats import ttest_ind_from_stats

SIGNIFICANCE = 0.05

Sample = tuple[float, float | None, int]  # mean, sample standard deviation (None of a single run), number of seeds


def p_value(first: Sample, second: Sample) -> float | None:
    """Return the two-sided p-value of Welch's t-test; None if a group has fewer than two seeds.

    >>> round(p_value((0.8, 0.001, 2), (0.803, 0.001, 2)), 4)  # t = 3, two degrees of freedom: 1 - 3 / sqrt(11)
    0.0955
    >>> p_value((0.8, None, 1), (0.803, 0.001, 2)) is None
    True
    """
    if first[1] is None or second[1] is None:
        return None
    if first[1] == second[1] == 0:  # the test divides by deviations
        return float(first[0] == second[0])
    return float(ttest_ind_from_stats(*first, *second, equal_var=False).pvalue)
