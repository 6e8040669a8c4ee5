"""The GRU over events against Keras' own GRU; steps of size 0 and 1. DIEN's tests have the other equations."""

import keras
import numpy as np

from ctrzoo.layers import EventGRU, NextEventLoss


def test_it_is_keras_gru_where_no_slot_is_absent(float64):
    random = np.random.default_rng(0)
    events, size = random.normal(size=(3, 5, 4)), 4
    layer, other = EventGRU(return_states=True), keras.layers.GRU(size, reset_after=True, return_sequences=True)
    layer(events, np.ones((3, 5)))
    other.build(events.shape)
    layer.set_weights([random.normal(size=weight.shape) for weight in layer.weights])
    # Keras' gates come in the order z, r, n, and z is the weight of the old state.
    arrays = [np.split(weight.numpy(), 3, axis=-1) for weight in layer.weights]
    kernel, recurrent, bias, recurrent_bias = (np.concatenate([-u, r, n], axis=-1) for r, n, u in arrays)
    other.set_weights([kernel, recurrent, np.stack([bias, recurrent_bias])])
    np.testing.assert_allclose(layer(events, np.ones((3, 5))), other(events), rtol=1e-9)


def test_a_step_of_size_zero_stands_still():
    events = np.random.default_rng(0).normal(size=(2, 4, 3))
    layer = EventGRU(use_update_gate=False, return_states=True, bias_initializer="ones")
    states = layer(events, np.array([[1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]])).numpy()
    np.testing.assert_array_equal(states[0, 0], states[0, 1])
    np.testing.assert_array_equal(states[0, 2], states[0, 3])
    assert not states[1, :3].any() and states[1, 3].any() and np.any(states[0, 1] != states[0, 2])


def test_one_event_has_no_next_one():
    layer, one = NextEventLoss((3,)), np.ones((2, 1, 4), "float32")
    layer(one, one, np.ones((2, 1), "bool"), training=True)
    assert layer.losses == []
