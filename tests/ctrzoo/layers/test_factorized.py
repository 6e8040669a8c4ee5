import numpy as np
import pytest

from ctrzoo.layers import FactorizedMLP, FieldMixing, SelfDistillation


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(("residual", "expected"), [("concat", [1.0, 3.0, 5.0, 21.0]), ("sum", [6.0, 24.0])])
def test_a_layer_worked_by_hand(residual, expected):
    """x = (1, 2) gives p = (1, 3) and q = (5, 7): p and p * q = (5, 21), or their sum."""
    layer = FactorizedMLP((len(expected),), residual)
    x = np.array([[1.0, 2.0]])
    layer(x)
    kernel, bias = layer.weights
    kernel.assign([[1.0, 1.0, 1.0, 1.0], [0.0, 1.0, 2.0, 3.0]])
    bias.assign([0.0, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(layer(x), [expected])


def test_the_activation_comes_after_the_product():
    layer = FactorizedMLP((2,), activation="relu")
    x = np.array([[-2.0, -3.0]])
    layer(x)
    layer.weights[0].assign(np.eye(2))
    np.testing.assert_allclose(layer(x), [[0.0, 6.0]])


def test_each_layer_doubles_the_degree():
    random, layer = np.random.default_rng(0), FactorizedMLP((4, 4, 4), dtype="float64")
    scales = np.arange(1.0, 11.0)
    scaled = scales[:, None] * random.normal(size=3)
    layer(scaled)
    for weight in layer.weights:
        weight.assign(random.normal(size=weight.shape))
    # The last entry as a polynomial of the scale, of degree 9 at most.
    coefficients = np.linalg.solve(np.vander(scales, increasing=True), np.asarray(layer(scaled))[:, -1])
    assert abs(coefficients[8]) > 1e-5 and abs(coefficients[9]) < 1e-4 * abs(coefficients[8])


def test_the_field_gate_worked_by_hand():
    """g_1 = 2 e_1 + 4 e_2 + 1 and g_2 = 3 e_1 + 5 e_2 - 1, in both dimensions."""
    layer = FieldMixing()
    embedded = np.array([[[1.0, 2.0], [10.0, 0.0]]])
    np.testing.assert_allclose(layer(embedded), [[[1, 2], [10, 0], [1, 2], [10, 0]]])  # as it starts
    layer.kernel.assign([[2.0, 3.0], [4.0, 5.0]])
    layer.bias.assign([[1.0], [-1.0]])
    np.testing.assert_allclose(layer(embedded), [[[1, 2], [10, 0], [43, 10], [520, 0]]])


def test_the_loss_is_the_cross_entropy_with_the_probability_of_the_mean():
    logits = np.array([[1.0, 3.0], [-2.0, 0.5]])
    layer = SelfDistillation(strength=0.5)
    np.testing.assert_allclose(layer(logits), [[2.0], [-0.75]])
    expected = 0.0
    for row in logits:
        target = sigmoid(row.mean())
        for logit in row:
            expected -= (target * np.log(sigmoid(logit)) + (1 - target) * np.log(1 - sigmoid(logit))) / 2
    np.testing.assert_allclose(layer.losses, [0.5 * expected], rtol=1e-6)


def test_the_loss_of_logits_that_are_no_probabilities():
    layer = SelfDistillation(probabilities=False)
    layer(np.array([[1.0, 3.0], [5.0, 5.0]]))
    np.testing.assert_allclose(layer.losses, [(0.5 + 0.5) / 2])


def test_no_gradient_flows_through_the_mean():
    import tensorflow as tf

    logits = tf.constant([[1.0, 3.0]])
    layer = SelfDistillation()
    with tf.GradientTape() as tape:
        tape.watch(logits)
        layer(logits)
        loss = sum(layer.losses)
    expected = [sigmoid(1.0) - sigmoid(2.0), sigmoid(3.0) - sigmoid(2.0)]
    np.testing.assert_allclose(tape.gradient(loss, logits), [expected], rtol=1e-6)


def test_without_strength_there_is_no_loss():
    layer = SelfDistillation(strength=0.0)
    layer(np.ones((2, 2)))
    assert layer.losses == []


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="'concat' or 'sum'. Received: 'mean'"):
        FactorizedMLP((4,), "mean")
    with pytest.raises(ValueError, match="must be even for the residual 'concat', which halves them. Received: 5"):
        FactorizedMLP((4, 5))
