"""Activations with weights against numbers worked by hand."""

import numpy as np
import pytest

from ctrzoo.layers import MLP, Dice
from ctrzoo.layers.activations import activation_layer

ROWS = np.array([[1.0, 4.0], [3.0, 0.0], [5.0, -1.0]], "float32")


def test_dice_in_training_takes_the_batch_and_keeps_its_unbiased_variance():
    layer = Dice(momentum=0.75)
    layer.build((None, 2))
    layer.alpha.assign([0.5, -1.0])
    found = layer(ROWS, training=True)
    mean, variance = ROWS.mean(axis=0), ROWS.var(axis=0)
    share = 1 / (1 + np.exp(-(ROWS - mean) / np.sqrt(variance + 1e-9)))
    np.testing.assert_allclose(found, share * ROWS + np.array([0.5, -1.0]) * (1 - share) * ROWS, rtol=1e-5)
    np.testing.assert_allclose(layer.moments.moving_mean, 0.25 * np.array([3, 1]), rtol=1e-6)
    # Sums of squares around the means are 8 and 14, of three rows; the statistics start at 1.
    np.testing.assert_allclose(layer.moments.moving_variance, 0.75 + 0.25 * np.array([4, 7]), rtol=1e-6)


def test_dice_outside_of_training_takes_the_running_statistics():
    layer = Dice()
    layer.build((None, 2))
    layer.moments.moving_mean.assign([1.0, 0.0])
    layer.moments.moving_variance.assign([4.0, 1.0])
    share = 1 / (1 + np.exp(-(ROWS - np.array([1, 0])) / np.array([2, 1])))
    np.testing.assert_allclose(layer(ROWS), share * ROWS, rtol=1e-5)
    assert layer.moments.moving_mean.numpy().tolist() == [1.0, 0.0]


def test_a_single_row_does_not_break_the_running_variance():
    layer = Dice(momentum=0.5)
    layer(ROWS[:1], training=True)
    assert layer.moments.moving_variance.numpy().tolist() == [0.5, 0.5]


def test_prelu_has_one_slope_per_unit():
    layer = activation_layer("prelu")
    layer.build((None, 2))
    assert layer.alpha.numpy().tolist() == np.array([0.1, 0.1], "float32").tolist()
    layer.alpha.assign([0.5, 0.25])
    assert layer(ROWS).numpy().tolist() == [[1, 4], [3, 0], [5, -0.25]]


@pytest.mark.parametrize("activation", ["dice", "prelu"])
def test_an_mlp_takes_them_by_name(activation):
    layer = MLP((3, 2), 1, activation=activation)
    layer.build((None, 2))
    assert [weight.path for weight in layer.trainable_weights if "alpha" in weight.path] == [
        f"{layer.name}/activation_{index}/alpha" for index in (0, 1)
    ]
    assert MLP.from_config(layer.get_config()).activation == activation
