"""Weights of edges from pairs of states, against loops, and their special cases."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ctrzoo.layers.edge_metrics import EDGE_METRICS, cosine_weights, euclidean_weights


def cosine(x, y):
    lengths = np.sqrt(x @ x) * np.sqrt(y @ y)
    return (1 + (x @ y / lengths if lengths else 0)) / 2


def euclidean(x, y):
    return 1 / (1 + np.sqrt(((x - y) ** 2).sum()))


SLOW = {"cosine": cosine, "euclidean": euclidean}


def states_with_gaps(num_fields, dtype="float64", batch=5):
    states = np.random.default_rng(0).normal(size=(num_fields, batch, 4)).astype(dtype)
    if num_fields > 1:
        states[1, 0] = states[-1, 0] = 0
    return states


@pytest.mark.parametrize("metric", EDGE_METRICS)
@pytest.mark.parametrize("num_fields", [1, 2, 5, 6])
def test_weights_are_those_of_the_loops(metric, num_fields):
    states = states_with_gaps(num_fields)
    found = np.asarray(EDGE_METRICS[metric](keras.ops.convert_to_tensor(states)))
    expected = [
        [[SLOW[metric](x, y) for x, y in zip(first, second, strict=True)] for second in states] for first in states
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_array_equal(found, found.transpose(1, 0, 2))


@pytest.mark.parametrize("metric", EDGE_METRICS)
def test_gradients_are_central_differences(metric):
    states, factors = states_with_gaps(5), np.random.default_rng(1).normal(size=(5, 5, 5))

    def loss(states):
        weights = [[[SLOW[metric](x, y) for x, y in zip(a, b, strict=True)] for b in states] for a in states]
        return (np.asarray(weights) * factors).sum()

    variable = tf.Variable(states)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(EDGE_METRICS[metric](keras.ops.convert_to_tensor(variable)) * factors)
    gradient = tf.convert_to_tensor(tape.gradient(total, variable)).numpy()
    assert np.isfinite(gradient).all()
    present = np.argwhere(states.any(axis=-1))  # absent fields have no gradient, and zero has no cosine
    for field, row in present[:: len(present) // 12]:
        for entry in range(4):
            step = np.zeros_like(states)
            step[field, row, entry] = 1e-6
            slope = (loss(states + step) - loss(states - step)) / 2e-6
            np.testing.assert_allclose(gradient[field, row, entry], slope, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_cosine_does_not_depend_on_the_length(scale):
    states = states_with_gaps(5, "float32")
    found, scaled = (np.asarray(cosine_weights(keras.ops.convert_to_tensor(x))) for x in (states, states * scale))
    np.testing.assert_allclose(scaled, found, atol=1e-6)
    assert found.min() >= 0 and found.max() <= 1


@pytest.mark.parametrize("metric", EDGE_METRICS)
def test_edges_of_absent_fields_are_equal_to_the_last_digit(metric):
    random = np.random.default_rng(0)
    states = random.normal(size=(9, 200, 7)).astype("float32")
    states[4:] = 0
    found = np.asarray(EDGE_METRICS[metric](keras.ops.convert_to_tensor(states)))
    np.testing.assert_array_equal(found[:, 4:], np.broadcast_to(found[:, 4:5], (9, 5, 200)))
    for start in range(0, 200, 37):
        part = np.asarray(EDGE_METRICS[metric](keras.ops.convert_to_tensor(states[:, start : start + 37])))
        np.testing.assert_array_equal(part[:, 4:], found[:, 4:, start : start + 37])


@pytest.mark.parametrize("metric", EDGE_METRICS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sums_in_half_precision_are_wide(metric, dtype):
    # 4,096 squares of 0.25 overflow float16's digits if they are added up one by one: 256 + 0.0625 is 256.
    states = keras.ops.cast(np.full((2, 1, 4096), 0.25) * [[[1]], [[2]]], dtype)
    found = EDGE_METRICS[metric](states)
    assert keras.backend.standardize_dtype(found.dtype) == dtype
    expected = {"cosine": 1.0, "euclidean": 1 / (1 + 16)}[metric]
    np.testing.assert_allclose(keras.ops.cast(found, "float32")[0, 1], [expected], rtol=5e-3)


def test_one_place_by_hand():
    states = keras.ops.convert_to_tensor(np.array([[[3.0, 4.0]], [[-4.0, 3.0]], [[3.0, 3.0]]]))
    np.testing.assert_allclose(cosine_weights(states)[:2, :2, 0], [[1, 0.5], [0.5, 1]])
    np.testing.assert_allclose(euclidean_weights(states)[0, :, 0], [1, 1 / (1 + 50**0.5), 0.5])
