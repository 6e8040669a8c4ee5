"""Places of events and their order from the newest on, against loops."""

import numpy as np

from ctrzoo.layers.recency import by_recency, places


def test_places_count_from_the_newest_event():
    lengths = [4, 0, 1, 3]
    mask = np.arange(4) < np.array(lengths)[:, None]
    assert places(mask).numpy().tolist() == [[3, 2, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0], [2, 1, 0, 0]]
    numbers = np.random.default_rng(0).normal(size=(4, 4))
    expected = [[*row[:length][::-1], *[0.0] * (4 - length)] for row, length in zip(numbers, lengths, strict=True)]
    np.testing.assert_allclose(by_recency(numbers, mask), expected, rtol=1e-6)
