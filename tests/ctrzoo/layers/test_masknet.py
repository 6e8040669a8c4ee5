"""The layers of MaskNet: worked by hand."""

import keras
import numpy as np
import pytest

from ctrzoo.layers import FieldNormalization, MaskBlock
from tests.models.pairwise import TOY

pytestmark = pytest.mark.usefixtures("float64")
HIDDEN, EMBEDDED = np.array([[1.0, 2.0, -1.0]]), np.array([[1.0, -1.0]])


def toy_block(**options):
    layer = MaskBlock(2, return_explanations=True, **options)
    layer.build(HIDDEN.shape, EMBEDDED.shape)
    # The mask's hidden layer is relu(1 - 1 + 0.5, 2 - 0, ...) = (0.5, 2, 0); the mask (1, 2.5, -2).
    layer.mask_hidden_kernel.assign([[1, 2, -1], [1, 0, 1]])
    layer.mask_hidden_bias.assign([0.5, 0, 0])
    layer.mask_kernel.assign([[2, 1, 0], [0, 1, -1], [9, 9, 9]])
    layer.mask_bias.assign([0, 0, 0])
    layer.kernel.assign([[1, 0], [0, 1], [2, 1]])
    return layer


def test_a_block_by_hand():
    output, mask = toy_block(layer_norm=False)(HIDDEN, EMBEDDED)
    np.testing.assert_allclose(mask, [[1, 2.5, -2]])
    np.testing.assert_allclose(output, [[5, 7]])  # (1, 5, 2) U


def test_a_block_with_layer_normalization_by_hand():
    layer = toy_block(activation="linear")
    layer.gamma.assign([2, 3])
    layer.beta.assign([0.5, 0])
    # The mean of 5 and 7 is 6, their variance 1.
    np.testing.assert_allclose(layer(HIDDEN, EMBEDDED)[0], [[0.5 - 2 / np.sqrt(1 + 1e-5), 3 / np.sqrt(1 + 1e-5)]])


@pytest.mark.parametrize(("ratio", "units"), [(1.0, 7), (0.5, 3), (0.1, 1), (1.5, 10)])
def test_the_ratio_is_of_the_masked_width(ratio, units):
    layer = MaskBlock(4, ratio)
    layer.build((None, 7), (None, 20))
    assert layer.mask_hidden_kernel.shape == (20, units) and layer.mask_kernel.shape == (units, 7)


def test_dropout_comes_last():
    keras.utils.set_random_seed(0)
    output, _ = toy_block(layer_norm=False, dropout=0.5)(
        np.repeat(HIDDEN, 300, axis=0), np.repeat(EMBEDDED, 300, axis=0), training=True
    )
    dropped = np.asarray(output) == 0
    np.testing.assert_allclose(output, np.where(dropped, 0, [[10, 14]]))
    assert 0.4 < dropped.mean() < 0.6


def test_each_field_is_normalized_by_itself():
    layer = FieldNormalization()
    layer.build(TOY.shape)
    layer.gamma.assign([[1, 1], [2, 1], [1, 1]])
    layer.beta.assign([[0, 0], [0, 0], [0, 5]])
    # Means 1.5, 1, 1; deviations 0.5, 2, 1.
    half, two, one = 0.5 / np.sqrt(0.25 + 1e-5), 2 / np.sqrt(4 + 1e-5), 1 / np.sqrt(1 + 1e-5)
    np.testing.assert_allclose(layer(TOY), [[[-half, half], [2 * two, -two], [-one, one + 5]]])


@pytest.mark.parametrize(("options", "name"), [({"units": 0}, "units"), ({"units": 2, "reduction_ratio": 0}, "ratio")])
def test_wrong_sizes_are_refused(options, name):
    with pytest.raises(ValueError, match=name):
        MaskBlock(**options)
