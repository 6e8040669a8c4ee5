"""Weights of events: sums, absent slots, and what is refused. The equations are tested with DIN and DIEN."""

import numpy as np
import pytest

from ctrzoo.layers import EventAttention


@pytest.fixture
def inputs():
    random = np.random.default_rng(0)
    return random.normal(size=(3, 4)), random.normal(size=(3, 5, 4)), np.arange(5) < np.array([[5], [2], [0]])


@pytest.mark.parametrize("score", ["network", "bilinear", "dot"])
def test_weights_sum_to_one_over_the_events_of_a_row(score, inputs):
    found = EventAttention(score, use_softmax=True, activation="relu")(*inputs).numpy()
    np.testing.assert_allclose(found.sum(axis=1), [1, 1, 0], atol=1e-6)
    assert not found[~inputs[2]].any() and np.all(found[inputs[2]] > 0)


def test_a_bilinear_score_starts_as_the_inner_product(inputs):
    candidate, events, present = inputs
    expected = np.einsum("be,ble->bl", candidate, events) * present
    for score in ("bilinear", "dot"):
        np.testing.assert_allclose(EventAttention(score)(*inputs), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score": "cosine"}, "one of network, bilinear, dot. Received: 'cosine'"),
        ({"score": "dot", "position_dim": 3}, "Only a network takes places. Received: position_dim=3, score='dot'"),
        ({"position_dim": 0}, "`position_dim` must be a whole number of at least 1 or None. Received: 0"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        EventAttention(**options)


def test_a_candidate_of_another_size_is_refused(inputs):
    with pytest.raises(ValueError, match="must have one size"):
        EventAttention()(inputs[0][:, :3], *inputs[1:])
