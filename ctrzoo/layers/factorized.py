"""The layers of FINAL: each multiplies one half of a linear map by the other, which doubles the degree.

Letters: p and q the halves.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ctrzoo.layers.base import BiasedLayer
from ctrzoo.layers.batch_norm import BatchNormalization
from ctrzoo.layers.numerics import fresh
from ctrzoo.types import Activation, Config, Shape, Tensor

RESIDUALS = ("concat", "sum")


@keras.saving.register_keras_serializable("ctrzoo")
class FactorizedMLP(BiasedLayer):
    """A block of FINAL: layers whose linear map `W z + b` falls into the halves p and q, which are multiplied.

    With the residual `"concat"` a layer gives p and p * q one after the other; with `"sum"`, p + p * q, from twice as
    many products. Batch normalization (on request), activation and dropout follow, as in an `MLP`. A layer doubles the
    degree of its inputs, so that L layers reach degree 2^L.
    Source: Zhu et al., SIGIR 2023, https://doi.org/10.1145/3539618.3591988; the two forms are those of FuxiCTR's code.

    Args:
        units: Width of each layer, even for `"concat"`.
        residual: `"concat"` or `"sum"`.
        activation: Activation after each layer.
        dropout: Share of each layer's outputs dropped in training.
        batch_norm: Whether to normalize before the activation.
        batch_norm_momentum: Momentum of the moving mean and variance: the share that a step keeps.
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on each kernel.
        kernel_initializer: Initial values of the kernels; `None` draws them from Glorot's uniform distribution.
        bias_initializer: Initial values of the biases.
        kernel_regularizer: Another regularizer of the kernels, in place of `l2`.

    Input shape: `(batch, dim)`.
    Output shape: `(batch, units[-1])`.

    Raises:
        ValueError: If the residual is unknown, or a width is odd for `"concat"`.

    >>> FactorizedMLP((8, 4))(np.ones((2, 3))).shape
    TensorShape([2, 4])
    """

    def __init__(
        self,
        units: Sequence[int],
        residual: str = "concat",
        activation: Activation = "linear",
        dropout: float = 0.0,
        batch_norm: bool = False,
        batch_norm_momentum: float = 0.9,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if residual not in RESIDUALS:
            raise ValueError(f"The residual must be 'concat' or 'sum'. Received: {residual!r}.")
        odd = [width for width in units if width % 2]
        if residual == "concat" and odd:
            raise ValueError(f"Widths must be even for the residual 'concat', which halves them. Received: {odd[0]}.")
        self.units, self.residual = tuple(units), residual
        self.activation = keras.activations.get(activation)
        self.dropout, self.batch_norm, self.batch_norm_momentum = dropout, batch_norm, batch_norm_momentum
        self.layers = [self._layer(index, width) for index, width in enumerate(self.units)]

    def _layer(self, index, width):
        """Return the linear map of a layer, its batch normalization or None, and its dropout."""
        linear = keras.layers.Dense(
            width if self.residual == "concat" else 2 * width,
            kernel_initializer=fresh(self.kernel_initializer) or "glorot_uniform",
            bias_initializer=fresh(self.bias_initializer),
            kernel_regularizer=self.penalty,
            name=f"hidden_{index}",
            dtype=self.dtype_policy,
        )
        norm = None
        if self.batch_norm:
            norm = BatchNormalization(
                momentum=self.batch_norm_momentum, name=f"batch_norm_{index}", dtype=self.dtype_policy
            )
        return linear, norm, keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        for width, (linear, norm, _) in zip(self.units, self.layers, strict=True):
            linear.build(input_shape)
            input_shape = (input_shape[0], width)
            if norm is not None:
                norm.build(input_shape)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        states = inputs
        for linear, norm, drop in self.layers:
            p, q = ops.split(linear(states), 2, axis=-1)
            states = ops.concatenate([p, p * q], axis=-1) if self.residual == "concat" else p + p * q
            if norm is not None:
                states = norm(states, training=training)
            states = drop(self.activation(states), training=training)
        return states

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.units[-1] if self.units else input_shape[-1])

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "residual": self.residual,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "batch_norm": self.batch_norm,
            "batch_norm_momentum": self.batch_norm_momentum,
        }


@keras.saving.register_keras_serializable("ctrzoo")
class FieldMixing(BiasedLayer):
    """The feature gate of FINAL: each field, followed by its product with a linear mixture of all fields.

    `g_f = sum over k of W_kf e_k + b_f`, in each dimension alike; the output has all fields `e_f`, then all products
    `e_f * g_f`. The gate starts at 1: `W` is zero and `b` one, as in FuxiCTR's code.
    Source: Zhu et al., SIGIR 2023, https://doi.org/10.1145/3539618.3591988.

    Args:
        l2: Strength of the penalty `l2 / 2 * ||W||^2`.
        kernel_initializer: Initial values of `W`; `None` is zeros.
        bias_initializer: Initial values of `b`.
        kernel_regularizer: Another regularizer in place of `l2`.

    Input shape: `(batch, fields, dim)`.
    Output shape: `(batch, 2 * fields, dim)`.

    >>> FieldMixing()(np.array([[[2.0], [3.0]]])).numpy().ravel()
    array([2., 3., 2., 3.], dtype=float32)
    """

    def __init__(self, *, bias_initializer: Any = "ones", **kwargs: Any) -> None:
        super().__init__(bias_initializer=bias_initializer, **kwargs)

    def build(self, input_shape: Shape) -> None:
        fields = input_shape[1]
        self.kernel = self.add_kernel("kernel", (fields, fields), default=keras.initializers.Zeros())
        self.bias = self.add_bias("bias", (fields, 1))

    def call(self, embedded: Tensor) -> Tensor:
        return ops.concatenate(
            [embedded, embedded * (ops.matmul(ops.transpose(self.kernel), embedded) + self.bias)], axis=1
        )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], 2 * input_shape[1], input_shape[2])


@keras.saving.register_keras_serializable("ctrzoo")
class SelfDistillation(keras.layers.Layer):
    """The mean of several logits, and a loss that pulls each of them to that mean.

    The loss of a logit is the cross entropy of its probability with the probability of the mean, or half the squared
    difference from the mean. It is a mean over rows, is added to the losses of the model, and no gradient flows
    through the mean. Weights of rows do not enter it.
    Source: Zhu et al., SIGIR 2023, https://doi.org/10.1145/3539618.3591988.

    Args:
        probabilities: Whether the logits are those of probabilities; `False` compares the logits themselves.
        strength: Factor of the loss.

    Input shape: the logits, `(batch, logits)`.
    Output shape: `(batch, 1)`.

    >>> layer = SelfDistillation()
    >>> float(layer(np.array([[1.0, -1.0]]))[0, 0]), round(float(layer.losses[0]), 4)  # ln(1 + e) + ln(1 + 1/e)
    (0.0, 1.6265)
    """

    def __init__(self, probabilities: bool = True, strength: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.probabilities, self.strength = probabilities, strength

    def call(self, logits: Tensor) -> Tensor:
        mean = ops.mean(logits, axis=-1, keepdims=True)
        if self.strength:
            wide = keras.backend.result_type(self.compute_dtype, "float32")
            each, target = ops.cast(logits, wide), ops.stop_gradient(ops.cast(mean, wide))
            if self.probabilities:
                losses = ops.softplus(each) - ops.sigmoid(target) * each
            else:
                losses = 0.5 * ops.square(each - target)
            loss = self.strength * ops.mean(ops.sum(losses, axis=-1))
            self.add_loss(ops.cast(loss, keras.config.floatx()))  # the type of Keras' losses, to which it is added
        return mean

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], 1)

    def get_config(self) -> Config:
        return {**super().get_config(), "probabilities": self.probabilities, "strength": self.strength}
