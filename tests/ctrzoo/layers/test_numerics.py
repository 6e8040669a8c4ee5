"""Softmaxes, standardization and penalties equal NumPy, with their gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ctrzoo.layers import numerics

STATES = np.random.default_rng(0).normal(scale=3.0, size=(4, 5, 6))


def gradients_of(function, states):
    """Return the value of `function` and the gradient of the sum of its sines."""
    states = tf.constant(states)
    with tf.GradientTape() as tape:
        tape.watch(states)
        outputs = function(states)
        loss = tf.reduce_sum(tf.sin(outputs))
    return outputs, tape.gradient(loss, states)


@pytest.mark.parametrize(
    "softmax, axis",
    [(numerics.softmax, -1), (numerics.softmax, 1), (numerics.inner_softmax, 0), (numerics.inner_softmax, 1)],
)
def test_softmaxes_and_their_gradients(softmax, axis):
    found, gradient = gradients_of(lambda states: softmax(states, axis=axis), STATES)
    powers = np.exp(STATES - STATES.max(axis=axis, keepdims=True))
    shares = powers / powers.sum(axis=axis, keepdims=True)
    np.testing.assert_allclose(found, shares, rtol=1e-12)
    upstream = np.cos(shares)
    expected = shares * (upstream - (upstream * shares).sum(axis=axis, keepdims=True))
    np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-14)


@pytest.mark.filterwarnings("error")
def test_the_softmax_of_one_entry_is_1_with_a_gradient_of_zero():
    found, gradient = gradients_of(numerics.softmax, STATES[..., :1])
    assert (np.asarray(found) == 1).all() and not np.asarray(gradient).any()


def test_an_axis_without_entries_is_allowed():
    assert numerics.inner_softmax(np.zeros((2, 0, 3), "float32"), axis=1).shape == (2, 0, 3)


def test_half_precision_sums_in_float32():
    scores = np.zeros((1, 5000), "float16")
    np.testing.assert_allclose(np.sum(numerics.softmax(scores), dtype="float32"), 1, rtol=1e-2)
    large = np.full((1, 8), 300.0, "float16") * np.array([1, -1] * 4, "float16")  # its squares overflow float16
    np.testing.assert_allclose(numerics.standardize(large), np.sign(large), rtol=1e-3)


def test_standardization_and_its_gradient():
    found, gradient = gradients_of(lambda states: numerics.standardize(states, 0.5), STATES)
    deviation = np.sqrt(STATES.var(axis=-1, keepdims=True) + 0.5)
    np.testing.assert_allclose(found, (STATES - STATES.mean(axis=-1, keepdims=True)) / deviation, rtol=1e-10)
    step, sums = 1e-6, lambda states: np.sin(np.asarray(numerics.standardize(states, 0.5))).sum()
    for entry in ((0, 0, 0), (3, 4, 5), (1, 2, 3)):
        moved = np.zeros_like(STATES)
        moved[entry] = step
        central = (sums(STATES + moved) - sums(STATES - moved)) / (2 * step)
        np.testing.assert_allclose(gradient[entry], central, rtol=1e-5, atol=1e-8)


def test_glorot_limits_are_those_of_keras():
    found = numerics.glorot_uniform(30, 50)((1000,))
    assert np.abs(found).max() <= numerics.glorot_limit(30, 50) == np.float64(np.sqrt(6 / 80))
    theirs = keras.initializers.GlorotUniform(seed=0)((300, 500))
    np.testing.assert_allclose(np.abs(theirs).max(), numerics.glorot_limit(300, 500), rtol=1e-3)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_the_lowest_score_is_finite_and_leaves_an_entry_out(dtype):
    scores = keras.ops.convert_to_tensor([[0.0, numerics.lowest_score(dtype)]], dtype)
    assert np.isfinite(keras.ops.convert_to_numpy(keras.ops.cast(scores, "float32"))).all()
    np.testing.assert_array_equal(keras.ops.cast(numerics.softmax(scores), "float32"), [[1, 0]])


def test_a_fresh_initializer_draws_other_values():
    one = keras.initializers.RandomNormal()
    assert (np.asarray(one((5,))) == np.asarray(one((5,)))).all()
    assert (np.asarray(one((5,))) != np.asarray(numerics.fresh(one)((5,)))).any()
    assert numerics.fresh(None) is None


def test_a_penalty_is_half_the_squared_norm_or_the_regularizer():
    weights = np.array([1.0, 2.0, -3.0])
    np.testing.assert_allclose(numerics.penalty(0.5)(weights), 0.25 * 14)
    np.testing.assert_allclose(numerics.penalty(0.0, "l1")(weights), 0.01 * 6, rtol=1e-6)
    assert numerics.penalty(0.0) is None
    with pytest.raises(ValueError, match="Give one of them"):
        numerics.penalty(0.5, "l1")


@pytest.mark.parametrize("shape", [(5, 3, 4), (2, 1, 3)])
def test_the_inner_layer_normalization_is_that_of_keras_along_the_last_axis(shape):
    random = np.random.default_rng(7)
    states = tf.constant(random.normal(size=shape))
    norm = keras.layers.LayerNormalization(epsilon=0.1, dtype="float64")
    norm.build((None, shape[1]))
    norm.set_weights([random.normal(size=shape[1]), random.normal(size=shape[1])])

    def moved(states):
        return tf.transpose(norm(tf.transpose(states, (0, 2, 1))), (0, 2, 1))

    results = []
    for function in (lambda states: numerics.inner_layer_norm(norm, states), moved):
        with tf.GradientTape() as tape:
            tape.watch(states)
            outputs = function(states)
            loss = tf.reduce_sum(tf.sin(outputs))
        results.append([outputs, *tape.gradient(loss, [states, norm.gamma.value, norm.beta.value])])
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
