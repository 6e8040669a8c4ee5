"""The layers of MaskNet: a normalization of each field's embedding, and blocks whose input is multiplied by a mask."""

from typing import Any

import keras
from keras import ops

from ctrzoo.layers.base import BiasedLayer, ExplainingLayer
from ctrzoo.layers.numerics import standardize
from ctrzoo.types import Activation, Config, Shape, Tensor

EPSILON = 1e-5


@keras.saving.register_keras_serializable("ctrzoo")
class FieldNormalization(keras.layers.Layer):
    """Layer normalization of each field's embedding, with a scale and a shift of each field: `(e - mean) / std`.

    Embeddings far smaller than `sqrt(1e-5)`, which is added to the variance, are multiplied by 316 at most.
    Source: Wang, She, Zhang, 2021, https://arxiv.org/abs/2102.07619.

    Input shape: `(batch, fields, dim)`.
    Output shape: `(batch, fields, dim)`.

    >>> np.round(FieldNormalization()(np.array([[[1.0, 3.0], [5.0, 5.0]]])).numpy(), 3).tolist()
    [[[-1.0, 1.0], [0.0, 0.0]]]
    """

    def build(self, input_shape: Shape) -> None:
        self.gamma = self.add_weight(name="gamma", shape=input_shape[1:], initializer="ones")
        self.beta = self.add_weight(name="beta", shape=input_shape[1:], initializer="zeros")

    def call(self, embedded: Tensor) -> Tensor:
        return standardize(embedded, EPSILON) * self.gamma + self.beta

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape


@keras.saving.register_keras_serializable("ctrzoo")
class MaskBlock(ExplainingLayer, BiasedLayer):
    """A block of MaskNet: a dense layer on an input that is multiplied by a mask, which the embeddings decide.

    The mask is `m = relu(v A_1 + a_1) A_2 + a_2`. It may be negative. The output is `activation(LN((m * h) U))`, and
    `U` has no bias.
    Source: Wang, She, Zhang, 2021, MaskBlock, https://arxiv.org/abs/2102.07619.

    Args:
        units: Size of the output.
        reduction_ratio: Size of the mask's hidden layer relative to the size of `h`, rounded down, at least 1 unit.
        activation: Activation of the output.
        layer_norm: Whether to normalize before the activation (epsilon 1e-5).
        dropout: Share of outputs dropped in training.
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on each of the three kernels.
        kernel_initializer: Initial values of the kernels; `None` draws them from Glorot's uniform distribution.
        bias_initializer: Initial values of the mask's biases.
        kernel_regularizer: Another regularizer of the kernels, in place of `l2`.
        return_explanations: Whether to return the mask too.

    Input shape: `h`, `(batch, width)`, and `v`, `(batch, dim)`.
    Output shape: `(batch, units)`; with `return_explanations` also the mask, `(batch, width)`.

    Raises:
        ValueError: If `units` is less than 1, or the ratio is not positive.

    >>> MaskBlock(5)(np.ones((2, 3)), np.ones((2, 4))).shape
    TensorShape([2, 5])
    """

    def __init__(
        self,
        units: int,
        reduction_ratio: float = 1.0,
        activation: Activation = "relu",
        layer_norm: bool = True,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"`units` must be at least 1. Received: {units}.")
        if reduction_ratio <= 0:
            raise ValueError(f"`reduction_ratio` must be above 0. Received: {reduction_ratio}.")
        self.units, self.reduction_ratio, self.layer_norm, self.dropout = units, reduction_ratio, layer_norm, dropout
        self.activation = keras.activations.get(activation)
        self.drop_outputs = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, hidden_shape: Shape, embedded_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        width, dim = hidden_shape[-1], embedded_shape[-1]
        mask_units = max(1, int(width * self.reduction_ratio))
        self.mask_hidden_kernel = self.add_kernel("mask_hidden_kernel", (dim, mask_units))
        self.mask_hidden_bias = self.add_bias("mask_hidden_bias", (mask_units,))
        self.mask_kernel = self.add_kernel("mask_kernel", (mask_units, width))
        self.mask_bias = self.add_bias("mask_bias", (width,))
        self.kernel = self.add_kernel("kernel", (width, self.units))
        if self.layer_norm:
            self.gamma = self.add_weight(name="gamma", shape=(self.units,), initializer="ones")
            self.beta = self.add_weight(name="beta", shape=(self.units,), initializer="zeros")

    def call(self, hidden: Tensor, embedded: Tensor, training: bool | None = None) -> Tensor:
        inner = ops.relu(ops.matmul(embedded, self.mask_hidden_kernel) + self.mask_hidden_bias)
        mask = ops.matmul(inner, self.mask_kernel) + self.mask_bias
        outputs = ops.matmul(mask * hidden, self.kernel)
        if self.layer_norm:
            outputs = standardize(outputs, EPSILON) * self.gamma + self.beta
        return self.chosen(self.drop_outputs(self.activation(outputs), training=training), mask)

    def compute_output_shape(self, hidden_shape: Shape, embedded_shape: Shape) -> Shape:
        return self.chosen((hidden_shape[0], self.units), hidden_shape)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "reduction_ratio": self.reduction_ratio,
            "activation": keras.activations.serialize(self.activation),
            "layer_norm": self.layer_norm,
            "dropout": self.dropout,
        }
