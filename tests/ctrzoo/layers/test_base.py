"""What layers share: initial values, penalties, explanations on request."""

import numpy as np
import pytest

from ctrzoo.layers.base import BiasedLayer, ExplainingLayer


class Toy(ExplainingLayer, BiasedLayer):
    def build(self, input_shape):
        self.kernel = self.add_kernel("kernel", (input_shape[-1], 2))
        self.own = self.add_kernel("own_kernel", (2, 2), default="ones")
        self.bias = self.add_bias("bias", (2,))

    def call(self, inputs):
        return self.chosen(inputs @ self.kernel @ self.own + self.bias, inputs)


def test_defaults_of_the_layer_hold_until_an_initializer_is_given():
    toy, given = Toy(), Toy(kernel_initializer="zeros", bias_initializer="ones")
    assert toy(np.ones((1, 3))).shape == (1, 2) and (np.asarray(toy.own) == 1).all() and not np.asarray(toy.bias).any()
    np.testing.assert_array_equal(given(np.ones((1, 3))), [[1, 1]])


def test_explanations_follow_the_output():
    output, inputs = Toy(kernel_initializer="ones", return_explanations=True)(np.full((1, 3), 2.0))
    np.testing.assert_array_equal(output, [[12, 12]])
    np.testing.assert_array_equal(inputs, [[2, 2, 2]])


def test_each_kernel_has_the_penalty():
    toy = Toy(l2=1.0, kernel_initializer="ones")
    toy(np.ones((1, 3)))
    np.testing.assert_allclose(sum(toy.losses), (6 + 4) / 2)


def test_options_are_given_by_name():
    with pytest.raises(TypeError):
        Toy(0.1)
