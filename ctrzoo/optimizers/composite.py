"""An optimizer that assigns each variable to one of two optimizers."""

import re
from collections.abc import Sequence

import keras

from ctrzoo.optimizers.owners import StoredByRows
from ctrzoo.types import Config, Tensor

OptimizerLike = keras.optimizers.Optimizer | str | Config


def _optimizer(identifier: OptimizerLike) -> keras.optimizers.Optimizer:
    optimizer = keras.optimizers.get(identifier)
    assert optimizer is not None  # `get` returns None only for None
    return optimizer


@keras.saving.register_keras_serializable("ctrzoo")
class CompositeOptimizer(StoredByRows):
    """One optimizer for variables whose path matches a pattern and another for all others, in the same step.

    Set clipping, weight decay and averaging on the two optimizers. Callbacks read and set the learning rate of
    `default`. (`keras.optimizers.MultiOptimizer` has no learning rate, so no callback or per-epoch schedule could set
    it.)

    Args:
        default: The optimizer for all other variables: an object, a name or a configuration.
        special: The optimizer for the variables whose path matches.
        pattern: Regular expression to search for in a variable's path.
        name: Name of the optimizer.

    Raises:
        ValueError: When built, if no variable matches or all do.

    >>> type(CompositeOptimizer("adam", "sgd", pattern="gates$").special).__name__
    'SGD'
    """

    def __init__(self, default: OptimizerLike, special: OptimizerLike, pattern: str, name: str = "composite") -> None:
        super().__init__(learning_rate=0.0, name=name)
        self.default, self.special = _optimizer(default), _optimizer(special)
        self.pattern = pattern

    def build(self, variables: Sequence[keras.Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        matches = [re.search(self.pattern, variable.path) is not None for variable in variables]
        if all(matches) or not any(matches):
            raise ValueError(
                f"The pattern {self.pattern!r} must match some variables and not others. It matches "
                f"{sum(matches)} of {len(matches)}: {', '.join(variable.path for variable in variables)}."
            )
        self.is_special = tuple(matches)
        for optimizer, part in zip((self.default, self.special), self._split(variables), strict=True):
            optimizer.build(part)

    def exclude_from_weight_decay(
        self, var_list: Sequence[keras.Variable] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        for optimizer in (self.default, self.special):
            optimizer.exclude_from_weight_decay(var_list, var_names)

    def _split(self, items, variables=None):
        indices = range(len(items)) if variables is None else [self._get_variable_index(item) for item in variables]
        parts = [], []
        for item, index in zip(items, indices, strict=True):
            parts[self.is_special[index]].append(item)
        return parts

    def apply(self, grads: Sequence[Tensor], trainable_variables: Sequence[keras.Variable] | None = None) -> None:
        variables = list(trainable_variables or self._trainable_variables)
        if not self.built:
            with keras.name_scope(self.name):
                self.build(variables)
        parts = zip(self._split(grads, variables), self._split(variables, variables), strict=True)
        for optimizer, (gradients, part) in zip((self.default, self.special), parts, strict=True):
            optimizer.apply(gradients, part)

    @property
    def variables(self) -> list[keras.Variable]:
        return self._variables + self.default.variables + self.special.variables

    @property
    def iterations(self) -> keras.Variable:
        return self.default.iterations

    @property
    def learning_rate(self) -> Tensor:
        return self.default.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: float) -> None:
        self.default.learning_rate = learning_rate

    def finalize_variable_values(self, var_list: Sequence[keras.Variable]) -> None:
        for optimizer, part in zip((self.default, self.special), self._split(var_list, var_list), strict=True):
            optimizer.finalize_variable_values(part)

    def get_config(self) -> Config:
        return {
            "name": self.name,
            "default": keras.optimizers.serialize(self.default),
            "special": keras.optimizers.serialize(self.special),
            "pattern": self.pattern,
        }
