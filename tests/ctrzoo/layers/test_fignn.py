"""The graph network of Fi-GNN: messages and updates by hand."""

import keras
import numpy as np
import pytest

from ctrzoo.layers import (
    FieldGraph,
)

TOY = np.array([[[1.0, 2.0], [3.0, -1.0], [0.0, 2.0]]])


MEANS_OF_OTHERS = [[[1.5, 0.5], [0.5, 2], [2, 0.5]]]


def graph_of_small_messages(**options):
    """A graph whose one step adds a thousandth of what each field receives to its state."""
    layer = FieldGraph(num_steps=1, return_explanations=True, dtype="float64", **options)
    layer.build(TOY.shape)
    for weight in layer.weights:
        weight.assign(np.zeros(weight.shape))
    layer.sending_kernel.assign(np.tile(np.eye(2), (1, 3, 1, 1)))
    layer.receiving_kernel.assign(np.tile(np.eye(2), (1, 3, 1, 1)))
    layer.gate_bias.assign([0, 0, -100, -100])  # forget the state
    layer.candidate_kernel.assign([[1e-3, 0], [0, 1e-3], [0, 0], [0, 0]])
    return layer


def test_fields_receive_the_mean_or_the_sum_of_the_others():
    for options, factor in [({}, 1), ({"use_attention": False, "use_bias": False}, 2)]:
        states, _ = graph_of_small_messages(**options)(TOY)
        np.testing.assert_allclose((states - TOY) * 1e3, factor * np.array(MEANS_OF_OTHERS), rtol=1e-4)


def test_the_update_is_a_gated_recurrent_unit_with_the_reset_before_the_product():
    graph, cell = FieldGraph(dtype="float64"), keras.layers.GRUCell(4, reset_after=False, dtype="float64")
    graph.build((None, 3, 4))
    cell.build((None, 4))
    gates, candidate, bias = np.asarray(graph.gate_kernel), np.asarray(graph.candidate_kernel), [0.5] * 8
    update_reset = np.concatenate([gates[:, 4:], gates[:, :4], candidate], axis=1)
    graph.gate_bias.assign(bias)
    cell.set_weights([update_reset[:4], update_reset[4:], np.array([*bias, 0, 0, 0, 0])])
    states, messages = np.random.default_rng(0).normal(size=(2, 6, 4))
    np.testing.assert_allclose(graph._update(states, messages), cell(messages, states)[0], rtol=1e-9)


def test_no_step_is_refused():
    with pytest.raises(ValueError, match="`num_steps` must be at least 1. Received: 0"):
        FieldGraph(num_steps=0)
