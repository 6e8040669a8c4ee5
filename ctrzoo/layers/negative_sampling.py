"""Probabilities of all rows from a model that was trained on a part of the negative rows."""

import math
from typing import Any

import keras

from ctrzoo.types import Config, Shape, Tensor


@keras.saving.register_keras_serializable("ctrzoo")
class NegativeSamplingCorrection(keras.layers.Layer):
    """Add `ln(rate)` to a logit, except in training.

    If training sees only the share `rate` of the negative rows, the odds that a model learns are `1 / rate` times
    those of all rows. The probability of all rows is `p / (p + (1 - p) / rate)`, which is the same as adding
    `ln(rate)` to the logit.
    Source: He et al., ADKDD 2014, section 6.3, https://doi.org/10.1145/2648584.2648589.

    Input and output shape: `(batch, 1)`.

    Args:
        rate: The share of the negative rows that training sees, above 0 and at most 1.
        **kwargs: `name`, `dtype` and so on, as in Keras.

    Raises:
        ValueError: If the rate is not in its range.

    >>> import numpy as np
    >>> logit = NegativeSamplingCorrection(0.1)(np.array([[0.0]]))
    >>> bool(np.isclose(1 / (1 + np.exp(-logit[0, 0])), 0.5 / (0.5 + 0.5 / 0.1)))
    True
    """

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate <= 1:
            raise ValueError(f"The share of negative rows must be a number above 0 and at most 1. Received: {rate!r}.")
        self.rate = float(rate)

    def call(self, logit: Tensor, training: bool | None = None) -> Tensor:
        return logit if training else logit + math.log(self.rate)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> Config:
        return {**super().get_config(), "rate": self.rate}
