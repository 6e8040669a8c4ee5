"""Optimizers for models that are mostly tables, and the registry of all that a program can name.

The row-wise optimizers are written for TensorFlow; on other backends only GRDA and the composite are here.
"""

import ctrzoo.startup  # noqa: F401  (before Keras)

import keras

from ctrzoo.optimizers.composite import CompositeOptimizer
from ctrzoo.optimizers.grda import GRDA

__all__ = ["GRDA", "CompositeOptimizer"]

if keras.backend.backend() == "tensorflow":
    from ctrzoo.optimizers.rowwise import OPTIMIZERS, SGD, Adagrad, Adam, Ftrl, build

    __all__ += ["OPTIMIZERS", "SGD", "Adagrad", "Adam", "Ftrl", "build"]
