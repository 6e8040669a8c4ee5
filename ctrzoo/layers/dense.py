"""Dense parts: the multi-layer perceptron that deep and joint models share, and the residual unit."""

from collections.abc import Sequence
from typing import Any

import keras

from ctrzoo.layers.activations import Dice, activation_config, activation_layer, find_activation
from ctrzoo.layers.base import BiasedLayer
from ctrzoo.layers.batch_norm import BatchNormalization
from ctrzoo.layers.numerics import fresh
from ctrzoo.types import Activation, Config, Shape, Tensor


@keras.saving.register_keras_serializable("ctrzoo")
class MLP(BiasedLayer):
    """Dense layers, each followed by batch normalization (on request), activation and dropout.

    Args:
        units: Width of each hidden layer.
        output_dim: Width of a last, linear layer; `None` leaves it out.
        activation: Activation of the hidden layers, as in Keras, or `"dice"` or `"prelu"`, which have weights.
        dropout: Share of hidden outputs dropped in training.
        batch_norm: Whether to normalize before the activation.
        batch_norm_momentum: Momentum of the moving mean and variance, also those of Dice: the share that a step keeps.
            Keras' 0.99 needs hundreds of steps before the first evaluation is right.
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on the hidden kernels.
        kernel_initializer: Initial values of all kernels; `None` draws them from Glorot's uniform distribution.
        bias_initializer: Initial values of all biases.
        kernel_regularizer: Another regularizer of the hidden kernels, in place of `l2`.

    Input shape: `(batch, dim)`.
    Output shape: `(batch, output_dim)`, or `(batch, units[-1])` without an output layer.

    >>> MLP((8, 4), output_dim=1)(np.ones((2, 3))).shape
    TensorShape([2, 1])
    """

    def __init__(
        self,
        units: Sequence[int],
        output_dim: int | None = None,
        activation: Activation = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
        batch_norm_momentum: float = 0.9,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units, self.output_dim = tuple(units), output_dim
        self.activation = find_activation(activation)
        self.dropout, self.batch_norm, self.batch_norm_momentum = dropout, batch_norm, batch_norm_momentum
        self.steps = [step for index, width in enumerate(self.units) for step in self._hidden(index, width)]
        if output_dim is not None:
            self.steps.append(self._dense(output_dim, "output"))

    def _dense(self, width, name, **options):
        return keras.layers.Dense(
            width,
            kernel_initializer=fresh(self.kernel_initializer) or "glorot_uniform",
            bias_initializer=fresh(self.bias_initializer),
            name=name,
            dtype=self.dtype_policy,
            **options,
        )

    def _hidden(self, index, width):
        common: dict[str, Any] = {"dtype": self.dtype_policy}
        yield self._dense(width, f"hidden_{index}", kernel_regularizer=self.penalty)
        if self.batch_norm:
            yield BatchNormalization(momentum=self.batch_norm_momentum, name=f"batch_norm_{index}", **common)
        yield activation_layer(self.activation, self.batch_norm_momentum, name=f"activation_{index}", **common)
        if self.dropout:
            yield keras.layers.Dropout(self.dropout, **common)

    def build(self, input_shape: Shape) -> None:
        for step in self.steps:
            step.build(input_shape)
            input_shape = step.compute_output_shape(input_shape)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        return self.after_first(self.steps[0](inputs), training) if self.steps else inputs

    def after_first(self, states: Tensor, training: bool | None = None) -> Tensor:
        """Apply all steps but the first linear map, which the caller computed in another way, `(batch, width)`."""
        for step in self.steps[1:]:
            states = step(states, training=training) if _has_training(step) else step(states)
        return states

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        for step in self.steps:
            input_shape = step.compute_output_shape(input_shape)
        return input_shape

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "output_dim": self.output_dim,
            "activation": activation_config(self.activation),
            "dropout": self.dropout,
            "batch_norm": self.batch_norm,
            "batch_norm_momentum": self.batch_norm_momentum,
        }


@keras.saving.register_keras_serializable("ctrzoo")
class ResidualUnit(BiasedLayer):
    """A residual unit of DeepCrossing: `relu(x + W_2 relu(W_1 x + b_1) + b_2)`, with one hidden layer or more.

    The last ReLU comes after the sum. Source: Shan et al., KDD 2016, section 4.3,
    https://doi.org/10.1145/2939672.2939704.

    Args:
        units: Width of each hidden layer.
        dropout: Share of hidden outputs dropped in training.
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on the hidden kernels.
        kernel_initializer: Initial values of all kernels; `None` draws them from Glorot's uniform distribution.
        bias_initializer: Initial values of all biases.
        kernel_regularizer: Another regularizer of the hidden kernels, in place of `l2`.

    Input shape: `(batch, dim)`.
    Output shape: `(batch, dim)`.

    >>> ResidualUnit((8,))(np.ones((2, 3))).shape
    TensorShape([2, 3])
    """

    def __init__(self, units: Sequence[int], dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.dropout = tuple(units), dropout

    def build(self, input_shape: Shape) -> None:
        self.change = MLP(
            self.units,
            input_shape[-1],
            dropout=self.dropout,
            kernel_initializer=self.kernel_initializer,
            bias_initializer=self.bias_initializer,
            kernel_regularizer=self.penalty,
            name="change",
            dtype=self.dtype_policy,
        )
        self.change.build(input_shape)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        return keras.ops.relu(inputs + self.change(inputs, training=training))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> Config:
        return {**super().get_config(), "units": self.units, "dropout": self.dropout}


def _has_training(layer):
    return isinstance(layer, (keras.layers.Dropout, BatchNormalization, Dice))
