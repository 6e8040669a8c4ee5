"""Correlations of numbers and of their ranks."""

import numpy as np

from ctrzoo.explanation.correlation import correlation, rank_correlation


def test_correlations_with_ties():
    # Ranks of the first: 1, 2.5, 2.5, 4; of the second: 4, 1, 2, 3.
    ranks = np.corrcoef([1, 2.5, 2.5, 4], [4, 1, 2, 3])[0, 1]
    np.testing.assert_allclose(rank_correlation([0, 5, 5, 9], [9, 1, 2, 3]), ranks)
    assert np.isnan(correlation([1, 1], [1, 2]))
