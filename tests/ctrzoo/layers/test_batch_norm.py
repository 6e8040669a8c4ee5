"""The batch normalization with its own gradient is Keras', in training and inference, with its running statistics."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ctrzoo.layers.batch_norm import BatchNormalization, normalize_batch

RANDOM = np.random.default_rng(5)
ROWS = RANDOM.normal(3.0, 2.0, (6, 4))


def both(shape=ROWS.shape, **options):
    """Return our layer and Keras', with the same random weights."""
    layers = [
        kind(epsilon=0.1, dtype="float64", **options) for kind in (BatchNormalization, keras.layers.BatchNormalization)
    ]
    for layer in layers:
        layer.build(shape)
    layers[1].set_weights([RANDOM.uniform(0.5, 2.0, weight.shape) for weight in layers[1].weights])
    layers[0].set_weights(layers[1].get_weights())
    return layers


def run(layer, **options):
    """Return outputs, gradients by the input and the weights, and the weights after the call."""
    states = tf.constant(ROWS)
    trained = [weight.value for weight in layer.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(states)
        outputs = layer(states, **options)
        loss = tf.reduce_sum(tf.sin(outputs))
    return [outputs, *tape.gradient(loss, [states, *trained]), *layer.get_weights()]


@pytest.mark.parametrize("options", [{}, {"center": False, "scale": False}, {"momentum": 0.5}])
@pytest.mark.parametrize("training", [True, False])
def test_it_is_that_of_keras(options, training):
    ours, theirs = (run(layer, training=training) for layer in both(**options))
    for found, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_a_mask_and_other_shapes_are_left_to_keras():
    mask = np.array([True, False, True, True, False, True])
    ours, theirs = (run(layer, training=True, mask=mask) for layer in both())
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-12)
    cube = RANDOM.normal(size=(3, 2, 4))
    found, expected = (layer(cube, training=True) for layer in both(cube.shape))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_frozen_layer_keeps_its_statistics():
    layer = both()[0]
    before = layer.get_weights()
    layer.trainable = False
    layer(ROWS, training=True)
    for weight, kept in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)


def test_half_precision_sums_in_float32():
    layer = BatchNormalization(dtype="mixed_float16")
    rows = np.array([[300.0], [-300.0]] * 4, "float16")  # whose squares overflow float16
    found = layer(rows, training=True)
    assert found.dtype == tf.float16
    np.testing.assert_allclose(found, np.sign(rows), rtol=1e-3)


def test_a_compiled_gradient_is_the_same():
    states, weights = tf.constant(ROWS), [tf.constant(RANDOM.normal(size=4)) for _ in range(2)]

    def gradients():
        with tf.GradientTape() as tape:
            tape.watch([states, *weights])
            loss = tf.reduce_sum(tf.sin(normalize_batch(states, *weights, 0.1)[0]))
        return tape.gradient(loss, [states, *weights])

    for found, expected in zip(tf.function(gradients, jit_compile=True)(), gradients(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
