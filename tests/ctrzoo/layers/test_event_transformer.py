"""The transformer of BST: absent slots change nothing, and positions by recency. BST's tests have the equations."""

import numpy as np
import pytest

from ctrzoo.layers import EventTransformer, JoinPositions


@pytest.mark.parametrize("causal", [False, True])
def test_absent_slots_do_not_change_those_that_are_present(causal):
    random = np.random.default_rng(0)
    states = random.normal(size=(2, 4, 6)).astype("float32")
    layer = EventTransformer(3, causal=causal, return_explanations=True)
    alone, attention = layer(states, np.ones((2, 4), "bool"))
    np.testing.assert_allclose(np.sum(attention, axis=-1), 1, atol=1e-6)
    padded = np.insert(states, [2, 2], random.normal(size=(2, 2, 6)), axis=1)
    present = np.array([[True, True, False, False, True, True]] * 2)
    found, attention = layer(padded, present)
    np.testing.assert_allclose(np.asarray(found)[:, present[0]], alone, atol=1e-5)
    assert not np.asarray(attention)[:, present[0]][:, :, ~present[0]].any()
    assert np.isfinite(found).all()


def test_positions_from_the_newest_do_not_depend_on_padding():
    short, long = JoinPositions(4), JoinPositions(4)
    short(np.zeros((1, 3, 1)), np.ones((1, 3), "bool"))
    found = long(np.zeros((1, 5, 1)), np.array([[True, True, False, False, True]])).numpy()[0, :, 1:]
    positions = long.positions.numpy()
    np.testing.assert_array_equal(found[[0, 1, 4]], positions[[2, 3, 4]])
    from_oldest = JoinPositions(4, "oldest")(np.zeros((1, 5, 1)), np.ones((1, 5), "bool")).numpy()[0, :, 1:]
    np.testing.assert_array_equal(from_oldest, positions)


def test_positions_start_as_sinusoids():
    layer = JoinPositions(5)
    layer.build((None, 4, 2), (None, 4))
    expected = [
        [(np.cos if entry % 2 else np.sin)(slot / 10000 ** (2 * (entry // 2) / 5)) for entry in range(5)]
        for slot in range(4)
    ]
    np.testing.assert_allclose(layer.positions, expected, rtol=1e-5, atol=1e-7)


def test_a_position_counts_from_one_of_two_ends():
    with pytest.raises(ValueError, match="Positions count from the newest or the oldest event. Received: 'middle'"):
        JoinPositions(2, "middle")
