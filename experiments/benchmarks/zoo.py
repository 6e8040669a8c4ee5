"""The zoo's models with the optimizer of `ctrzoo-train`: plain, compiled by XLA, or in bfloat16."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..settings import Settings
from .keras_calls import calls_of, limit_threads

if TYPE_CHECKING:
    import keras

    from .work import Work


LEARNING_RATE = 1e-3


def prepare(work: Work) -> Callable[[int], object]:
    """Return the function to time; see `keras_calls.calls_of`."""
    limit_threads(work)
    from ctrzoo import startup

    from ... import models

    if work.implementation == "xla":
        startup.keep_loops_rolled()
    dtype = "mixed_bfloat16" if work.implementation == "bfloat16" else "float32"
    model = models.build(work.zoo_model, work.make_schema(), **work.hyperparameters, dtype=dtype)
    return calls_of(model, make_optimizer(), work, jit_compile=work.implementation == "xla")


def make_optimizer() -> keras.Optimizer:
    """Return the optimizer of `ctrzoo-train`."""
    from ctrzoo import optimizers

    return optimizers.build(Settings.optimizer, LEARNING_RATE)
