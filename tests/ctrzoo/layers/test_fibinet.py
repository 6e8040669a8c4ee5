"""Squeeze and excitation, and bilinear products: worked by hand."""

import numpy as np
import pytest

from ctrzoo.layers import BilinearInteraction, SqueezeExcitation
from tests.models.pairwise import TOY

pytestmark = pytest.mark.usefixtures("float64")


def test_squeeze_and_excitation_by_hand():
    layer = SqueezeExcitation(return_explanations=True)
    layer.build(TOY.shape)
    layer.squeeze_kernel.assign([[2.0], [1.0], [-3.0]])  # means 1.5, 1 and 1: hidden 3 + 1 - 3 = 1
    layer.excite_kernel.assign([[0.5, -2.0, 3.0]])
    weighted, importances = layer(TOY)
    np.testing.assert_allclose(importances, [[0.5, 0, 3]])
    np.testing.assert_allclose(weighted, [[[0.5, 1], [0, 0], [0, 6]]])


@pytest.mark.parametrize(("ratio", "hidden"), [(3.0, 3), (4.0, 2), (100.0, 1), (0.3, 33)])
def test_the_hidden_size_is_rounded_down(ratio, hidden):
    layer = SqueezeExcitation(ratio)
    layer.build((None, 10, 4))
    assert layer.squeeze_kernel.shape == (10, hidden) and layer.excite_kernel.shape == (hidden, 10)


SWAP, UP, TWICE = [[0, 1], [1, 0]], [[0, 1], [0, 0]], [[2, 0], [0, 2]]


@pytest.mark.parametrize(
    ("kernels", "kernel", "expected"),
    [
        # Fields (1, 2), (3, -1), (0, 2); UP moves the first entry to the second place.
        ("all", UP, [[0, -1], [0, 2], [0, 6]]),
        ("each", [UP, SWAP], [[0, -1], [0, 2], [0, 6]]),
        ("interaction", [SWAP, UP, TWICE], [[6, -1], [0, 2], [0, -4]]),
    ],
)
def test_bilinear_products_by_hand(kernels, kernel, expected):
    layer = BilinearInteraction(kernels)
    layer.build(TOY.shape)
    layer.kernel.assign(kernel)
    np.testing.assert_allclose(layer(TOY), [expected])


@pytest.mark.parametrize(("kernels", "fans"), [("all", 6 + 6), ("each", 36 + 9 * 6), ("interaction", 36 + 45 * 6)])
def test_initial_matrices_have_the_spread_of_the_source(kernels, fans):
    layer = BilinearInteraction(kernels)
    layer.build((None, 10, 6))
    limit = (6 / fans) ** 0.5
    assert 0.8 * limit < np.abs(layer.kernel).max() <= limit


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="`kernels` must be one of all, each, interaction. Received: 'pair'"):
        BilinearInteraction("pair")
    with pytest.raises(ValueError, match="at least two fields. Received: 1 field"):
        BilinearInteraction()(np.ones((2, 1, 3)))
    with pytest.raises(ValueError, match="`reduction_ratio` must be above 0. Received: 0.0"):
        SqueezeExcitation(0.0)
