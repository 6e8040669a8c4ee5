"""The logarithmic neurons: worked by hand, in training and in evaluation, and their limits."""

import numpy as np
import pytest
import tensorflow as tf

from ctrzoo.layers import LogarithmicNeurons

EMBEDDED = np.array([[[2.0, -3.0], [4.0, 0.5]]])  # two fields of two dimensions


def exact(layer):
    """Take the epsilon out of the batch normalizations of a new layer, whose statistics are 0 and 1."""
    layer.log_norm.epsilon = layer.exp_norm.epsilon = 0.0
    return layer


def test_neurons_are_products_of_powers(float64):
    layer = exact(LogarithmicNeurons(3))
    layer.build(EMBEDDED.shape)
    layer.kernel.assign([[1, 2, -1], [1, 0, 0.5]])
    # 2 * 4, 2^2, 2^-1 * 4^0.5; 3 * 0.5, 3^2, 3^-1 * 0.5^0.5: the sign is lost.
    np.testing.assert_allclose(layer(EMBEDDED), [[[8, 4, 1], [1.5, 9, 0.5**0.5 / 3]]])


def test_entries_near_zero_count_as_the_smallest_and_have_no_gradient(float64):
    layer = exact(LogarithmicNeurons(1))
    embedded = tf.constant([[[0.0, 9e-6], [-1.1e-5, 1.0]]])
    layer.build(embedded.shape)
    layer.kernel.assign([[1.0], [1.0]])
    with tf.GradientTape() as tape:
        tape.watch(embedded)
        outputs = layer(embedded)
    np.testing.assert_allclose(outputs, [[[1.1e-10], [1e-5]]], rtol=1e-6)
    np.testing.assert_allclose(tape.gradient(outputs, embedded), [[[0, 0], [-1e-5, 1e-5]]], rtol=1e-6)


def test_statistics_are_those_of_a_field_or_neuron_over_rows_and_dimensions(float64):
    random = np.random.default_rng(0)
    embedded = random.normal(size=(6, 3, 4))
    layer = LogarithmicNeurons(2, batch_norm_momentum=0.75)
    layer.build(embedded.shape)
    found = np.asarray(layer(embedded, training=True))
    logs = np.log(np.abs(embedded))
    means, variances = logs.mean(axis=(0, 2)), logs.var(axis=(0, 2))
    normal = (logs - means[:, None]) / np.sqrt(variances[:, None] + 1e-5)
    powers = np.exp(np.einsum("bfd,fk->bdk", normal, np.asarray(layer.kernel)))
    expected = (powers - powers.mean(axis=(0, 1))) / np.sqrt(powers.var(axis=(0, 1)) + 1e-5)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(layer.log_norm.moving_mean, 0.25 * means, rtol=1e-8)
    np.testing.assert_allclose(layer.exp_norm.moving_variance, 0.75 + 0.25 * powers.var(axis=(0, 1)), rtol=1e-8)


def test_powers_that_half_precision_does_not_hold_are_normalized_first():
    layer = LogarithmicNeurons(1, dtype="mixed_float16")
    layer.build(EMBEDDED.shape)
    layer.kernel.assign([[9.0], [9.0]])
    layer.exp_norm.moving_variance.assign([1e14])
    assert 8.0**9 > 65504
    np.testing.assert_allclose(layer(EMBEDDED.astype("float16"))[0, 0, 0], 8.0**9 / 1e7, rtol=2e-2)


def test_a_layer_without_neurons_is_refused():
    with pytest.raises(ValueError, match="`num_neurons` must be at least 1. Received: 0"):
        LogarithmicNeurons(0)
