"""The models of the zoo, with the optimizer of `ctrzoo-train`."""

from ctrzoo.experiments.benchmarks.keras_calls import calls_of, limit_threads

LEARNING_RATE = 1e-3
MOST_IDS_OF_DENSE_ADAM = 100_000


def prepare(work):
    """Return what is timed; see `keras_calls.calls_of`."""
    limit_threads(work)
    from ctrzoo import models

    return calls_of(models.build(work.model, work.make_schema(), **work.hyperparameters), make_optimizer(work), work)


def make_optimizer(work):
    """Return the optimizer of `ctrzoo-train`: row-wise Adam on the tables of Criteo and Avazu, else dense Adam."""
    from ctrzoo import optimizers

    name = "adam" if work.make_schema().num_ids > MOST_IDS_OF_DENSE_ADAM else "dense_adam"
    return optimizers.build(name, LEARNING_RATE)
