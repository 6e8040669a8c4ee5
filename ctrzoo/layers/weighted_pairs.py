"""Pair terms whose pairs have weights of their own: FwFM, FvFM and FmFM; and a linear part with a vector per field."""

from typing import Any

import keras
import numpy as np
from keras import ops

from ctrzoo.layers.base import BiasedLayer, ExplainingLayer, KernelLayer
from ctrzoo.layers.factorization import inner_products, pair_matrix
from ctrzoo.layers.numerics import glorot_uniform
from ctrzoo.layers.product import kernel_products, sum_of_kernel_products, upper_triangle
from ctrzoo.types import Config, Shape, Tensor

WEIGHTS = ("number", "vector", "matrix")


@keras.saving.register_keras_serializable("ctrzoo")
class WeightedPairs(ExplainingLayer, BiasedLayer):
    """The pair term `sum over i < j of e_i^T M_ij e_j`, where `M_ij` is a number, a diagonal or a matrix of each pair.

    A number is the field-weighted FM (FwFM), a diagonal the field-vectorized FM (FvFM), a matrix the field-matrixed
    FM (FmFM). With `M_ij` the identity all three are an FM.
    Source: Pan et al., WWW 2018, https://arxiv.org/abs/1806.03514; Sun et al., WWW 2021,
    https://arxiv.org/abs/2102.12994.

    Args:
        weights: `"number"`, `"vector"` or `"matrix"`.
        use_bias: Whether to add a bias.
        l2: Strength of the penalty `l2 / 2 * ||M||^2` on all weights of pairs.
        kernel_initializer: Initial values of the weights; `None` draws them from Glorot's uniform distribution for
            the fans of FuxiCTR, which count the pairs too: of the kernel `(pairs, dim, dim)` they are
            `dim^2` and `pairs dim`, of `(pairs, dim)` its two sizes, of `(pairs,)` 1 and `pairs`.
        bias_initializer: Initial value of the bias.
        kernel_regularizer: Another regularizer of the weights, in place of `l2`.
        return_explanations: Whether to return the contribution of each pair too.

    Input shape: `(batch, fields, dim)`.
    Output shape: `(batch, 1)`. With `return_explanations` also the contribution of each pair,
    `(batch, fields, fields)`, symmetric with a zero diagonal.

    Raises:
        ValueError: If `weights` is unknown.

    >>> layer = WeightedPairs("vector", kernel_initializer="ones", return_explanations=True)
    >>> logit, pairs = layer(np.array([[[1.0, 2.0], [3.0, -1.0], [0.0, 2.0]]]))
    >>> logit.numpy().tolist(), pairs.numpy()[0].tolist()
    ([[3.0]], [[0.0, 1.0, 4.0], [1.0, 0.0, -2.0], [4.0, -2.0, 0.0]])
    """

    def __init__(self, weights: str = "matrix", use_bias: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if weights not in WEIGHTS:
            raise ValueError(f"`weights` must be one of {', '.join(WEIGHTS)}. Received: {weights!r}.")
        self.pair_weights, self.use_bias = weights, use_bias  # Keras has `weights` of its own

    def build(self, input_shape: Shape) -> None:
        _, num_fields, dim = input_shape
        count = num_fields * (num_fields - 1) // 2
        shape, fans = {
            "number": ((count,), (1, count)),
            "vector": ((count, dim), (count, dim)),
            "matrix": ((count, dim, dim), (dim**2, count * dim)),
        }[self.pair_weights]
        self.kernel = self.add_kernel("kernel", shape, default=glorot_uniform(*fans))
        if self.use_bias:
            self.bias = self.add_bias("bias", (1,))

    def call(self, embedded: Tensor) -> Tensor:
        first, second = np.triu_indices(embedded.shape[1], 1)
        if self.pair_weights == "number":
            terms = inner_products(embedded, first, second) * self.kernel
        elif self.pair_weights == "vector":
            states = ops.transpose(embedded, (1, 0, 2))
            products = ops.take(states, first, axis=0) * ops.take(states, second, axis=0)
            terms = ops.transpose(ops.squeeze(ops.matmul(products, ops.expand_dims(self.kernel, -1)), axis=-1))
        else:
            terms = kernel_products(embedded, self.kernel)
        # The sum has a faster form than the terms, which graphs without explanations drop.
        if self.pair_weights == "number":
            logit = _weighted_sum(embedded, self.kernel)
        elif self.pair_weights == "matrix":
            logit = sum_of_kernel_products(embedded, self.kernel)
        else:
            logit = ops.sum(terms, axis=-1, keepdims=True)
        return self.chosen(logit + self.bias if self.use_bias else logit, pair_matrix(terms, embedded.shape[1]))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, fields, _ = input_shape
        return self.chosen((batch, 1), (batch, fields, fields))

    def get_config(self) -> Config:
        return {**super().get_config(), "weights": self.pair_weights, "use_bias": self.use_bias}


def _weighted_sum(embedded, weights):
    """Compute `sum over i < j of r_ij <e_i, e_j>`, `(batch, 1)`: each dimension times the triangle of all weights."""
    _, fields, dim = embedded.shape
    by_dim = ops.reshape(ops.transpose(embedded, (0, 2, 1)), (-1, fields))
    products = ops.matmul(by_dim, upper_triangle(weights, fields)) * by_dim
    return ops.sum(ops.reshape(products, (-1, dim * fields)), axis=-1, keepdims=True)


@keras.saving.register_keras_serializable("ctrzoo")
class FieldVectorLogit(ExplainingLayer, KernelLayer):
    """A linear part with one vector for each field, `sum over i of <e_i, w_i>`.

    It needs `fields * dim` weights where a linear weight for each feature needs as many as there are features.
    Source: Pan et al., WWW 2018, FiLV, https://arxiv.org/abs/1806.03514.

    Args:
        l2: Strength of the penalty `l2 / 2 * ||w||^2`.
        kernel_initializer: Initial values of `w`; `None` draws them from Glorot's uniform distribution for
            `fields * dim` inputs and one output.
        kernel_regularizer: Another regularizer of `w`, in place of `l2`.
        return_explanations: Whether to return the contribution of each field too.

    Input shape: `(batch, fields, dim)`.
    Output shape: `(batch, 1)`; with `return_explanations` also the contribution of each field, `(batch, fields)`.

    >>> FieldVectorLogit(kernel_initializer="ones")(np.array([[[1.0, 2.0], [3.0, -1.0]]])).numpy()
    array([[5.]], dtype=float32)
    """

    def build(self, input_shape: Shape) -> None:
        _, num_fields, dim = input_shape
        self.kernel = self.add_kernel("kernel", (num_fields, dim), default=glorot_uniform(num_fields * dim, 1))

    def call(self, embedded: Tensor) -> Tensor:
        terms = ops.sum(embedded * self.kernel, axis=-1)
        return self.chosen(ops.sum(terms, axis=-1, keepdims=True), terms)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, fields, _ = input_shape
        return self.chosen((batch, 1), (batch, fields))
