"""The timed calls of a Keras model: training steps, `fit`, the input pipeline, `predict`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .shapes import random_rows

if TYPE_CHECKING:
    import keras

    from .work import Work


BATCHES_IN_MEMORY = 16


def limit_threads(work: Work) -> None:
    """Give TensorFlow as many threads as the process has cores. Call it before using TensorFlow in any way."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(len(work.cores))
    tf.config.threading.set_inter_op_parallelism_threads(len(work.cores))


def calls_of(
    model: keras.Model, optimizer: keras.Optimizer, work: Work, jit_compile: bool = False
) -> Callable[[int], object]:
    """Return a function of n that makes n calls of the kind that `work.mode` names.

    Args:
        model: A Keras model that maps features to probabilities.
        optimizer: A Keras optimizer.
        work: The `Work`.
        jit_compile: Whether XLA compiles a step.
    """
    model.compile(optimizer, jit_compile=jit_compile)  # pyright: ignore[reportArgumentType] (Keras hints "auto")
    if work.mode == "predict":
        features, _ = random_rows(model.schema, work.num_rows)

        def call(count):
            for _ in range(count):
                model.predict(features, batch_size=work.batch_size, verbose=0)  # pyright: ignore[reportArgumentType]

        return call
    batches = _pipeline(work) if work.mode in ("input", "together") else _in_memory(model.schema, work.batch_size)
    if work.mode == "fit":

        def fit(count):
            model.fit(batches, steps_per_epoch=count, shuffle=False, verbose=0)  # pyright: ignore[reportArgumentType]

        return fit
    iterator = iter(batches)
    if work.mode == "input":
        return _reading(iterator)
    model.make_train_function()
    step = model.train_function
    assert step is not None, "it was just created"

    def call(count):
        logs = {"loss": 0.0}
        for _ in range(count):
            logs = step(iterator)
        float(logs["loss"])  # waits for the last step

    return call


def _reading(iterator):
    """Return a function that takes n batches from an iterator within a graph, as a training step does."""
    import tensorflow as tf

    @tf.function
    def read(count):
        for _ in tf.range(count):
            next(iterator)

    return lambda count: read(tf.constant(count))


def _in_memory(schema, batch_size):
    import tensorflow as tf

    features, labels = random_rows(schema, BATCHES_IN_MEMORY * batch_size)
    cut = {key: array.reshape(BATCHES_IN_MEMORY, batch_size, -1) for key, array in features.items()}
    batches = (cut, labels.reshape(BATCHES_IN_MEMORY, batch_size, 1))
    options = tf.data.Options()
    options.autotune.enabled = False  # autotuning waits when an iteration ends
    return tf.data.Dataset.from_tensor_slices(batches).repeat().with_options(options)  # pyright: ignore[reportArgumentType]


def _pipeline(work):
    from ... import data_pipelines

    data = data_pipelines.load(work.folder)
    return data.dataset("train", work.batch_size, drop_remainder=True, cache=work.is_cached).repeat()
