"""The layer of WuKong: inner products of all vectors, compressed and mapped to new vectors, next to linear ones.

Letters: b batch, n vectors, d their size, k rank.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ctrzoo.layers.base import BiasedLayer
from ctrzoo.layers.dense import MLP
from ctrzoo.layers.numerics import inner_layer_norm, layer_norm, linear_map
from ctrzoo.types import Config, Shape, Tensor

EPSILON = 1e-5  # of the layer normalizations, that of PyTorch and of FuxiCTR's code


@keras.saving.register_keras_serializable("ctrzoo")
class WukongLayer(BiasedLayer):
    """One layer of WuKong: vectors X become those of an FM block and linear combinations of X, plus a residual.

    The FM block takes the inner products `X X^T Y` with a trained `Y` of `rank` columns, or all of `X X^T`, normalizes
    them, and maps them to `num_fm` vectors by an MLP with a last ReLU. The linear block gives `num_linear`
    combinations of the vectors. The residual is X, or a linear map of X where the numbers of vectors differ. At the
    end, each vector is normalized.
    Source: Zhang et al., ICML 2024, https://arxiv.org/abs/2403.02545; the free `Y`, the ReLU after the FM block and
    the bias of the residual's map are those of FuxiCTR's code. That bias is left out where the normalization follows,
    which cancels it.

    Args:
        num_fm: Number of vectors of the FM block.
        num_linear: Number of vectors of the linear block.
        rank: Number of columns of `Y`; `None` for all inner products.
        units: Hidden widths of the MLP.
        dropout: Share of the MLP's hidden outputs dropped in training.
        layer_norm: Whether to normalize each vector at the end.
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on each kernel but the MLP's last one.
        kernel_initializer: Initial values of all kernels; `None` is N(0, 1) for `Y` and Glorot's uniform distribution
            for the others.
        bias_initializer: Initial values of all biases.
        kernel_regularizer: Another regularizer of the kernels, in place of `l2`.

    Input shape: `(batch, n, d)`.
    Output shape: `(batch, num_fm + num_linear, d)`, the vectors of the FM block first.

    Raises:
        ValueError: If a size is below 1.

    >>> WukongLayer(num_fm=3, num_linear=2)(np.ones((2, 6, 4))).shape
    TensorShape([2, 5, 4])
    """

    def __init__(
        self,
        num_fm: int = 40,
        num_linear: int = 40,
        rank: int | None = 8,
        units: Sequence[int] = (32, 32),
        dropout: float = 0.0,
        layer_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for argument, size in (("num_fm", num_fm), ("num_linear", num_linear), ("rank", rank or 1)):
            if size < 1:
                raise ValueError(f"`{argument}` must be at least 1. Received: {size}.")
        self.num_fm, self.num_linear, self.rank = num_fm, num_linear, rank
        self.units, self.dropout, self.layer_norm = tuple(units), dropout, layer_norm

    def build(self, input_shape: Shape) -> None:
        _, number, dim = input_shape
        if self.rank is not None:
            normal = keras.initializers.RandomNormal(stddev=1.0)
            self.projection = self.add_kernel("projection_kernel", (number, self.rank), default=normal)
        num_products = number * (number if self.rank is None else self.rank)
        self.product_norm = self._norm("product_norm")
        self.product_norm.build((None, num_products))
        self.mlp = MLP(
            self.units,
            self.num_fm * dim,
            dropout=self.dropout,
            kernel_initializer=self.kernel_initializer,
            bias_initializer=self.bias_initializer,
            kernel_regularizer=self.penalty,
            name="mlp",
            dtype=self.dtype_policy,
        )
        self.mlp.build((None, num_products))
        self.linear_kernel = self.add_kernel("linear_kernel", (number, self.num_linear))
        total, self.residual_kernel, self.residual_bias = self.num_fm + self.num_linear, None, None
        if number != total:
            self.residual_kernel = self.add_kernel("residual_kernel", (number, total))
            if not self.layer_norm:
                self.residual_bias = self.add_bias("residual_bias", (total, 1))
        if self.layer_norm:
            self.norm = self._norm("norm")
            self.norm.build((None, total, dim))

    def _norm(self, name):
        return keras.layers.LayerNormalization(epsilon=EPSILON, name=name, dtype=self.dtype_policy)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        # All of this works on (b, d, n): linear maps of vectors are then one matrix product for all rows. Between two
        # layers, TensorFlow drops both transpositions.
        states = ops.transpose(inputs, (0, 2, 1))
        number = inputs.shape[1]
        right = states if self.rank is None else linear_map(states, self.projection)  # (b, d, k): never n x n
        products = ops.matmul(ops.transpose(states, (0, 2, 1)), right)
        products = layer_norm(self.product_norm, ops.reshape(products, (-1, number * right.shape[-1])))
        vectors = ops.relu(self.mlp(products, training=training))
        vectors = ops.transpose(ops.reshape(vectors, (-1, self.num_fm, inputs.shape[2])), (0, 2, 1))
        # The linear vectors follow those of the FM block. One map gives them and the residual, which joins both.
        kernel = ops.pad(self.linear_kernel, ((0, 0), (self.num_fm, 0)))
        kernel = kernel + (
            ops.eye(number, dtype=kernel.dtype) if self.residual_kernel is None else self.residual_kernel
        )
        states = linear_map(states, kernel) + ops.pad(vectors, ((0, 0), (0, 0), (0, self.num_linear)))
        if self.residual_bias is not None:
            states = states + ops.transpose(self.residual_bias)
        if self.layer_norm:
            states = inner_layer_norm(self.norm, states)
        return ops.transpose(states, (0, 2, 1))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.num_fm + self.num_linear, input_shape[2])

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "num_fm": self.num_fm,
            "num_linear": self.num_linear,
            "rank": self.rank,
            "units": self.units,
            "dropout": self.dropout,
            "layer_norm": self.layer_norm,
        }
