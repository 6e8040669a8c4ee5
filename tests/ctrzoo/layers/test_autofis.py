"""The gated pair term of AutoFIS: gates, batch normalization, chosen pairs."""

import numpy as np
import pytest

from ctrzoo.layers import GatedPairs

pytestmark = pytest.mark.usefixtures("float64")

EMBEDDED = np.random.default_rng(0).normal(size=(6, 3, 4))


def test_a_gate_multiplies_the_product_of_its_pair():
    layer = GatedPairs(pairs=((1, 2), (0, 2)), batch_norm=False, return_explanations=True)
    layer.build(EMBEDDED.shape)
    layer.gates.assign([2.0, -3.0])
    term, pairs, gates = (np.asarray(each) for each in layer(EMBEDDED))
    for row, e in enumerate(EMBEDDED):
        expected = np.zeros((3, 3))
        expected[1, 2] = expected[2, 1] = 2.0 * (e[1] @ e[2])
        expected[0, 2] = expected[2, 0] = -3.0 * (e[0] @ e[2])
        np.testing.assert_allclose(pairs[row], expected, rtol=1e-10)
        np.testing.assert_allclose(term[row, 0], np.triu(expected).sum(), rtol=1e-10)
        np.testing.assert_array_equal(gates[row], [[0, 0, -3], [0, 0, 2], [-3, 2, 0]])


def test_products_are_normalized_over_the_batch_in_training():
    layer = GatedPairs(gates_initializer="ones", return_explanations=True)
    pairs = np.asarray(layer(EMBEDDED, training=True)[1])
    for i, j in ((0, 1), (0, 2), (1, 2)):
        products = np.array([e[i] @ e[j] for e in EMBEDDED])
        expected = (products - products.mean()) / np.sqrt(products.var() + 1e-3)
        np.testing.assert_allclose(pairs[:, i, j], expected, rtol=1e-9)


@pytest.mark.parametrize("pairs", [((0, 0),), ((0, 3),), ((0, 1), (1, 0)), ()])
def test_wrong_pairs_are_refused(pairs):
    with pytest.raises(ValueError, match="Received"):
        GatedPairs(pairs)(EMBEDDED)
