"""Step time against vocabulary: `python -m ctrzoo.experiments.benchmarks.vocabulary`.

A step has one embedding table and the factorization machine's pair term: forward, backward and an Adam update, on one
core. The contestants are ours (`FieldEmbedding` with row-wise Adam), Keras' own Embedding and Adam, and Keras'
Embedding with row-wise Adam. Ours and Keras' are also compiled by XLA, with loops left rolled. All contestants take
turns, each alternating with its step at the smallest vocabulary, so ratios hold on a busy machine too. Times are
medians of CPU time.
"""

import functools
import itertools
import os
import statistics
import time
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

from ctrzoo import optimizers
from ctrzoo.layers import FieldEmbedding, PairwiseInteraction
from ctrzoo.schema import Field, Schema
from ctrzoo.startup import keep_loops_rolled
from ctrzoo.types import Config

FLAGS = flags.FLAGS
NUM_BATCHES = 16
VOCABULARIES = (10_000, 100_000, 1_000_000, 5_000_000, 10_000_000)


def ours(vocabulary: int, num_fields: int, dim: int, jit_compile: bool = False) -> keras.Model:
    """Return a compiled model with `FieldEmbedding` and the row-wise Adam."""
    schema = Schema(tuple(Field(f"field_{i}", vocabulary_size=vocabulary // num_fields) for i in range(num_fields)))
    ids = keras.Input((num_fields,), dtype="int32")
    embedding = FieldEmbedding(schema, dim)
    embedded = embedding({"ids": ids, "values": keras.ops.ones_like(ids, "float32")})
    return _compiled(ids, embedded, optimizers.LazyAdam(), jit_compile)


def keras_embedding(vocabulary: int, num_fields: int, dim: int) -> keras.Model:
    """Return a compiled model with Keras' Embedding and the row-wise Adam."""
    ids = keras.Input((num_fields,), dtype="int32")
    return _compiled(ids, keras.layers.Embedding(vocabulary + 1, dim)(ids), optimizers.LazyAdam())


def keras_alone(vocabulary: int, num_fields: int, dim: int, jit_compile: bool = False) -> keras.Model:
    """Return a compiled model with Keras' Embedding and Adam."""
    ids = keras.Input((num_fields,), dtype="int32")
    return _compiled(ids, keras.layers.Embedding(vocabulary + 1, dim)(ids), keras.optimizers.Adam(), jit_compile)


CONTESTANTS = {
    "ctrzoo": ours,
    "ctrzoo, XLA": functools.partial(ours, jit_compile=True),
    "keras embedding, row-wise adam": keras_embedding,
    "keras": keras_alone,
    "keras, XLA": functools.partial(keras_alone, jit_compile=True),
}
DENSE = ("keras", "keras, XLA")


def _compiled(ids, embedded, optimizer, jit_compile=False):
    logit = PairwiseInteraction()(embedded)
    model = keras.Model(ids, keras.layers.Activation("sigmoid")(logit))
    model.compile(optimizer, "binary_crossentropy", jit_compile=jit_compile)  # pyright: ignore[reportArgumentType] (Keras hints "auto")
    return model


def _stepper(model, vocabulary, num_fields, batch_size, is_skewed, seed=0):
    """Return a function that makes one training step on the next of several batches of random ids."""
    rng = np.random.default_rng(seed)
    size = vocabulary // num_fields
    draws = rng.random((NUM_BATCHES, batch_size, num_fields))
    ranks = size**draws - 1 if is_skewed else size * draws
    ids = 1 + np.minimum(ranks.astype("int32"), size - 1) + size * np.arange(num_fields, dtype="int32")
    labels = rng.integers(0, 2, (NUM_BATCHES, batch_size, 1)).astype("float32")
    batches = iter(tf.data.Dataset.from_tensor_slices((ids, labels)).repeat())
    model.make_train_function()
    return lambda: model.train_function(batches)


def measure(
    vocabularies: Sequence[int] = VOCABULARIES,
    batch_size: int = 1024,
    num_fields: int = 39,
    dim: int = 16,
    is_skewed: bool = False,
    num_steps: int = 30,
    largest_keras: int = 1_000_000,
) -> list[Config]:
    """Time a training step for each vocabulary and contestant.

    Args:
        vocabularies: Numbers of rows in the table, ascending.
        batch_size: Rows of a batch.
        num_fields: Number of ids per row, each from its own part of the table.
        dim: Size of an embedding vector.
        is_skewed: Whether to draw ids log-uniformly (Zipf's law), as in click logs, instead of uniformly, which is the
            worst case.
        num_steps: Number of timed steps per contestant.
        largest_keras: Largest vocabulary at which Keras' dense Adam is timed.

    Returns:
        A list of `{"vocabulary", "implementation", "milliseconds", "growth", "times_faster"}`: the median CPU time per
        step; its multiple of the time at the smallest vocabulary; and its speedup over plain Keras (without XLA),
        `None` if Keras was not timed.
    """
    keep_loops_rolled()
    rows = []
    for vocabulary in vocabularies:
        names = [name for name in CONTESTANTS if name not in DENSE or vocabulary <= largest_keras]
        steps = {}
        for name, size in itertools.product(names, sorted({vocabularies[0], vocabulary})):
            model = CONTESTANTS[name](size, num_fields, dim)
            steps[name, size] = _stepper(model, size, num_fields, batch_size, is_skewed)
        seconds = _alternate(steps, num_steps)
        for name in names:
            ours = seconds[name, vocabulary]
            faster = seconds["keras", vocabulary] / ours if "keras" in names else None
            facts = {"vocabulary": vocabulary, "implementation": name, "milliseconds": 1e3 * ours}
            rows.append({**facts, "growth": ours / seconds[name, vocabularies[0]], "times_faster": faster})
    return rows


def _alternate(steps, num_steps, num_warm=4):
    """Return each contestant's median CPU seconds per step."""
    seconds = {name: [] for name in steps}
    for number in range(num_warm + num_steps):
        for name, step in steps.items():
            start = time.process_time()
            float(step()["loss"])  # waits for the step
            if number >= num_warm:
                seconds[name].append(time.process_time() - start)
    return {name: statistics.median(each) for name, each in seconds.items()}


def use_one_core(core: int) -> None:
    """Pin this process to one core and TensorFlow to one thread."""
    os.sched_setaffinity(0, {core})
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def main(argv: Sequence[str]) -> None:
    """Print the table as Markdown."""
    del argv
    use_one_core(FLAGS.core)
    print("| vocabulary | implementation | ms per step | relative to 10k rows | times faster than Keras |")
    print("|---|---|---|---|---|")
    vocabularies = [int(text) for text in FLAGS.vocabularies]
    for row in measure(vocabularies, is_skewed=FLAGS.skewed, largest_keras=FLAGS.largest_keras):
        faster = f"{row['times_faster']:.1f}" if row["times_faster"] else "–"
        cells = (f"{row['vocabulary']:,}", row["implementation"], f"{row['milliseconds']:.1f}", f"{row['growth']:.2f}")
        print(f"| {' | '.join(cells)} | {faster} |", flush=True)


if __name__ == "__main__":
    flags.DEFINE_integer("core", 0, "The core to use.")
    flags.DEFINE_list("vocabularies", [str(size) for size in VOCABULARIES], "Rows of the table, separated by commas.")
    flags.DEFINE_bool("skewed", False, "Whether to draw ids by Zipf's law instead of uniformly.")
    flags.DEFINE_integer("largest_keras", 1_000_000, "Largest vocabulary at which Keras' own Adam is timed.")
    app.run(main)
