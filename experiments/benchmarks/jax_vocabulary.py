"""Step time on JAX against vocabulary: `python -m ctrzoo.experiments.benchmarks.jax_vocabulary`.

DeepFM is trained by the row-wise Adam and by Adam on all rows, which take turns: A A B B, of which the second step is
timed. Times are medians of processor time, over all devices together.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from absl import app, flags

from ctrzoo.startup import choose_backend
from ctrzoo.types import Config

FLAGS = flags.FLAGS
OPTIMIZERS = ("lazy_adam", "adam")
VOCABULARIES = (10_000, 100_000, 1_000_000, 10_000_000)
NUM_BATCHES = 8


def stepper(optimizer: str, vocabulary: int, batch_size: int, num_fields: int, num_devices: int) -> Callable[[], float]:
    """Return a function that makes one training step of DeepFM and returns its loss.

    Args:
        optimizer: A name of the registry.
        vocabulary: Rows of the table, over all fields.
        batch_size: Rows of a batch; ids are uniform.
        num_fields: Fields, each with its own part of the table.
        num_devices: Devices that the rows of the table are divided over.
    """
    from ctrzoo import optimizers
    from ctrzoo.schema import Field, Schema
    from ctrzoo.training.jax_step import JaxStep
    from ctrzoo.training.strategy import make_strategy

    from ... import models

    size = vocabulary // num_fields
    schema = Schema([Field(f"field_{index}", vocabulary_size=size) for index in range(num_fields)])
    with make_strategy("model_parallel", num_devices).scope():
        model = models.build("deepfm", schema, embedding_dim=16, deep_units=(64, 64))
        model.compile(optimizers.build(optimizer, 0.001))
        model.optimizer.build(model.trainable_variables)
    random = np.random.default_rng(0)
    shape = (NUM_BATCHES, batch_size, num_fields)
    ids = (np.array(schema.first_ids) + random.integers(0, size, shape)).astype("int32")
    labels = random.integers(0, 2, (NUM_BATCHES, batch_size, 1)).astype("float32")
    values = np.ones(shape[1:], "float32")
    step, numbers = JaxStep(model), _forever(NUM_BATCHES)

    def make_step():
        number = next(numbers)
        return float(step.train(({"ids": ids[number], "values": values}, labels[number])))

    return make_step


def measure(
    vocabularies: Sequence[int] = VOCABULARIES,
    batch_size: int = 1024,
    num_fields: int = 10,
    num_devices: int = 1,
    num_rounds: int = 15,
) -> Iterator[Config]:
    """Time both optimizers in turns, for one vocabulary after the other.

    Yields:
        `{"rows", "lazy_adam", "adam", "ratio"}`: the medians of the milliseconds per step, and that of the ratios of
        both within a round.
    """
    for vocabulary in vocabularies:
        steps = {name: stepper(name, vocabulary, batch_size, num_fields, num_devices) for name in OPTIMIZERS}
        seconds = {name: [] for name in OPTIMIZERS}
        for number in range(num_rounds + 2):
            for name, step in steps.items():
                step()  # frees what the other optimizer's step left, which takes longer than a row-wise step
                start = time.process_time()
                step()
                if number >= 2:  # the first steps compile and warm up
                    seconds[name].append(time.process_time() - start)
        rows, dense = (seconds[name] for name in OPTIMIZERS)
        medians = {name: 1e3 * statistics.median(each) for name, each in seconds.items()}
        ratio = statistics.median(other / own for own, other in zip(rows, dense, strict=True))
        yield {"rows": vocabulary, **medians, "ratio": ratio}


def _forever(count):
    while True:
        yield from range(count)


def main(argv: Sequence[str]) -> None:
    """Print the table as Markdown."""
    del argv
    choose_backend("jax", FLAGS.num_devices)
    print("| rows | row-wise Adam, ms | Adam on all rows, ms | ratio |\n|---|---|---|---|")
    sizes = [int(text) for text in FLAGS.vocabularies]
    for row in measure(sizes, num_devices=FLAGS.num_devices, num_rounds=FLAGS.rounds):
        times = " | ".join(f"{row[name]:.1f}" for name in OPTIMIZERS)
        print(f"| {row['rows']:,} | {times} | {row['ratio']:.1f} |", flush=True)


if __name__ == "__main__":
    flags.DEFINE_list("vocabularies", [str(size) for size in VOCABULARIES], "Rows of the table, separated by commas.")
    flags.DEFINE_integer("num_devices", 1, "Devices that the table is divided over.")
    flags.DEFINE_integer("rounds", 15, "Timed steps of each optimizer.", lower_bound=1)
    app.run(main)
