import keras
import numpy as np
import pytest

from ctrzoo.layers import ComplexFields, EulerInteraction


def built(layer, number=2, dim=1):
    """Build a layer for `number` vectors; all biases and the linear map become zero."""
    layer.build((None, number, dim), (None, number, dim))
    for weight in (layer.modulus_bias, layer.phase_bias, layer.kernel, layer.bias):
        weight.assign(np.zeros(weight.shape))
    return layer


def complex_output(layer, vectors):
    """Apply a layer to complex vectors `(batch, n, d)`."""
    real, imaginary = layer(np.real(vectors), np.imag(vectors))
    return np.asarray(real) + 1j * np.asarray(imaginary)


def test_fields_are_phases():
    layer = ComplexFields()
    real, imaginary = layer(np.array([[[0.0, np.pi / 2], [np.pi, -np.pi / 2]]]))
    layer.modulus.assign([[1.0], [3.0]])
    real, imaginary = layer(np.array([[[0.0, np.pi / 2], [np.pi, -np.pi / 2]]]))
    np.testing.assert_allclose(real, [[[1, 0], [-3, 0]]], atol=1e-6)
    np.testing.assert_allclose(imaginary, [[[0, 1], [0, -3]]], atol=1e-6)


def test_whole_powers_are_products_of_complex_numbers():
    """z1 = 1 + i and z2 = 2i: z1 z2 = -2 + 2i, z1^2 = 2i, z2 / z1 = 1 + i."""
    layer = built(EulerInteraction(3, dtype="float64"))
    layer.powers.assign([[1.0, 2.0, -1.0], [1.0, 0.0, 1.0]])
    outputs = complex_output(layer, np.array([[[1 + 1j], [2j]]]))
    np.testing.assert_allclose(outputs, [[[-2 + 2j], [2j], [1 + 1j]]], atol=1e-6)


def test_biases_turn_and_stretch_a_product():
    layer = built(EulerInteraction(1, dtype="float64"), number=1)
    layer.modulus_bias.assign([[np.log(3)]])
    layer.phase_bias.assign([[np.pi / 2]])
    np.testing.assert_allclose(complex_output(layer, np.array([[[1 + 2j]]])), [[[3j * (1 + 2j)]]], rtol=1e-6)


def test_the_linear_map_is_that_of_both_parts():
    layer = built(EulerInteraction(1, dtype="float64"))
    layer.powers.assign([[1.0], [0.0]])
    layer.kernel.assign([[2.0], [3.0]])
    layer.bias.assign([1.0])
    vectors = np.array([[[1 - 2j], [2 + 1j]]])
    # 2 * 1 + 3 * 2 + 1 = 9, and relu(2 * -2 + 3 * 1 + 1) = 0
    np.testing.assert_allclose(complex_output(layer, vectors), [[[1 + 9 - 2j]]], rtol=1e-6)


def test_each_vector_of_each_part_is_normalized():
    random = np.random.default_rng(0)
    real, imaginary = EulerInteraction(3, layer_norm=True)(*random.normal(size=(2, 4, 5, 16)))
    for part in (np.asarray(real), np.asarray(imaginary)):
        np.testing.assert_allclose(part.mean(axis=-1), 0, atol=1e-5)
        np.testing.assert_allclose(part.var(axis=-1), 1, atol=1e-2)


def test_powers_start_as_the_identity_or_near_one_for_each_product():
    keras.utils.set_random_seed(0)
    np.testing.assert_array_equal(built(EulerInteraction(5), number=5).powers, np.eye(5))
    powers = np.asarray(built(EulerInteraction(200), number=5).powers)
    np.testing.assert_allclose(powers.sum(axis=0), 1, rtol=1e-5)
    assert np.mean(powers.max(axis=0) > 0.99) > 0.9
    assert set(powers.argmax(axis=0)) == set(range(5))  # not the same for all


@pytest.mark.filterwarnings("error:You are using a softmax")
def test_a_single_vector_starts_with_the_power_1():
    np.testing.assert_array_equal(built(EulerInteraction(3), number=1).powers, np.ones((1, 3)))


def test_half_precision_keeps_products_within_range():
    """The logarithm of 300 squared overflows float16, and so does a product on the way to its mean."""
    layer = built(EulerInteraction(1, dtype="mixed_float16"))
    layer.powers.assign([[0.5], [0.5]])
    real, imaginary = layer(np.full((1, 2, 1), 300.0, "float16"), np.zeros((1, 2, 1), "float16"))
    np.testing.assert_allclose(np.asarray(real, "float32"), 300, rtol=1e-2)
    np.testing.assert_allclose(np.asarray(imaginary, "float32"), 0, atol=1e-2)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="`units` must be at least 1. Received: 0"):
        EulerInteraction(0)
