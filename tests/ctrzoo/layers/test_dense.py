"""The multi-layer perceptron and the residual unit."""

import json

import keras
import numpy as np
import pytest

from ctrzoo.layers import MLP, ResidualUnit

pytestmark = pytest.mark.usefixtures("float64")


def test_a_unit_that_changes_nothing_is_the_relu():
    unit, states = ResidualUnit((4,)), np.array([[1.0, -2.0, 3.0]], "float32")
    unit.build(states.shape)
    unit.set_weights([np.zeros_like(weight) for weight in unit.get_weights()])
    np.testing.assert_array_equal(unit(states), [[1.0, 0.0, 3.0]])


INPUTS = np.random.default_rng(0).normal(size=(6, 3))


def randomized(layer):
    layer.build(INPUTS.shape)
    random = np.random.default_rng(1)
    layer.set_weights(
        [random.uniform(0.2, 1.0, weight.shape) - 0.5 * (weight.ndim == 2) for weight in layer.get_weights()]
    )
    return {"/".join(weight.path.split("/")[-2:]): np.asarray(weight) for weight in layer.weights}


def test_hidden_layers_are_normalized_before_the_activation_and_the_output_is_linear():
    mlp = MLP((5, 4), output_dim=2, activation="tanh", batch_norm=True)
    weights, states = randomized(mlp), INPUTS
    for index in range(2):
        states = states @ weights[f"hidden_{index}/kernel"] + weights[f"hidden_{index}/bias"]
        gamma, beta, mean, variance = (
            weights[f"batch_norm_{index}/{name}"] for name in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        states = np.tanh((states - mean) / np.sqrt(variance + 1e-3) * gamma + beta)
    expected = states @ weights["output/kernel"] + weights["output/bias"]
    np.testing.assert_allclose(mlp(INPUTS), expected, rtol=1e-9)


def test_a_residual_unit_adds_its_input_before_the_last_relu():
    unit = ResidualUnit((5,))
    weights = randomized(unit)
    hidden = np.maximum(INPUTS @ weights["hidden_0/kernel"] + weights["hidden_0/bias"], 0)
    expected = np.maximum(INPUTS + hidden @ weights["output/kernel"] + weights["output/bias"], 0)
    np.testing.assert_allclose(unit(INPUTS), expected, rtol=1e-9)


def test_dropout_acts_in_training_only_and_on_hidden_outputs_only():
    keras.utils.set_random_seed(0)
    mlp = MLP((50,), activation=keras.activations.exponential, dropout=0.5)
    hidden, dropped = np.asarray(mlp(INPUTS)), np.asarray(mlp(INPUTS, training=True))
    assert (hidden > 0).all() and 0.4 < np.mean(dropped == 0) < 0.6
    np.testing.assert_allclose(dropped, np.where(dropped == 0, 0, 2 * hidden), rtol=1e-9)


def test_an_activation_that_is_a_function_is_stored_as_its_name():
    assert (
        json.loads(json.dumps(MLP((3,), activation=keras.activations.softplus).get_config()))["activation"]
        == "softplus"
    )


def test_only_hidden_kernels_are_penalized():
    mlp = MLP((5,), output_dim=1, l2=0.5)
    weights = randomized(mlp)
    np.testing.assert_allclose(sum(mlp.losses), 0.25 * np.sum(weights["hidden_0/kernel"] ** 2), rtol=1e-9)
