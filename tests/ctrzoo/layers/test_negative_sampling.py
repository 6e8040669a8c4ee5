"""Logits of all rows from those of a share of the negative rows."""

import keras
import numpy as np
import pytest

from ctrzoo.layers import NegativeSamplingCorrection


@pytest.mark.parametrize("rate", [0.001, 0.25, 1])
def test_the_probability_is_that_of_the_equation(rate):
    logits = np.linspace(-6, 6, 25)[:, None]
    p = 1 / (1 + np.exp(-logits))
    corrected = NegativeSamplingCorrection(rate, dtype="float64")(logits)
    np.testing.assert_allclose(keras.ops.sigmoid(corrected), p / (p + (1 - p) / rate), rtol=1e-12)


def test_training_sees_the_logit_itself():
    logits = np.array([[0.5], [-2.0]], "float32")
    np.testing.assert_array_equal(NegativeSamplingCorrection(0.1)(logits, training=True), logits)


@pytest.mark.parametrize("rate", [0, 1.5, -1, "0.1", True])
def test_other_shares_are_refused(rate):
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        NegativeSamplingCorrection(rate)
