import numpy as np
import pytest

from ctrzoo.layers import WukongLayer


def test_a_layer_worked_by_hand():
    """Two vectors, X X^T = [[5, 1], [1, 1]], without a hidden layer and without the last normalization.

    The products (5, 1, 1, 1) are normalized, then the MLP has kernel zero and bias (1, -1): the vector (1, 0).
    """
    layer = WukongLayer(1, 1, rank=None, units=(), layer_norm=False)
    x = np.array([[[1.0, 2.0], [1.0, 0.0]]])
    layer(x)
    weights = {weight.path.partition("/")[2]: weight for weight in layer.weights}
    assert weights["mlp/output/kernel"].shape == (4, 2)
    weights["mlp/output/kernel"].assign(np.zeros((4, 2)))
    weights["mlp/output/bias"].assign([1.0, -1.0])
    weights["linear_kernel"].assign([[3.0], [10.0]])
    np.testing.assert_allclose(layer(x), [[[1 + 1, 0 + 2], [13 + 1, 6 + 0]]])
    weights["mlp/output/bias"].assign([0.0, 0.0])
    weights["mlp/output/kernel"].assign(np.eye(4)[:, [0, 3]])
    products = np.array([5.0, 1, 1, 1])
    normal = (products - products.mean()) / np.sqrt(products.var() + 1e-5)
    expected = [[[max(normal[0], 0) + 1, max(normal[3], 0) + 2], [14, 6]]]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5)


def test_where_the_numbers_of_vectors_differ_the_residual_is_a_map_of_them():
    layer = WukongLayer(1, 2, rank=1, units=(), layer_norm=False)
    x = np.array([[[1.0, 2.0], [1.0, 0.0]]])
    layer(x)
    weights = {weight.path.partition("/")[2]: weight for weight in layer.weights}
    for name in ("mlp/output/kernel", "linear_kernel"):
        weights[name].assign(np.zeros(weights[name].shape))
    weights["residual_kernel"].assign([[1.0, 0.0, 2.0], [0.0, 1.0, 3.0]])
    weights["residual_bias"].assign([[0.0], [0.5], [1.0]])
    np.testing.assert_allclose(layer(x), [[[1, 2], [1.5, 0.5], [6, 5]]])
    assert not any("residual" in weight.path for weight in _built(WukongLayer(1, 1)).weights)
    names = [weight.name for weight in _built(WukongLayer(1, 2)).weights if "residual" in weight.path]
    assert names == ["residual_kernel"]  # the normalization would cancel a bias


def _built(layer):
    layer(np.ones((1, 2, 4)))
    return layer


def test_each_vector_is_normalized_at_the_end():
    outputs = np.asarray(WukongLayer(3, 2)(np.random.default_rng(0).normal(size=(4, 6, 8)) * 10))
    np.testing.assert_allclose(outputs.mean(axis=-1), 0, atol=1e-5)
    np.testing.assert_allclose(outputs.var(axis=-1), 1, atol=1e-3)


def test_the_compression_starts_with_variance_1():
    layer = WukongLayer(1, 1, rank=50)
    layer.build((None, 100, 4))
    projection = np.asarray(layer.projection)
    assert abs(projection.mean()) < 0.05 and abs(projection.var() - 1) < 0.05


def test_wrong_arguments_are_refused():
    for argument in ("num_fm", "num_linear"):
        with pytest.raises(ValueError, match=f"`{argument}` must be at least 1. Received: 0"):
            WukongLayer(**{argument: 0})
    with pytest.raises(ValueError, match="`rank` must be at least 1. Received: -1"):
        WukongLayer(rank=-1)
