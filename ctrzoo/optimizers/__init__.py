"""Optimizers for models that are mostly tables, and the registry of optimizers that programs accept by name.

The row-wise optimizers need TensorFlow or JAX; PyTorch has only GRDA and the composite. Keras is loaded with the first
class that is requested, so programs can read the registry without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrzoo.optimizers.registry import OPTIMIZERS, build

if TYPE_CHECKING:
    from ctrzoo.optimizers.composite import CompositeOptimizer
    from ctrzoo.optimizers.grda import GRDA
    from ctrzoo.optimizers.rowwise import SGD, Adagrad, Ftrl, LazyAdam

__all__ = ["GRDA", "OPTIMIZERS", "SGD", "Adagrad", "CompositeOptimizer", "Ftrl", "LazyAdam", "build"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Import all of them at once: Keras finds a saved model's optimizer only if its class was imported.
    from ctrzoo.optimizers import composite, grda

    classes = {"CompositeOptimizer": composite.CompositeOptimizer, "GRDA": grda.GRDA}
    import keras

    if keras.backend.backend() in ("tensorflow", "jax"):
        from ctrzoo.optimizers import rowwise

        classes |= {each: getattr(rowwise, each) for each in ("SGD", "Adagrad", "Ftrl", "LazyAdam")}
    globals().update(classes)
    if name not in classes:
        raise AttributeError(f"`{name}` needs TensorFlow or JAX. Set KERAS_BACKEND=tensorflow, or jax.")
    return classes[name]
