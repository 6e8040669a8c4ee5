"""The layers of GraphFM: their graph has the stated properties."""

import numpy as np
import pytest

from ctrzoo.layers import GraphInteraction, ReferenceGraphInteraction


@pytest.mark.parametrize("kept", [1, 3, 7])
def test_each_field_keeps_exactly_the_stated_number_also_among_equals(kept):
    random = np.random.default_rng(0)
    states = random.normal(size=(6, 7, 4)).astype("float32")
    states[:, 2] = 0  # an absent field: all its edge weights are equal
    states[0] = 0
    _, attention, edges = GraphInteraction(4, num_neighbors=kept, return_explanations=True)(states)
    assert (np.count_nonzero(edges, axis=-1) == kept).all()
    np.testing.assert_array_equal(np.asarray(attention) > 0, np.repeat((np.asarray(edges) > 0)[:, None], 2, axis=1))
    np.testing.assert_allclose(np.sum(attention, axis=-1), 1, rtol=1e-5)


def test_edge_weights_are_symmetric_before_selection():
    edges = np.asarray(
        GraphInteraction(4, return_explanations=True)(np.random.default_rng(0).normal(size=(3, 5, 4)))[2]
    )
    np.testing.assert_allclose(edges, edges.transpose(0, 2, 1), rtol=1e-6)


def test_the_order_of_fields_does_not_matter():
    states = np.random.default_rng(1).normal(size=(3, 5, 4)).astype("float32")
    layer = GraphInteraction(6, num_neighbors=3, return_explanations=True)
    order = np.array([3, 0, 4, 1, 2])
    straight, permuted = layer(states)[0], layer(states[:, order])[0]
    np.testing.assert_allclose(np.asarray(straight)[:, order], permuted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [GraphInteraction, ReferenceGraphInteraction])
def test_all_neighbors_with_edge_weight_one_is_the_ablation_without_selection(kind):
    states = np.random.default_rng(2).normal(size=(3, 5, 4)).astype("float32")
    full, ablated = kind(6, num_neighbors=5), kind(6, use_selection=False)
    full(states), ablated(states)
    full.score_kernel.assign(np.zeros(full.score_kernel.shape))
    full.score_bias.assign([40.0])  # its sigmoid is 1
    own = {weight.name: weight for weight in full.weights}
    for weight in ablated.weights:
        weight.assign(own[weight.name])
    np.testing.assert_allclose(full(states), ablated(states), rtol=1e-6, atol=1e-6)  # sums near 0 differ by rounding


def test_an_absent_field_puts_out_the_activation_of_zero():
    states = np.random.default_rng(3).normal(size=(2, 5, 4)).astype("float32")
    states[:, 1] = 0
    np.testing.assert_array_equal(GraphInteraction(6, num_neighbors=3)(states)[:, 1], np.zeros((2, 6)))


def test_the_leak_of_the_reference_by_hand():
    """p = (.9, .5, .1), attention scores 2, two kept: the dropped one keeps weight 0.1024."""
    powers = np.exp([1.8, 1.0, 0.0])
    np.testing.assert_allclose(powers / powers.sum(), [0.6193, 0.2783, 0.1024], atol=1e-4)
    states = np.random.default_rng(4).normal(size=(2, 6, 4)).astype("float32")
    _, attention, edges = ReferenceGraphInteraction(4, num_neighbors=2, return_explanations=True)(states)
    assert (np.count_nonzero(edges, axis=-1) == 2).all()
    assert (np.asarray(attention) > 0).all()
    np.testing.assert_allclose(np.sum(attention, axis=-1), 1, rtol=1e-5)
