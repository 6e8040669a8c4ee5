"""The largest difference of two arrays, by hand."""

import numpy as np
import pytest

from ctrzoo.experiments.exporting.differences import check_difference, largest_difference


@pytest.mark.parametrize(
    ("found", "expected", "difference"),
    [
        ([0.5, 0.25], [0.5, 0.5], 0.25),
        ([12.0], [8.0], 0.5),  # relative to 8
        ([-12.0], [-8.0], 0.5),
        ([], [], 0.0),
        ([np.nan, np.inf, 1], [np.nan, np.inf, 1], 0.0),
        ([np.nan, 1], [1, 1], np.inf),
        ([1], [np.nan], np.inf),
        ([np.inf], [-np.inf], np.inf),
        ([np.inf], [3], np.inf),
    ],
)
def test_largest_difference(found, expected, difference):
    assert largest_difference(np.array(found), np.array(expected)) == difference


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"returns the shape \(2,\), the model \(2, 1\)"):
        largest_difference(np.zeros(2), np.zeros((2, 1)))


def test_larger_differences_are_refused():
    check_difference("The export", 1e-6, "5 rows", 1e-6)
    for difference in (2e-6, np.inf, np.nan):
        with pytest.raises(ValueError, match=r"The export differs .* on 5 rows, but at most 1.0e-06"):
            check_difference("The export", difference, "5 rows", 1e-6)
