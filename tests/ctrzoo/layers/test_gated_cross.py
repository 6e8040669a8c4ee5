import numpy as np
import pytest

from ctrzoo.layers import CrossV2, GatedCross


def weighted(layer, **arrays):
    """Build a layer for inputs of size 2 and set its weights by name; those not named become zero."""
    layer.build((None, 2), (None, 2))
    for weight in layer.weights:
        weight.assign(np.asarray(arrays.get(weight.name, np.zeros(weight.shape))))
    return layer


def test_the_worked_example():
    """W x = (1, 4 - 2) + b = (1.5, 2); the gate is (sigmoid(ln 3), sigmoid(0)) = (3/4, 1/2)."""
    kernels = {"kernel": [[1.0, 4.0], [0.0, -1.0]], "gate_kernel": [[np.log(3), 0.0], [0.0, 0.0]]}
    layer = weighted(GatedCross(return_explanations=True), bias=[0.5, 0.0], **kernels)
    output, gate = layer(np.array([[2.0, 3.0]]), np.array([[1.0, 2.0]]))
    np.testing.assert_allclose(gate, [[0.75, 0.5]], rtol=1e-6)
    np.testing.assert_allclose(output, [[2 * 1.5 * 0.75 + 1, 3 * 2 * 0.5 + 2]], rtol=1e-6)


def test_open_gates_make_it_the_layer_of_dcn_v2():
    x0, x = np.array([[0.3, -0.7], [1.2, 0.4]]), np.array([[1.0, 2.0], [0.5, 1.5]])
    weights = {"kernel": [[0.5, -1.0], [0.3, 0.2]], "bias": [0.1, 0.2]}
    gated = weighted(GatedCross(), gate_kernel=np.full((2, 2), 100.0), **weights)
    np.testing.assert_allclose(gated(x0, x), weighted(CrossV2(), **weights)(x0, x), rtol=1e-6)


def test_closed_gates_pass_the_states_on():
    x = np.array([[1.0, 2.0]])
    layer = weighted(GatedCross(), gate_kernel=np.full((2, 2), -100.0), kernel=np.ones((2, 2)), bias=[1.0, 1.0])
    np.testing.assert_allclose(layer(3 * x, x), x, rtol=1e-6)


def test_biases_start_between_0_and_1():
    layer = GatedCross()
    layer.build((None, 1000), (None, 1000))
    bias = np.asarray(layer.bias)
    assert bias.min() >= 0 and bias.max() <= 1 and abs(bias.mean() - 0.5) < 0.05 and abs(bias.var() - 1 / 12) < 0.01


def test_the_penalty_is_half_the_squared_norm_of_both_matrices():
    layer = weighted(GatedCross(l2=0.1), kernel=[[1.0, 2.0], [3.0, 4.0]], gate_kernel=[[1.0, 0.0], [0.0, 2.0]])
    np.testing.assert_allclose(sum(layer.losses), 0.1 / 2 * (30 + 5), rtol=1e-6)


def test_unequal_sizes_are_refused():
    with pytest.raises(ValueError, match="same last dimension"):
        GatedCross()(np.ones((2, 3)), np.ones((2, 4)))
