"""The product layers: identities between them and worked examples."""

import numpy as np
import pytest

from ctrzoo.layers import FactorizedInnerProducts, FactorizedOuterProducts, InnerProducts, OuterProducts
from ctrzoo.layers.product import bilinear_products, kernel_products, sum_of_kernel_products
from tests.models.pairwise import TOY, pair_sum

pytestmark = pytest.mark.usefixtures("float64")


def test_inner_products_sum_to_the_pair_term_of_fm():
    np.testing.assert_array_equal(InnerProducts()(TOY), [[1.0, 4.0, -2.0]])
    states = np.random.default_rng(0).normal(size=(3, 5, 4))
    np.testing.assert_allclose(np.sum(InnerProducts()(states), axis=1), pair_sum(states), rtol=1e-10)


def test_outer_products_with_identities_are_inner_products():
    layer = OuterProducts()
    layer.build(TOY.shape)
    layer.kernel.assign(np.tile(np.eye(2), (3, 1, 1)))
    np.testing.assert_array_equal(layer(TOY), [[1.0, 4.0, -2.0]])


def test_factorized_products_worked_examples():
    inner, outer = FactorizedInnerProducts(1), FactorizedOuterProducts(4)
    inner.build(TOY.shape)
    outer.build(TOY.shape)
    inner.kernel.assign(np.ones((3, 1)))
    outer.kernel.assign(np.eye(4))
    np.testing.assert_array_equal(inner(TOY), [[25.0]])
    np.testing.assert_array_equal(outer(TOY), [[16.0, 12.0, 12.0, 9.0]])


@pytest.mark.parametrize("fields", [1, 2, 5])
def test_kernel_products_and_their_sum_match_loops(fields):
    random = np.random.default_rng(0)
    states, pairs = random.normal(size=(3, fields, 4)), [(i, j) for i in range(fields) for j in range(i + 1, fields)]
    kernel = random.normal(size=(len(pairs), 4, 4))
    vectors = [[(row[i] @ kernel[pair]) * row[j] for pair, (i, j) in enumerate(pairs)] for row in states]
    vectors = np.reshape(vectors, (3, len(pairs), 4))
    np.testing.assert_allclose(bilinear_products(states, kernel), vectors, rtol=1e-10)
    terms = [[row[i] @ kernel[pair] @ row[j] for pair, (i, j) in enumerate(pairs)] for row in states]
    np.testing.assert_allclose(kernel_products(states, kernel), np.reshape(terms, (3, len(pairs))), rtol=1e-10)
    np.testing.assert_allclose(sum_of_kernel_products(states, kernel)[:, 0], np.sum(terms, axis=1), rtol=1e-10)
