"""The layers of FiBiNET: squeeze and excitation, which weighs fields, and bilinear products of pairs.

Letters: b batch, n fields, p pairs i < j, d input size, r reduced size.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from ctrzoo.layers.base import ExplainingLayer, KernelLayer
from ctrzoo.layers.numerics import glorot_uniform
from ctrzoo.layers.product import bilinear_products
from ctrzoo.types import Activation, Config, Shape, Tensor

SHARING = ("all", "each", "interaction")


@keras.saving.register_keras_serializable("ctrzoo")
class SqueezeExcitation(ExplainingLayer, KernelLayer):
    """Multiply each field's embedding by an importance that a small network computes from the means of all fields.

    With the means `z` of the embeddings, the importances are `a = activation(relu(z W_1) W_2)`, without biases. With
    ReLU, a field's importance can be exactly 0.
    Source: Huang, Zhang, Zhang, RecSys 2019, SENET layer, https://arxiv.org/abs/1905.09433.

    Args:
        reduction_ratio: The hidden size is the number of fields divided by this number, rounded down, at least 1. A
            ratio below 1 makes it larger than the number of fields.
        activation: Activation of the importances.
        l2: Strength of the penalty `l2 / 2 * ||W||^2` on each kernel.
        kernel_initializer: Initial values of the kernels; `None` draws them from Glorot's uniform distribution.
        kernel_regularizer: Another regularizer of the kernels, in place of `l2`.
        return_explanations: Whether to return the importances too.

    Input shape: `(batch, fields, dim)`.
    Output shape: `(batch, fields, dim)`; with `return_explanations` also the importances, `(batch, fields)`.

    Raises:
        ValueError: If the ratio is not positive.

    >>> SqueezeExcitation(kernel_initializer="ones")(np.array([[[1.0, 3.0], [2.0, 0.0]]])).numpy().tolist()
    [[[3.0, 9.0], [6.0, 0.0]]]
    """

    def __init__(self, reduction_ratio: float = 3.0, activation: Activation = "relu", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if reduction_ratio <= 0:
            raise ValueError(f"`reduction_ratio` must be above 0. Received: {reduction_ratio}.")
        self.reduction_ratio = reduction_ratio
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: Shape) -> None:
        num_fields = input_shape[1]
        hidden = max(1, int(num_fields / self.reduction_ratio))
        self.squeeze_kernel = self.add_kernel("squeeze_kernel", (num_fields, hidden))
        self.excite_kernel = self.add_kernel("excite_kernel", (hidden, num_fields))

    def call(self, embedded: Tensor) -> Tensor:
        hidden = ops.relu(ops.matmul(ops.mean(embedded, axis=-1), self.squeeze_kernel))
        importances = self.activation(ops.matmul(hidden, self.excite_kernel))
        return self.chosen(embedded * ops.expand_dims(importances, axis=-1), importances)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.chosen(input_shape, input_shape[:2])

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "reduction_ratio": self.reduction_ratio,
            "activation": keras.activations.serialize(self.activation),
        }


@keras.saving.register_keras_serializable("ctrzoo")
class BilinearInteraction(KernelLayer):
    """The vector `(e_i W) * e_j` of every pair i < j: half a matrix product, half a Hadamard product.

    Source: Huang, Zhang, Zhang, RecSys 2019, bilinear-interaction layer, https://arxiv.org/abs/1905.09433.

    Args:
        kernels: Which pairs share a matrix `W`: `"all"` have one, `"each"` has one for each left field i,
            `"interaction"` has one for each pair.
        l2: Strength of the penalty `l2 / 2 * ||W||^2` on each matrix.
        kernel_initializer: Initial values of the matrices; `None` draws them from Glorot's uniform distribution. Where
            there are several, the fans are those of FuxiCTR, `dim^2` and their number times `dim`.
        kernel_regularizer: Another regularizer of the matrices, in place of `l2`.

    Input shape: `(batch, fields, dim)`.
    Output shape: `(batch, pairs, dim)`; the pairs are those of `numpy.triu_indices(fields, 1)`.

    Raises:
        ValueError: If `kernels` is unknown, or there are fewer than two fields.

    >>> BilinearInteraction("all", kernel_initializer="identity")(np.array([[[1.0, 2.0], [3.0, -1.0]]])).numpy()
    array([[[ 3., -2.]]], dtype=float32)
    """

    def __init__(self, kernels: str = "interaction", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if kernels not in SHARING:
            raise ValueError(f"`kernels` must be one of {', '.join(SHARING)}. Received: {kernels!r}.")
        self.kernels = kernels

    def build(self, input_shape: Shape) -> None:
        _, num_fields, dim = input_shape
        if num_fields < 2:
            raise ValueError(f"A bilinear interaction needs at least two fields. Received: {num_fields} field.")
        if self.kernels == "all":
            self.kernel = self.add_kernel("kernel", (dim, dim))
            return
        # The last field is never the left one of a pair.
        count = num_fields - 1 if self.kernels == "each" else num_fields * (num_fields - 1) // 2
        self.kernel = self.add_kernel("kernel", (count, dim, dim), default=glorot_uniform(dim**2, count * dim))

    def call(self, embedded: Tensor) -> Tensor:
        if self.kernels == "interaction":
            return bilinear_products(embedded, self.kernel)
        first, second = np.triu_indices(embedded.shape[1], 1)
        states = ops.transpose(embedded, (1, 0, 2))
        projected = ops.take(ops.matmul(states[:-1], self.kernel), first, axis=0)
        return ops.transpose(projected * ops.take(states, second, axis=0), (1, 0, 2))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, fields, dim = input_shape
        return (batch, fields * (fields - 1) // 2, dim)

    def get_config(self) -> Config:
        return {**super().get_config(), "kernels": self.kernels}
