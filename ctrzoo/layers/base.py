"""What layers share: initial values and penalties that can be chosen as in Keras, and explanations on request."""

from typing import Any

import keras

from ctrzoo.layers.numerics import fresh, glorot_uniform, penalty
from ctrzoo.types import Config, Initializer, Regularizer, Shape


class KernelLayer(keras.layers.Layer):
    """A layer with kernels.

    Args:
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on each kernel.
        kernel_initializer: Initial values of the kernels. `None` takes those of the layer's source, which are Glorot's
            uniform distribution where the layer does not say otherwise.
        kernel_regularizer: Another regularizer of the kernels, in place of `l2`.

    Raises:
        ValueError: If both `l2` and `kernel_regularizer` are given.
    """

    def __init__(
        self,
        *,
        l2: float = 0.0,
        kernel_initializer: Initializer = None,
        kernel_regularizer: Regularizer = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.l2 = l2
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.penalty = penalty(l2, self.kernel_regularizer)

    def add_kernel(self, name: str, shape: Shape, default: Initializer = None) -> Any:
        """Add a kernel with the penalty and the initial values of this layer.

        Args:
            name: Name of the weight.
            shape: Shape of the weight. The last two axes are those of a matrix; leading axes count its copies.
            default: The initializer that the layer's source has. `None` is Glorot's uniform distribution for the last
                two axes.
        """
        initializer = fresh(self.kernel_initializer) or default or glorot_uniform(shape[-2], shape[-1])
        return self.add_weight(name=name, shape=shape, initializer=initializer, regularizer=self.penalty)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "l2": self.l2,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


class BiasedLayer(KernelLayer):
    """A layer with kernels and biases.

    Args:
        bias_initializer: Initial values of the biases.
        **kwargs: Those of `KernelLayer`.
    """

    def __init__(self, *, bias_initializer: Initializer = "zeros", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def add_bias(self, name: str, shape: Shape) -> Any:
        """Add a bias with the initial values of this layer."""
        return self.add_weight(name=name, shape=shape, initializer=fresh(self.bias_initializer))

    def get_config(self) -> Config:
        return {**super().get_config(), "bias_initializer": keras.initializers.serialize(self.bias_initializer)}


class ExplainingLayer(keras.layers.Layer):
    """A layer that can return, next to its output, the tensors that explain it.

    A subclass computes `(output, *explanations)` and passes it to `chosen`.

    Args:
        return_explanations: Whether to return the explanations too. Each subclass says which these are.
    """

    def __init__(self, *, return_explanations: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.return_explanations = return_explanations

    def chosen(self, output: Any, *explanations: Any) -> Any:
        """Return the output (or its shape), followed by the explanations (or their shapes) if they are wanted."""
        return (output, *explanations) if self.return_explanations else output

    def get_config(self) -> Config:
        return {**super().get_config(), "return_explanations": self.return_explanations}

    @classmethod
    def from_config(cls, config: Config) -> Any:
        """Make the layer that a configuration describes. In version 0.1.0 every layer returned its explanations."""
        return super().from_config({"return_explanations": True, **config})
