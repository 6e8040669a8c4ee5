"""The models of the zoo, with the optimizer of `ctrzoo-train`."""

from ctrzoo.experiments.benchmarks.keras_calls import calls_of, limit_threads
from ctrzoo.experiments.settings import Settings

LEARNING_RATE = 1e-3


def prepare(work):
    """Return what is timed; see `keras_calls.calls_of`."""
    limit_threads(work)
    from ctrzoo import models

    return calls_of(models.build(work.model, work.make_schema(), **work.hyperparameters), make_optimizer(), work)


def make_optimizer():
    """Return the optimizer of `ctrzoo-train`."""
    from ctrzoo import optimizers

    return optimizers.build(Settings.optimizer, LEARNING_RATE)
