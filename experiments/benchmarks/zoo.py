"""The models of the zoo, with row-wise Adam."""

from ctrzoo.experiments.benchmarks.keras_calls import calls_of, limit_threads

LEARNING_RATE = 1e-3


def prepare(work):
    """Return what is timed; see `keras_calls.calls_of`."""
    limit_threads(work)
    from ctrzoo import models

    return calls_of(models.build(work.model, work.make_schema(), **work.hyperparameters), make_optimizer(), work)


def make_optimizer():
    """Return row-wise Adam."""
    from ctrzoo.optimizers import Adam

    return Adam(LEARNING_RATE, epsilon=1e-8)
