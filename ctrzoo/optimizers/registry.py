"""The registry of optimizers: one entry each in `OPTIMIZERS`. Importing this module does not load Keras."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from ctrzoo.suggest import unknown

if TYPE_CHECKING:
    import keras

    LearningRate = float | keras.optimizers.schedules.LearningRateSchedule

DEFAULT_OPTIMIZER = "lazy_adam"
# Names of version 0.1 that were removed. "adam" of version 0.1 is now "lazy_adam".
RENAMED = {"dense_adam": "adam"}


@dataclasses.dataclass(frozen=True)
class OptimizerEntry:
    """An entry of the registry.

    Attributes:
        description: What the optimizer does, in half a line.
        build: Builds the optimizer for a given learning rate.
        constant_rate: Why the learning rate must stay constant; empty if it may change.
    """

    description: str
    build: Callable[[LearningRate], keras.optimizers.Optimizer]
    constant_rate: str = ""


def _lazy_adam(learning_rate: LearningRate) -> keras.optimizers.Optimizer:
    from ctrzoo.optimizers.rowwise import LazyAdam

    return LazyAdam(learning_rate, epsilon=1e-8)  # epsilon of the paper and TensorFlow 1; Keras uses 1e-7


def _adam(learning_rate: LearningRate) -> keras.optimizers.Optimizer:
    from ctrzoo.optimizers.rowwise import LazyAdam

    return LazyAdam(learning_rate, epsilon=1e-8, lazy=False)


def _adagrad(learning_rate: LearningRate) -> keras.optimizers.Optimizer:
    from ctrzoo.optimizers.rowwise import Adagrad

    return Adagrad(learning_rate)


def _ftrl(learning_rate: LearningRate) -> keras.optimizers.Optimizer:
    from ctrzoo.optimizers.rowwise import Ftrl

    return Ftrl(learning_rate)


def _sgd(learning_rate: LearningRate) -> keras.optimizers.Optimizer:
    from ctrzoo.optimizers.rowwise import SGD

    return SGD(learning_rate)


def _grda(learning_rate: LearningRate) -> keras.optimizers.Optimizer:
    from ctrzoo.optimizers.grda import GRDA

    return GRDA(learning_rate)  # pyright: ignore[reportArgumentType] (GRDA itself rejects a schedule)


OPTIMIZERS = {
    "lazy_adam": OptimizerEntry("Adam that updates only the embedding rows of the batch", _lazy_adam),
    "adam": OptimizerEntry("Adam that updates all rows", _adam),
    "adagrad": OptimizerEntry("Adagrad on the rows of the batch", _adagrad),
    "ftrl": OptimizerEntry(
        "FTRL-proximal on the rows of the batch",
        _ftrl,
        "FTRL computes weights from its state and the learning rate, so a lower rate would shrink the weights, "
        "not the steps.",
    ),
    "sgd": OptimizerEntry("gradient descent on the rows of the batch", _sgd),
    "grda": OptimizerEntry(
        "gradient descent that sets small weights to exactly zero",
        _grda,
        "GRDA's threshold assumes a constant learning rate.",
    ),
}


def describe() -> str:
    """Return the help text: each name with its description.

    >>> describe().split("; ")[1]
    'adam: Adam that updates all rows'
    """
    return "; ".join(f"{name}: {entry.description}" for name, entry in OPTIMIZERS.items())


def entry_of(name: str) -> OptimizerEntry:
    """Return the entry of an optimizer.

    Args:
        name: One of `OPTIMIZERS`.

    Raises:
        ValueError: If the name is unknown.

    >>> entry_of("dense_adam")
    Traceback (most recent call last):
        ...
    ValueError: The optimizer 'dense_adam' was renamed to 'adam' in version 0.2. Use optimizer='adam'.
    """
    if name in RENAMED:
        new = RENAMED[name]
        raise ValueError(f"The optimizer '{name}' was renamed to '{new}' in version 0.2. Use optimizer='{new}'.")
    if name not in OPTIMIZERS:
        raise ValueError(unknown("optimizer", name, OPTIMIZERS))
    return OPTIMIZERS[name]


def build(name: str, learning_rate: LearningRate) -> keras.optimizers.Optimizer:
    """Return an optimizer by its name.

    Args:
        name: One of `OPTIMIZERS`.
        learning_rate: A number or a Keras schedule.

    Raises:
        ValueError: If the name is unknown.

    >>> build("lazy_adam", 0.001).lazy, build("adam", 0.001).lazy
    (True, False)
    """
    return entry_of(name).build(learning_rate if callable(learning_rate) else float(learning_rate))
