"""Cross layers: each multiplies the flattened input by a projection of the states, which adds one degree.

Letters: b batch, d input size, k experts, r and s rank.
"""

from typing import Any

import keras
from keras import ops

from ctrzoo.layers.base import BiasedLayer
from ctrzoo.layers.numerics import fresh, softmax
from ctrzoo.types import Activation, Config, Shape, Tensor


class _Cross(BiasedLayer):
    """What all cross layers share: the bias, the check of the shapes, and the names of weights in files."""

    # Keras stores weights under the name of the class: the name now, and the one of version 0.1.0.
    _names_in_files = ("", "")

    def _build_bias(self, x0_shape, x_shape):
        if x0_shape[-1] != x_shape[-1]:
            raise ValueError(f"`x0` and `x` must have the same last dimension. Received: {x0_shape}, {x_shape}.")
        self.bias = self.add_bias("bias", (x_shape[-1],))

    def load_own_variables(self, store: Any) -> None:
        """Load the weights from a file, also from one of version 0.1.0, when the class had another name."""
        path = getattr(store, "_h5_entry_path", "")
        if path and not store.keys():
            store = store.get(path.replace(*self._names_in_files))
        super().load_own_variables(store)

    def compute_output_shape(self, x0_shape: Shape, x_shape: Shape) -> Shape:
        return x_shape


@keras.saving.register_keras_serializable("ctrzoo", name="CrossLayer")
class CrossV1(_Cross):
    """One cross layer of DCN: `x0 * (x . w) + b + x`.

    `x . w` is one number per row, so the layer scales `x0` and never forms the outer product of the equation.
    Source: Wang et al., 2017, equation 3, https://arxiv.org/abs/1708.05123.

    Args:
        l2: Strength of the penalty `l2 / 2 * ||w||^2`.
        kernel_initializer: Initial values of `w`; `None` draws them from Glorot's uniform distribution.
        bias_initializer: Initial values of the bias.
        kernel_regularizer: Another regularizer in place of `l2`.

    Input shape: `x0` and `x`, each `(batch, dim)`.
    Output shape: `(batch, dim)`.

    >>> CrossV1()(np.ones((2, 3)), np.ones((2, 3))).shape
    TensorShape([2, 3])
    """

    _names_in_files = ("cross_v1", "cross_layer")

    def build(self, x0_shape: Shape, x_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        self._build_bias(x0_shape, x_shape)
        self.kernel = self.add_kernel("kernel", (x_shape[-1], 1))

    def call(self, x0: Tensor, x: Tensor) -> Tensor:
        return x0 * ops.matmul(x, self.kernel) + self.bias + x


@keras.saving.register_keras_serializable("ctrzoo", name="MatrixCrossLayer")
class CrossV2(_Cross):
    """One cross layer of DCN-v2: `x0 * (W x + b) + x`, with a full matrix or one of low rank, `W = U V^T`.

    Unlike DCN, the bias is inside the product.
    Source: Wang et al., 2021, equations 1 and 2, https://arxiv.org/abs/2008.13535.

    Args:
        rank: Rank of `W`; `None` for a full matrix.
        l2: Strength of the penalty `l2 / 2 * ||W||^2` (or of `U` and of `V`).
        kernel_initializer: Initial values of `W` (or of `U` and of `V`); `None` draws them from Glorot's
            uniform distribution.
        bias_initializer: Initial values of the bias.
        kernel_regularizer: Another regularizer in place of `l2`.

    Input shape: `x0` and `x`, each `(batch, dim)`.
    Output shape: `(batch, dim)`.

    Raises:
        ValueError: If the rank is below 1.

    >>> CrossV2(rank=2)(np.ones((2, 3)), np.ones((2, 3))).shape
    TensorShape([2, 3])
    """

    _names_in_files = ("cross_v2", "matrix_cross_layer")

    def __init__(self, rank: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if rank is not None and rank < 1:
            raise ValueError(f"`rank` must be at least 1, or None for a full matrix. Received: {rank}.")
        self.rank = rank

    def build(self, x0_shape: Shape, x_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        self._build_bias(x0_shape, x_shape)
        dim = x_shape[-1]
        shapes = {"kernel": (dim, dim)}
        if self.rank is not None:
            shapes = {"down_kernel": (dim, self.rank), "up_kernel": (self.rank, dim)}
        self.kernels = [self.add_kernel(name, shape) for name, shape in shapes.items()]

    def call(self, x0: Tensor, x: Tensor) -> Tensor:
        projected = x
        for kernel in self.kernels:
            projected = ops.matmul(projected, kernel)
        return x0 * (projected + self.bias) + x

    def get_config(self) -> Config:
        return {**super().get_config(), "rank": self.rank}


@keras.saving.register_keras_serializable("ctrzoo")
class MixtureCrossLayer(_Cross):
    """One cross layer of DCN-v2 made of low-rank experts: `x0 * sum over k of G_k(x) (U_k g(C_k g(V_k^T x)) + b) + x`.

    The experts share the bias `b`. The product with `x0` is taken after the sum, so no tensor has both an axis of
    experts and one of inputs. Each layer has its own gates; other code shares one gate between all layers.
    Source: Wang et al., 2021, equations 3 and 4, https://arxiv.org/abs/2008.13535.

    Args:
        rank: Rank of an expert.
        num_experts: Number of experts.
        gate: How experts are weighed, `"softmax"` (weights sum to 1) or `"sigmoid"`.
        activation: The nonlinearity `g`.
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on `U`, `C` and `V`.
        kernel_initializer: Initial values of `U`, `C`, `V` and the gates; `None` draws them from Glorot's uniform
            distribution.
        bias_initializer: Initial values of the bias.
        kernel_regularizer: Another regularizer in place of `l2`.

    Input shape: `x0` and `x`, each `(batch, dim)`.
    Output shape: `(batch, dim)`.

    Raises:
        ValueError: If a size is below 1 or the gate is unknown.

    >>> MixtureCrossLayer(rank=2, num_experts=4)(np.ones((2, 3)), np.ones((2, 3))).shape
    TensorShape([2, 3])
    """

    def __init__(
        self,
        rank: int = 32,
        num_experts: int = 4,
        gate: str = "softmax",
        activation: Activation = "tanh",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for argument, number in (("rank", rank), ("num_experts", num_experts)):
            if number < 1:
                raise ValueError(f"`{argument}` must be at least 1. Received: {number}.")
        if gate not in ("softmax", "sigmoid"):
            raise ValueError(f"`gate` must be 'softmax' or 'sigmoid'. Received: {gate!r}.")
        self.rank, self.num_experts, self.gate = rank, num_experts, gate
        self.activation = keras.activations.get(activation)

    def build(self, x0_shape: Shape, x_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        self._build_bias(x0_shape, x_shape)
        dim, experts, rank = x_shape[-1], self.num_experts, self.rank
        self.down_kernel = self.add_kernel("down_kernel", (experts, dim, rank))
        self.middle_kernel = self.add_kernel("middle_kernel", (experts, rank, rank))
        self.up_kernel = self.add_kernel("up_kernel", (experts, rank, dim))
        initializer = fresh(self.kernel_initializer) or "glorot_uniform"
        self.gate_kernel = self.add_weight(name="gate_kernel", shape=(dim, experts), initializer=initializer)

    def call(self, x0: Tensor, x: Tensor) -> Tensor:
        hidden = self.activation(ops.einsum("bd,kdr->bkr", x, self.down_kernel))
        hidden = self.activation(ops.einsum("bkr,krs->bks", hidden, self.middle_kernel))
        scores = ops.matmul(x, self.gate_kernel)
        gates = softmax(scores) if self.gate == "softmax" else ops.sigmoid(scores)
        mixed = ops.einsum("bks,ksd->bd", hidden * ops.expand_dims(gates, -1), self.up_kernel)
        return x0 * (mixed + ops.sum(gates, axis=-1, keepdims=True) * self.bias) + x

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "rank": self.rank,
            "num_experts": self.num_experts,
            "gate": self.gate,
            "activation": keras.activations.serialize(self.activation),
        }
