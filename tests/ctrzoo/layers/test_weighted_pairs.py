"""The weighted pair terms: worked by hand, and how far their weights spread at the start."""

import numpy as np
import pytest

from ctrzoo.layers import FieldVectorLogit, PairwiseInteraction, WeightedPairs
from tests.models.pairwise import TOY

pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize(
    ("weights", "kernel", "terms"),
    [
        # Pair products (3, -2), (0, 4), (0, -2); inner products 1, 4, -2.
        ("number", [2, 0.5, -1], (2, 2, 2)),
        ("vector", [[2, 1], [9, 3], [5, -1]], (4, 12, 2)),
        # (1, 2) M (3, -1)^T and so on; a transposed matrix would give 9, 0, 0.
        ("matrix", [[[0, 1], [0, 0]], [[0, 0], [1, 0]], [[0, 1], [0, 0]]], (-1, 0, 6)),
    ],
)
def test_worked_example(weights, kernel, terms):
    layer = WeightedPairs(weights, use_bias=True, return_explanations=True)
    layer.build(TOY.shape)
    layer.kernel.assign(kernel)
    layer.bias.assign([0.25])
    logit, pairs = layer(TOY)
    np.testing.assert_allclose(logit, [[sum(terms) + 0.25]])
    first, second, third = terms
    np.testing.assert_allclose(pairs, [[[0, first, second], [first, 0, third], [second, third, 0]]])


@pytest.mark.parametrize("weights", ["number", "vector"])
def test_weights_of_one_are_an_fm(weights):
    embedded = np.random.default_rng(0).normal(size=(5, 6, 3))
    found = WeightedPairs(weights, kernel_initializer="ones")(embedded)
    np.testing.assert_allclose(found, PairwiseInteraction()(embedded), rtol=1e-10)


@pytest.mark.parametrize(
    ("weights", "limit"),
    [("number", (6 / 191) ** 0.5), ("vector", (6 / 198) ** 0.5), ("matrix", (6 / (64 + 190 * 8)) ** 0.5)],
)
def test_initial_weights_have_the_spread_of_the_source(weights, limit):
    layer = WeightedPairs(weights)
    layer.build((None, 20, 8))
    assert 0.9 * limit < np.abs(layer.kernel).max() <= limit


def test_one_field_has_no_pairs():
    for weights in ("number", "vector", "matrix"):
        logit, pairs = WeightedPairs(weights, return_explanations=True)(np.ones((2, 1, 3)))
        np.testing.assert_array_equal(logit, np.zeros((2, 1)))
        np.testing.assert_array_equal(pairs, np.zeros((2, 1, 1)))


def test_unknown_weights_are_refused():
    with pytest.raises(ValueError, match="`weights` must be one of number, vector, matrix. Received: 'diagonal'"):
        WeightedPairs("diagonal")


def test_field_vectors():
    layer = FieldVectorLogit(return_explanations=True)
    layer.build(TOY.shape)
    layer.kernel.assign([[1, 0], [2, 1], [0, -1]])
    logit, terms = layer(TOY)
    np.testing.assert_allclose(terms, [[1, 5, -2]])
    np.testing.assert_allclose(logit, [[4]])
