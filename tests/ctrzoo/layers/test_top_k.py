"""The sorting network finds what NumPy's sort finds, ties included."""

import itertools

import numpy as np
import pytest

from ctrzoo.layers.top_k import comparators, kth_largest


@pytest.mark.parametrize("count", range(1, 11))
def test_the_network_sorts_all_zeros_and_ones(count):
    """By the 0-1 principle a network that sorts these sorts everything (Knuth, volume 3, section 5.3.4)."""
    rows = np.array(list(itertools.product([0, 1], repeat=count)))
    for place, other in comparators(count):
        pair = rows[:, [place, other]]
        rows[:, place], rows[:, other] = pair.max(axis=1), pair.min(axis=1)
    assert (np.diff(rows, axis=1) <= 0).all()


@pytest.mark.parametrize("count", [1, 2, 7, 23, 39, 64, 100])
def test_every_rank_beside_numpy(count):
    scores = np.random.default_rng(count).integers(0, count, size=(4, count, 3)).astype("float32")
    ordered = -np.sort(-scores, axis=1)
    for number in sorted({1, 2, count // 2, count} & set(range(1, count + 1))):
        np.testing.assert_array_equal(kth_largest(scores, number, axis=1), ordered[:, number - 1])
