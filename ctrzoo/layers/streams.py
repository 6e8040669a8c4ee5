"""The parts of FinalMLP: a gate that gives each of two networks its own view of the fields, and their fusion.

Letters: b batch, h heads, i and j entries of a head.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ctrzoo.layers.base import BiasedLayer, ExplainingLayer, KernelLayer
from ctrzoo.layers.dense import MLP
from ctrzoo.layers.numerics import glorot_uniform
from ctrzoo.types import Config, Shape, Tensor


@keras.saving.register_keras_serializable("ctrzoo")
class FeatureGate(ExplainingLayer, BiasedLayer):
    """The feature selection of FinalMLP: `x * 2 sigmoid(MLP(c))`, for a context `c` of the row.

    Without a context, `c` is a trained vector, so that all rows have the same gate. It starts at N(0, 0.01^2): from
    zeros, as in the released code, no gradient would ever reach the hidden layers.
    Source: Mao et al., AAAI 2023, "Stream-Specific Feature Selection", https://arxiv.org/abs/2304.00902.

    Args:
        units: Width of each hidden layer of the MLP; `()` for none.
        context_dim: Size of the trained vector, for calls without a context.
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on the hidden kernels.
        kernel_initializer: Initial values of all kernels; `None` draws them from Glorot's uniform distribution.
        bias_initializer: Initial values of all biases.
        kernel_regularizer: Another regularizer of the hidden kernels, in place of `l2`.
        return_explanations: Whether to return the gate too.

    Input shape: `x`, `(batch, dim)`, and optionally the context, `(batch, context size)`.
    Output shape: `(batch, dim)`; with `return_explanations` also the gate, `(batch, dim)`, from 0 to 2.

    Raises:
        ValueError: If `context_dim` is below 1.

    >>> FeatureGate((8,))(np.ones((2, 6)), np.ones((2, 3))).shape
    TensorShape([2, 6])
    """

    def __init__(self, units: Sequence[int] = (64,), context_dim: int = 16, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if context_dim < 1:
            raise ValueError(f"`context_dim` must be at least 1. Received: {context_dim}.")
        self.units, self.context_dim = tuple(units), context_dim

    def build(self, x_shape: Shape, context_shape: Shape | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        self.context = None
        if context_shape is None:
            context_shape = (1, self.context_dim)
            normal = keras.initializers.RandomNormal(stddev=0.01)
            self.context = self.add_weight(name="context", shape=context_shape, initializer=normal)
        self.gate = MLP(
            self.units,
            x_shape[-1],
            kernel_initializer=self.kernel_initializer,
            bias_initializer=self.bias_initializer,
            kernel_regularizer=self.penalty,
            name="gate",
            dtype=self.dtype_policy,
        )
        self.gate.build(context_shape)

    def call(self, x: Tensor, context: Tensor = None) -> Tensor:
        gate = 2 * ops.sigmoid(self.gate(self.context if context is None else context))
        return self.chosen(x * gate, gate * ops.ones_like(x))

    def compute_output_shape(self, x_shape: Shape, context_shape: Shape | None = None) -> Shape:
        return self.chosen(x_shape, x_shape)

    def get_config(self) -> Config:
        return {**super().get_config(), "units": self.units, "context_dim": self.context_dim}


@keras.saving.register_keras_serializable("ctrzoo")
class HeadProducts(KernelLayer):
    """The bilinear term of FinalMLP's fusion: `sum over h of x_h^T W_h y_h`, where `x_h` and `y_h` are slices.

    Head h is the h-th of `num_heads` equal, consecutive slices of `x` and of `y`.
    Source: Mao et al., AAAI 2023, "Stream-Level Interaction Aggregation", https://arxiv.org/abs/2304.00902.

    Args:
        num_heads: Number of heads; it divides the sizes of both inputs.
        l2: Strength of the penalty `l2 / 2 * ||W||^2`.
        kernel_initializer: Initial values of `W`; `None` draws them from Glorot's uniform distribution of a map from
            all its entries to one number.
        kernel_regularizer: Another regularizer in place of `l2`.

    Input shape: `x` and `y`, `(batch, size)` each; the sizes may differ.
    Output shape: `(batch, 1)`.

    Raises:
        ValueError: If a size cannot be divided by `num_heads`.

    >>> HeadProducts(2)(np.ones((2, 6)), np.ones((2, 4))).shape
    TensorShape([2, 1])
    """

    def __init__(self, num_heads: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if num_heads < 1:
            raise ValueError(f"`num_heads` must be at least 1. Received: {num_heads}.")
        self.num_heads = num_heads

    def build(self, x_shape: Shape, y_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        heads = self.num_heads
        if x_shape[-1] % heads or y_shape[-1] % heads:
            raise ValueError(
                f"`num_heads` must divide the sizes of both inputs. Received: {heads} heads, sizes {x_shape[-1]} and "
                f"{y_shape[-1]}. Change the heads or the last layers."
            )
        shape = (heads, x_shape[-1] // heads, y_shape[-1] // heads)
        self.kernel = self.add_kernel("kernel", shape, default=glorot_uniform(shape[0] * shape[1] * shape[2], 1))

    def call(self, x: Tensor, y: Tensor) -> Tensor:
        x, y = (ops.reshape(each, (-1, self.num_heads, each.shape[-1] // self.num_heads)) for each in (x, y))
        products = ops.einsum("bhi,hij->bhj", x, self.kernel) * y
        return ops.expand_dims(ops.sum(products, axis=(1, 2)), -1)

    def compute_output_shape(self, x_shape: Shape, y_shape: Shape) -> Shape:
        return (x_shape[0], 1)

    def get_config(self) -> Config:
        return {**super().get_config(), "num_heads": self.num_heads}
