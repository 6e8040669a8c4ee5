"""The optimizer that drives gates to exactly zero in a search for interactions."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ctrzoo.optimizers.owners import StoredByRows
from ctrzoo.types import Config, Tensor


@keras.saving.register_keras_serializable("ctrzoo")
class GRDA(StoredByRows):
    """Generalized regularized dual averaging: gradient descent that sets small weights to exactly zero.

    With `v_0 = w_0`: `v_t = v_{t-1} - r g_t`, `w_t = sign(v_t) max(|v_t| - c r^(1/2 + mu) t^mu, 0)` for the
    learning rate r. Source: Chao, Cheng, 2019, https://arxiv.org/abs/1909.10072; the defaults are those of
    Liu et al., 2020 (AutoFIS), https://arxiv.org/abs/2003.11235.

    Args:
        learning_rate: The learning rate r. It must be a number, because the threshold assumes a constant rate.
        c: Size of the threshold.
        mu: How fast the threshold grows with the number of steps.
        name: Name of the optimizer.
        **kwargs: Arguments common to all Keras optimizers.

    Raises:
        ValueError: If the learning rate is a schedule.
    """

    def __init__(
        self, learning_rate: float = 1.0, c: float = 0.005, mu: float = 0.6, name: str = "grda", **kwargs: Any
    ) -> None:
        if callable(learning_rate):
            raise ValueError(
                "GRDA needs a number as its learning rate, because its threshold assumes a constant rate. Received: "
                f"{learning_rate}. Pass schedules to the optimizer for all other variables."
            )
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.c, self.mu = c, mu

    def build(self, variables: Sequence[keras.Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self.accumulators = [self.add_variable_from_reference(variable, "accumulator") for variable in variables]

    def update_step(self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor) -> None:
        rate: Tensor = ops.cast(learning_rate, variable.dtype)
        iterations: Tensor = self.iterations
        step: Tensor = ops.cast(iterations + 1, variable.dtype)
        accumulator = self.accumulators[self._get_variable_index(variable)]
        # The first step sets v_0 = w_0: XLA cannot create a variable initialized with the value of another.
        # Tensors, because JAX cannot select between variables.
        before, now = ops.convert_to_tensor(accumulator), ops.convert_to_tensor(variable)
        before: Tensor = ops.where(iterations == 0, now, before)
        self.assign(accumulator, before - rate * ops.cast(gradient, variable.dtype))
        threshold = self.c * rate ** (0.5 + self.mu) * step**self.mu
        sign: Tensor = ops.sign(accumulator)
        self.assign(variable, sign * ops.maximum(ops.abs(accumulator) - threshold, 0))

    def get_config(self) -> Config:
        return {**super().get_config(), "c": self.c, "mu": self.mu}
