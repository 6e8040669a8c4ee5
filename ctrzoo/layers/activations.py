"""Activations with weights: Dice, and PReLU as DIN has it."""

from typing import Any

import keras
from keras import ops

from ctrzoo.layers.batch_norm import BatchNormalization
from ctrzoo.types import Activation, Config, DType, Initializer, Shape, Tensor

# Names of the activations that are layers with weights.
LEARNED = ("dice", "prelu")


def find_activation(activation: Activation) -> Activation:
    """Return an activation as Keras finds it, or the name of one with weights."""
    return activation if activation in LEARNED else keras.activations.get(activation)


def activation_config(activation: Activation) -> Activation:
    """Return what `find_activation` returned in a form that JSON can hold."""
    return activation if activation in LEARNED else keras.activations.serialize(activation)


def activation_layer(
    activation: Activation, momentum: float = 0.9, dtype: DType = None, name: str | None = None
) -> keras.layers.Layer:
    """Return the layer of an activation.

    Args:
        activation: An activation as in Keras, `"dice"`, or `"prelu"`, whose slopes start at 0.1 as in FuxiCTR.
        momentum: Momentum of the statistics of Dice.
        dtype: Dtype policy of the layer.
        name: Name of the layer.

    >>> activation_layer("prelu")(np.array([[-2.0, 3.0]])).numpy().tolist()
    [[-0.20000000298023224, 3.0]]
    """
    if activation == "dice":
        return Dice(momentum, dtype=dtype, name=name)
    if activation == "prelu":
        slopes: Any = keras.initializers.Constant(0.1)
        return keras.layers.PReLU(slopes, dtype=dtype, name=name)
    return keras.layers.Activation(activation, dtype=dtype, name=name)


class _RunningMoments(BatchNormalization):
    """Batch normalization whose running variance takes the unbiased variance of each batch, `n / (n - 1)` of Keras'."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(epsilon=1e-9, center=False, scale=False, **kwargs)
        self.num_replicas = 1  # devices whose rows are normalized together, set where they are

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        running: Any = self.moving_variance
        before = running + 0.0
        outputs = super().call(inputs, training=training)
        if training and self.trainable:
            rows = ops.shape(inputs)[0] * (self.num_replicas if self.synchronized else 1)
            others = ops.maximum(ops.cast(rows, running.dtype) - 1, 1)
            # Keras has just added `(1 - momentum) * variance`.
            running.assign_add((running - self.momentum * before) / others)
        return outputs


@keras.saving.register_keras_serializable("ctrzoo")
class Dice(keras.layers.Layer):
    """Dice: `p z + alpha (1 - p) z`, with `p = sigmoid(z standardized over the batch)` and a slope alpha per unit.

    The bend follows the data. As in batch normalization, training takes the mean and variance of the batch, and all
    else the running ones. The running variance takes the batch's unbiased variance, as FuxiCTR's does. Statistics are
    in float32 under mixed precision too. With several devices, they are those of the global batch.
    Source: Zhou et al., KDD 2018, section 5.3, https://arxiv.org/abs/1706.06978.

    Args:
        momentum: Momentum of the running mean and variance: the share that a step keeps. FuxiCTR has 0.99.
        alpha_initializer: Initial values of the slopes.

    Input shape: `(rows, units)`.
    Output shape: `(rows, units)`.

    >>> Dice()(np.array([[-2.0, 0.0, 30.0]])).numpy().round(3).tolist()
    [[-0.23800000548362732, 0.0, 30.0]]
    """

    def __init__(self, momentum: float = 0.9, alpha_initializer: Initializer = "zeros", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum
        self.alpha_initializer = keras.initializers.get(alpha_initializer)
        self.moments = _RunningMoments(momentum=momentum, name="moments", dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        self.moments.build(input_shape)
        self.alpha = self.add_weight(name="alpha", shape=(input_shape[-1],), initializer=self.alpha_initializer)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        share = ops.sigmoid(self.moments(inputs, training=training))
        return inputs * (share + self.alpha * (1 - share))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "alpha_initializer": keras.initializers.serialize(self.alpha_initializer),
        }
