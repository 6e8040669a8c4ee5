"""The cross layer of FCN, which masks half of its map by itself, and what goes before and after.

Letters: b batch, h heads, D input size, f fields, d size of an embedding vector of a head.
"""

from typing import Any

import keras
from keras import ops

from ctrzoo.layers.base import BiasedLayer
from ctrzoo.layers.numerics import layer_norm, linear_map
from ctrzoo.types import Config, Initializer, Shape, Tensor


@keras.saving.register_keras_serializable("ctrzoo")
class HeadHalves(keras.layers.Layer):
    """The inputs of FCN: heads, each with the first halves of all fields and then their second halves.

    Head h has the h-th of `num_heads` equal, consecutive slices of each vector.
    Source: Li et al., 2024, https://arxiv.org/abs/2407.13349, and the authors' code.

    Args:
        num_heads: Number of heads.

    Input shape: `(batch, fields, num_heads * d)` with an even d.
    Output shape: `(batch, num_heads, fields * d)`.

    Raises:
        ValueError: If a vector cannot be cut into heads of an even size.

    >>> HeadHalves(1)(np.array([[[1.0, 2.0], [3.0, 4.0]]])).numpy()
    array([[[1., 3., 2., 4.]]], dtype=float32)
    """

    def __init__(self, num_heads: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if num_heads < 1:
            raise ValueError(f"`num_heads` must be at least 1. Received: {num_heads}.")
        self.num_heads = num_heads

    def build(self, input_shape: Shape) -> None:
        if input_shape[-1] % (2 * self.num_heads):
            raise ValueError(
                f"The vectors must be cut into {self.num_heads} heads of an even size. Received: vectors of size "
                f"{input_shape[-1]}."
            )

    def call(self, embedded: Tensor) -> Tensor:
        _, fields, size = embedded.shape
        halves = ops.reshape(embedded, (-1, fields, self.num_heads * 2, size // (2 * self.num_heads)))
        halves = ops.transpose(halves, (0, 2, 1, 3))
        return ops.reshape(halves, (-1, self.num_heads, fields * size // self.num_heads))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.num_heads, input_shape[1] * input_shape[2] // self.num_heads)

    def get_config(self) -> Config:
        return {**super().get_config(), "num_heads": self.num_heads}


@keras.saving.register_keras_serializable("ctrzoo")
class MaskedCross(BiasedLayer):
    """One cross layer of FCN: `x0 * (g + b) + x`, where `g` is `c = W x` followed by `c * relu(norm(c))`.

    With `x0` the first input in all layers, the degree grows by one per layer (the linear cross network); with `x0 = x`
    it doubles (the exponential one). `W` has half the rows of that of DCN-v2, and is the same for all heads.
    Source: Li et al., 2024, https://arxiv.org/abs/2407.13349, and the authors' code.

    Args:
        layer_norm: Whether the mask is normalized over its entries before the ReLU.
        batch_norm: Whether `c` is batch-normalized, per head, over rows and entries.
        batch_norm_momentum: Momentum of its moving mean and variance: the share that a step keeps.
        l2: Strength of the penalty `l2 / 2 * ||W||^2`.
        kernel_initializer: Initial values of `W`; `None` draws them from Glorot's uniform distribution.
        bias_initializer: Initial values of the bias; `None` draws them from U(0, 1), as the authors' code does.
        kernel_regularizer: Another regularizer in place of `l2`.

    Input shape: `x0` and `x`, each `(batch, heads, D)` with an even D.
    Output shape: `(batch, heads, D)`.

    Raises:
        ValueError: If the last dimension is odd, or those of `x0` and `x` differ.

    >>> MaskedCross()(np.ones((2, 1, 4)), np.ones((2, 1, 4))).shape
    TensorShape([2, 1, 4])
    """

    def __init__(
        self,
        layer_norm: bool = True,
        batch_norm: bool = False,
        batch_norm_momentum: float = 0.9,
        *,
        bias_initializer: Initializer = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(bias_initializer=bias_initializer or keras.initializers.RandomUniform(0, 1), **kwargs)
        self.layer_norm, self.batch_norm, self.batch_norm_momentum = layer_norm, batch_norm, batch_norm_momentum

    def build(self, x0_shape: Shape, x_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        *_, heads, dim = x_shape
        if x0_shape[-1] != dim:
            raise ValueError(f"`x0` and `x` must have the same last dimension. Received: {x0_shape}, {x_shape}.")
        if dim % 2:
            raise ValueError(f"The last dimension must be even, because it is halved. Received: {dim}.")
        self.kernel = self.add_kernel("kernel", (dim, dim // 2))
        self.bias = self.add_bias("bias", (dim,))
        if self.layer_norm:
            self.mask_norm = keras.layers.LayerNormalization(epsilon=1e-5, name="mask_norm", dtype=self.dtype_policy)
            self.mask_norm.build((None, heads, dim // 2))
        if self.batch_norm:
            self.head_norm = keras.layers.BatchNormalization(
                momentum=self.batch_norm_momentum, axis=1, name="head_norm", dtype=self.dtype_policy
            )
            self.head_norm.build((None, heads, dim // 2))

    def call(self, x0: Tensor, x: Tensor, training: bool | None = None) -> Tensor:
        mapped = linear_map(x, self.kernel)
        if self.batch_norm:
            mapped = self.head_norm(mapped, training=training)
        mask = ops.relu(layer_norm(self.mask_norm, mapped) if self.layer_norm else mapped)
        return x0 * (ops.concatenate([mapped, mapped * mask], axis=-1) + self.bias) + x

    def compute_output_shape(self, x0_shape: Shape, x_shape: Shape) -> Shape:
        return x_shape

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "layer_norm": self.layer_norm,
            "batch_norm": self.batch_norm,
            "batch_norm_momentum": self.batch_norm_momentum,
        }


@keras.saving.register_keras_serializable("ctrzoo")
class NetworkMean(keras.layers.Layer):
    """The mean of the logits of several networks. A loss can read the logits of the latest call in `latest`.

    Input shape: `(batch, networks)`.
    Output shape: `(batch, 1)`.

    >>> NetworkMean()(np.array([[1.0, 3.0]])).numpy()
    array([[2.]], dtype=float32)
    """

    latest: Tensor = None

    def call(self, logits: Tensor) -> Tensor:
        # As the losses of `add_loss` are: a tensor of the call, for the loss that follows in the same graph.
        self.latest = logits
        return ops.mean(logits, axis=-1, keepdims=True)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], 1)
