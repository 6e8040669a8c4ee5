"""The cross layer of GDCN, whose product passes through a gate.

Letters: D input size.
"""

from typing import Any

import keras
from keras import ops

from ctrzoo.layers.base import BiasedLayer, ExplainingLayer
from ctrzoo.types import Initializer, Shape, Tensor


@keras.saving.register_keras_serializable("ctrzoo")
class GatedCross(ExplainingLayer, BiasedLayer):
    """One cross layer of GDCN: `x0 * (W x + b) * sigmoid(V x) + x`.

    The gate decides how much of each product is added. It has no bias, and the bias `b` is outside of it.
    Source: Wang et al., CIKM 2023, equation 1, https://arxiv.org/abs/2311.04635.

    Args:
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on `W` and on `V`.
        kernel_initializer: Initial values of `W` and `V`; `None` draws them from Glorot's uniform distribution.
        bias_initializer: Initial values of the bias; `None` draws them from U(0, 1), as the released code does.
        kernel_regularizer: Another regularizer in place of `l2`.
        return_explanations: Whether to return the gate too.

    Input shape: `x0` and `x`, each `(batch, D)`.
    Output shape: `(batch, D)`; with `return_explanations` also the gate, `(batch, D)`, in [0, 1].

    Raises:
        ValueError: If the last dimensions of `x0` and `x` differ.

    >>> GatedCross()(np.ones((2, 3)), np.ones((2, 3))).shape
    TensorShape([2, 3])
    """

    def __init__(self, *, bias_initializer: Initializer = None, **kwargs: Any) -> None:
        super().__init__(bias_initializer=bias_initializer or keras.initializers.RandomUniform(0, 1), **kwargs)

    def build(self, x0_shape: Shape, x_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        dim = x_shape[-1]
        if x0_shape[-1] != dim:
            raise ValueError(f"`x0` and `x` must have the same last dimension. Received: {x0_shape}, {x_shape}.")
        self.kernel = self.add_kernel("kernel", (dim, dim))
        self.gate_kernel = self.add_kernel("gate_kernel", (dim, dim))
        self.bias = self.add_bias("bias", (dim,))

    def call(self, x0: Tensor, x: Tensor) -> Tensor:
        gate = ops.sigmoid(ops.matmul(x, self.gate_kernel))
        return self.chosen(x0 * (ops.matmul(x, self.kernel) + self.bias) * gate + x, gate)

    def compute_output_shape(self, x0_shape: Shape, x_shape: Shape) -> Shape:
        return self.chosen(x_shape, x_shape)
