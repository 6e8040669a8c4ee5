"""The attentional pair term: the worked example, dropout, one field."""

import keras
import numpy as np
import pytest

from ctrzoo.layers import AttentionalInteraction
from tests.models.pairwise import TOY

pytestmark = pytest.mark.usefixtures("float64")


def toy_layer(**options):
    layer = AttentionalInteraction(2, return_explanations=True, **options)
    layer.build(TOY.shape)
    for weight, value in zip(layer.weights, (np.eye(2), np.zeros(2), [[1.0], [0.0]], [1.0, 0.0]), strict=True):
        weight.assign(value)
    return layer


def upper(matrices):
    return np.asarray(matrices)[:, [0, 0, 1], [1, 2, 2]]


def test_worked_example():
    layer = toy_layer()
    logit, _, attention = layer(TOY)
    np.testing.assert_allclose(upper(attention), [[0.90944, 0.04528, 0.04528]], atol=5e-6)
    np.testing.assert_allclose(logit, [[2.72833]], atol=5e-6)
    layer.output_kernel.assign([0.0, 1.0])
    np.testing.assert_allclose(layer(TOY)[0], [[-1.72833]], atol=5e-6)


def test_attention_dropout_drops_and_rescales_whole_pairs():
    keras.utils.set_random_seed(0)
    attention = toy_layer(attention_dropout=0.5)(np.repeat(TOY, 200, axis=0), training=True)[2]
    np.testing.assert_array_equal(attention, np.swapaxes(attention, 1, 2))
    dropped = upper(attention) == 0
    undropped = np.repeat(2 * upper(toy_layer()(TOY)[2]), 200, axis=0)
    np.testing.assert_allclose(upper(attention), np.where(dropped, 0, undropped), rtol=1e-10)
    assert 0.4 < dropped.mean() < 0.6


def test_pooling_dropout_drops_and_rescales_entries_of_the_pooled_vector():
    keras.utils.set_random_seed(0)
    logits = np.asarray(toy_layer(pooling_dropout=0.5)(np.repeat(TOY, 200, axis=0), training=True)[0])
    np.testing.assert_allclose(logits[logits != 0], 2 * 2.72833, atol=1e-5)
    assert 0.35 < np.mean(logits == 0) < 0.65


def test_one_field_has_no_pairs():
    logit, pairs, attention = (
        np.asarray(output) for output in AttentionalInteraction(4, return_explanations=True)(np.ones((2, 1, 3)))
    )
    assert logit.shape == (2, 1) and pairs.shape == attention.shape == (2, 1, 1)
    assert not logit.any() and not pairs.any() and not attention.any()


def test_units_below_one_are_refused():
    with pytest.raises(ValueError, match="units"):
        AttentionalInteraction(0)
