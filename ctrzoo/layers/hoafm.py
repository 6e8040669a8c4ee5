"""The cross layers of HoAFM.

Letters: b batch, n = i = j fields, d input size, u output size of a head, h heads, k layers or orders.
"""

from typing import Any

import keras
from keras import ops

from ctrzoo.layers.base import ExplainingLayer, KernelLayer
from ctrzoo.layers.numerics import glorot_uniform
from ctrzoo.types import Config, Shape, Tensor


@keras.saving.register_keras_serializable("ctrzoo")
class HighOrderCross(ExplainingLayer, KernelLayer):
    """The cross layers of HoAFM: each field times a sum of the other fields, whose weights differ in every bit.

    Layer k computes `t_i = e_i * sum over j != i of w_ij * x_j`, where every bit of `w_i` is L2-normalized over
    the other fields j; the order's logit is `q . sum over i of t_i`; the next states are `leaky_relu(t_i)`.
    The weights are parameters: they do not depend on the row.
    Source: Tao et al., 2020, https://www.sciencedirect.com/science/article/pii/S0306457319302389.

    Args:
        num_layers: Number of layers; layer k adds interactions of order k + 1.
        sum_orders: Whether every order reaches the logit, or only the last one (as in GraphCTR).
        negative_slope: Slope of the leaky ReLU below zero.
        dropout: Share of the states and of each order's sum dropped in training.
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on each kernel.
        kernel_initializer: Initial values of the kernels; `None` draws them from Glorot's uniform distribution.
        kernel_regularizer: Another regularizer of the kernels, in place of `l2`.
        return_explanations: Whether to return the contribution of each pair and the weights too.

    Input shape: `(batch, fields, dim)`, at least two fields.
    Output shape: the logit `(batch, 1)`. With `return_explanations` also two more. The contribution of each pair,
    `(batch, fields, fields)`, is symmetric, and its upper triangle sums to the logit. The weights, squared and averaged
    over bits, are `(batch, layers, fields, fields)`, and their rows sum to 1. The pairs need a tensor
    `(batch, fields, fields, dim)`, because their weights differ in every bit.

    >>> logit, pairs, weights = HighOrderCross(return_explanations=True)(np.ones((2, 4, 5)))
    >>> logit.shape, pairs.shape, weights.shape
    (TensorShape([2, 1]), TensorShape([2, 4, 4]), TensorShape([2, 3, 4, 4]))
    """

    def __init__(
        self,
        num_layers: int = 3,
        sum_orders: bool = True,
        negative_slope: float = 0.2,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if num_layers < 1:
            raise ValueError(f"`num_layers` must be at least 1. Received: {num_layers}.")
        self.num_layers, self.sum_orders = num_layers, sum_orders
        self.negative_slope, self.dropout = negative_slope, dropout
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        _, self.num_fields, dim = input_shape
        if self.num_fields < 2:
            raise ValueError(f"Products of fields need at least 2 fields. Received: {self.num_fields}.")
        # Each field has the other fields in model order, without itself.
        self.kernel = self.add_kernel("kernel", (self.num_layers, self.num_fields, self.num_fields - 1, dim))
        num_outputs = self.num_layers if self.sum_orders else 1
        self.output_kernel = self.add_kernel("output_kernel", (num_outputs, dim), default=glorot_uniform(dim, 1))

    def call(self, embedded: Tensor, training: bool | None = None) -> Tensor:
        weights = self._weights()
        states, logit, pairs = embedded, 0.0, 0.0
        for layer in range(self.num_layers):
            crossed = embedded * ops.einsum("ijd,bjd->bid", weights[layer], states)
            if self.sum_orders or layer == self.num_layers - 1:
                output_kernel = self.output_kernel[layer if self.sum_orders else 0]
                summed = self.drop(ops.sum(crossed, axis=1), training=training)
                logit = logit + ops.matmul(summed, ops.expand_dims(output_kernel, -1))
                pairs = pairs + ops.einsum("bid,ijd,bjd->bij", embedded * output_kernel, weights[layer], states)
            states = self.drop(ops.leaky_relu(crossed, negative_slope=self.negative_slope), training=training)
        pairs = pairs + ops.transpose(pairs, (0, 2, 1))
        shares = ops.expand_dims(ops.mean(ops.square(weights), axis=-1), 0)
        each_row = ops.ones_like(embedded[:, :1, :1])
        return self.chosen(logit, pairs, shares * ops.expand_dims(each_row, 1))

    def _weights(self):
        """Normalize over the other fields, then put zeros on the diagonal, `(k, i, j, d)`."""
        kernel = ops.cast(self.kernel, keras.backend.result_type(self.compute_dtype, "float32"))
        squares = ops.sum(ops.square(kernel), axis=2, keepdims=True)
        kernel = ops.cast(kernel * ops.rsqrt(ops.maximum(squares, 1e-12)), self.compute_dtype)
        layers, fields, others, dim = self.kernel.shape
        # Row by row, a square matrix without its first entry is `fields` entries and a diagonal one, in turn.
        spread = ops.pad(ops.reshape(kernel, (layers, others, fields, dim)), [[0, 0], [0, 0], [0, 1], [0, 0]])
        spread = ops.pad(ops.reshape(spread, (layers, fields**2 - 1, dim)), [[0, 0], [1, 0], [0, 0]])
        return ops.reshape(spread, (layers, fields, fields, dim))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, fields, _ = input_shape
        return self.chosen((batch, 1), (batch, fields, fields), (batch, self.num_layers, fields, fields))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "num_layers": self.num_layers,
            "sum_orders": self.sum_orders,
            "negative_slope": self.negative_slope,
            "dropout": self.dropout,
        }
