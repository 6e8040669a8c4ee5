import numpy as np
import pytest

from ctrzoo.layers import FeatureGate, HeadProducts


def test_a_gate_of_one_hidden_layer_worked_by_hand():
    """relu(1 * 2 + 1 * 0) = 2 -> logits (ln 3, 0) -> gate 2 * (3/4, 1/2)."""
    layer = FeatureGate((1,), return_explanations=True)
    x, context = np.array([[4.0, 5.0]]), np.array([[1.0, 1.0]])
    layer(x, context)
    for weight, values in zip(layer.weights, ([[2.0], [0.0]], [0.0], [[np.log(3) / 2, 0.0]], [0.0, 0.0]), strict=True):
        weight.assign(values)
    output, gate = layer(x, context)
    np.testing.assert_allclose(gate, [[1.5, 1.0]], rtol=1e-6)
    np.testing.assert_allclose(output, [[6.0, 5.0]], rtol=1e-6)


def test_without_context_all_rows_have_one_gate_and_its_hidden_layers_learn():
    import tensorflow as tf

    layer = FeatureGate((64,), context_dim=8, return_explanations=True)
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    output, gate = layer(x)
    np.testing.assert_array_equal(gate, np.repeat(gate[:1], 5, axis=0))
    np.testing.assert_allclose(output, x * gate, rtol=1e-6)
    np.testing.assert_allclose(gate, 1, atol=0.1)  # it starts with all entries as they are
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x)[0])
    gradients = tape.gradient(loss, [weight.value for weight in layer.trainable_weights])
    assert [weight.name for weight in layer.trainable_weights][0] == "context"
    assert all(np.any(gradient) for gradient in gradients)


def test_two_heads_worked_by_hand():
    layer = HeadProducts(2)
    x, y = np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([[5.0, 6.0]])
    layer(x, y)
    layer.kernel.assign([[[1.0], [10.0]], [[100.0], [1000.0]]])
    np.testing.assert_allclose(layer(x, y), [[(1 + 20) * 5 + (300 + 4000) * 6]])


def test_one_head_is_the_full_bilinear_form():
    random = np.random.default_rng(1)
    x, y, kernel = random.normal(size=(5, 3)), random.normal(size=(5, 4)), random.normal(size=(1, 3, 4))
    layer = HeadProducts()
    layer(x, y)
    layer.set_weights([kernel])
    expected = [[x[row] @ kernel[0] @ y[row]] for row in range(5)]
    np.testing.assert_allclose(layer(x, y), expected, rtol=1e-5)


def test_the_kernel_starts_as_a_map_from_all_its_entries_to_one_number():
    layer = HeadProducts(10)
    layer.build((None, 100), (None, 50))
    kernel = np.asarray(layer.kernel)
    assert kernel.shape == (10, 10, 5)
    np.testing.assert_allclose(kernel.var(), 2 / 501, rtol=0.2)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="3 heads, sizes 6 and 4. Change the heads or the last layers"):
        HeadProducts(3)(np.ones((2, 6)), np.ones((2, 4)))
    with pytest.raises(ValueError, match="`num_heads` must be at least 1. Received: 0"):
        HeadProducts(0)
    with pytest.raises(ValueError, match="`context_dim` must be at least 1. Received: 0"):
        FeatureGate(context_dim=0)
