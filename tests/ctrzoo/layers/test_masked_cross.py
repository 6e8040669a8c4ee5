import keras
import numpy as np
import pytest

from ctrzoo.layers import HeadHalves, MaskedCross, NetworkMean


def weighted(layer, heads, dim, **arrays):
    """Build a layer and set its weights by name; the bias is zero unless it is named."""
    layer.build((None, heads, dim), (None, heads, dim))
    layer.bias.assign(np.zeros(dim))
    for weight in layer.weights:
        if weight.name in arrays:
            weight.assign(np.asarray(arrays[weight.name]))
    return layer


def test_heads_have_the_first_halves_of_all_fields_then_the_second():
    """Field a has the entries 10 to 17 and field b 20 to 27, in two heads of four."""
    embedded = np.array([[np.arange(10.0, 18), np.arange(20.0, 28)]])
    expected = [[[10, 11, 20, 21, 12, 13, 22, 23], [14, 15, 24, 25, 16, 17, 26, 27]]]
    np.testing.assert_array_equal(HeadHalves(2)(embedded), expected)


def test_the_worked_example():
    """c = W x = 1 * 2 + 3 * 1 = 5; g = (5, 5 * 5); x0 * (g + b) + x."""
    layer = weighted(MaskedCross(layer_norm=False), 1, 2, kernel=[[2.0], [1.0]], bias=[0.5, -1.0])
    x = np.array([[[1.0, 3.0]]])
    np.testing.assert_allclose(layer(np.array([[[2.0, 10.0]]]), x), [[[2 * 5.5 + 1, 10 * 24 + 3]]])
    np.testing.assert_allclose(layer(x, -x), [[[1 * (-5 + 0.5) - 1, 3 * (0 - 1.0) - 3]]])  # a closed mask


def test_only_the_mask_is_normalized():
    layer = weighted(MaskedCross(), 1, 4, kernel=np.eye(4)[:, :2])
    x = np.array([[[1.0, 3.0, 0.0, 0.0]]])
    # The mask is (-1, 1) before the ReLU: the mean of 1 and 3 is 2, their standard deviation 1.
    np.testing.assert_allclose(layer(np.ones_like(x), x), [[[1 + 1, 3 + 3, 0, 3]]], rtol=1e-4)


def test_batch_normalization_is_per_head():
    keras.utils.set_random_seed(0)
    layer = MaskedCross(layer_norm=False, batch_norm=True)
    x = np.random.default_rng(0).normal(size=(6, 2, 4)) * np.array([[[1.0], [100.0]]])
    layer(x, x, training=True)
    norm = layer.head_norm
    mapped = x @ np.asarray(layer.kernel)
    assert norm.gamma.shape == (2,) and norm.momentum == 0.9
    np.testing.assert_allclose(norm.moving_mean, 0.1 * mapped.mean(axis=(0, 2)), rtol=1e-4)
    np.testing.assert_allclose(norm.moving_variance, 0.9 + 0.1 * mapped.var(axis=(0, 2)), rtol=1e-4)


def test_biases_start_between_0_and_1():
    layer = MaskedCross()
    layer.build((None, 1, 1000), (None, 1, 1000))
    bias = np.asarray(layer.bias)
    assert bias.min() >= 0 and bias.max() <= 1 and abs(bias.mean() - 0.5) < 0.05


def test_the_mean_of_networks_keeps_their_logits():
    layer, logits = NetworkMean(), np.array([[1.0, 3.0], [0.0, -1.0]])
    np.testing.assert_allclose(layer(logits), [[2.0], [-0.5]])
    np.testing.assert_array_equal(layer.latest, logits)


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match="cut into 2 heads of an even size. Received: vectors of size 6"):
        HeadHalves(2)(np.ones((2, 3, 6)))
    with pytest.raises(ValueError, match="`num_heads` must be at least 1. Received: 0"):
        HeadHalves(0)
    with pytest.raises(ValueError, match="must be even, because it is halved. Received: 3"):
        MaskedCross()(np.ones((2, 1, 3)), np.ones((2, 1, 3)))
    with pytest.raises(ValueError, match="same last dimension"):
        MaskedCross()(np.ones((2, 1, 4)), np.ones((2, 1, 2)))
