"""Measure steps of DeepFM on 1, 2, 4 and 8 CPU devices: `python -m ctrzoo.experiments.scale.measuring`.

The process runs on one core. The devices share this core, so the processor time of a step is the work of all devices
together. A command measures each point once; run it again for more rounds. For TensorFlow, pass `--backend=tensorflow`
and one number of devices, such as `--devices=8`.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import os
import pathlib
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from absl import app, flags

from ctrzoo.files import write_json
from ctrzoo.startup import choose_backend

FLAGS = flags.FLAGS
RESULTS = pathlib.Path(__file__).parents[1] / "results" / "scale"
NUM_FIELDS, FIELD_SIZE = 26, 10_000
NUM_BATCHES = 4
# What a point's strategy needs: the strategy of `make_strategy`, and DeepFM's `embedding_l2`. A penalty on a table
# makes its gradient dense.
SETTINGS = {
    "mirrored": ("mirrored", 0.0),
    "mirrored_dense": ("mirrored", 1e-7),
    "divided_tables": ("model_parallel", 0.0),
    "divided_batch": ("model_parallel", 0.0),
}
# Batch, width of an embedding, and width of both hidden layers.
SHAPES = ((512, 16, 64), (512, 64, 64), (2048, 16, 64), (2048, 16, 256))
DEVICES = (1, 2, 4, 8)


@dataclasses.dataclass(frozen=True)
class Point:
    """What is measured.

    Attributes:
        strategy: A key of `SETTINGS`.
        num_devices: CPU devices.
        batch_size: Rows of a step, over all devices.
        width: Width of an embedding.
        hidden: Units of each of the two hidden layers.
    """

    strategy: str
    num_devices: int
    batch_size: int
    width: int
    hidden: int


def grid() -> list[Point]:
    """Return all points."""
    points = [Point(*each[:2], *each[2]) for each in itertools.product(SETTINGS, DEVICES, SHAPES)]
    return [each for each in points if each.strategy != "mirrored_dense" or _shape(each) == SHAPES[0]]


def _shape(point):
    return point.batch_size, point.width, point.hidden


def stepper(point: Point) -> Callable[[], float]:
    """Return a function that makes one training step and returns its loss, in a process that has enough devices.

    Args:
        point: The point.
    """
    from ctrzoo import optimizers
    from ctrzoo.schema import Field, Schema

    from ... import models

    schema = Schema([Field(f"field_{index}", vocabulary_size=FIELD_SIZE) for index in range(NUM_FIELDS)])
    strategy, l2 = SETTINGS[point.strategy]
    with _strategy(strategy, point.num_devices).scope():
        options = {"embedding_dim": point.width, "deep_units": (point.hidden, point.hidden), "embedding_l2": l2}
        model = models.build("deepfm", schema, **options)
        model.compile(optimizers.build("lazy_adam", 0.001))
        model.optimizer.build(model.trainable_variables)
    random = np.random.default_rng(0)
    is_whole = point.strategy == "divided_tables"  # a batch that cannot be divided is computed by every device
    shape = (NUM_BATCHES, point.batch_size - is_whole, NUM_FIELDS)
    ids = (np.array(schema.first_ids) + random.integers(0, FIELD_SIZE, shape)).astype("int32")
    labels = random.integers(0, 2, (*shape[:2], 1)).astype("float32")
    values = np.ones(shape[1:], "float32")
    batches = itertools.cycle([({"ids": ids[number], "values": values}, labels[number]) for number in range(len(ids))])
    if strategy == "model_parallel":
        from ctrzoo.training.jax_step import JaxStep

        step = JaxStep(model)
    else:
        import tensorflow as tf

        from ctrzoo.training.strategy import ReplicatedStep

        step = ReplicatedStep(model)
        batches = itertools.cycle([tf.nest.map_structure(tf.constant, next(batches)) for _ in range(NUM_BATCHES)])
    return lambda: float(step.train(next(batches)))


@functools.cache
def _strategy(name, num_devices):
    """Return the strategy; all models of a process share it, because TensorFlow numbers the exchanges of each one."""
    from ctrzoo.training.strategy import make_strategy

    return make_strategy(name, num_devices)


def measure(points: Sequence[Point], num_steps: int) -> Iterator[float]:
    """Yield the median of the processor seconds of a step, over all devices together, for one point after the other.

    Args:
        points: Points of one backend, with TensorFlow of one number of devices; Keras is not imported yet.
        num_steps: Timed steps of each point; two more compile and warm up.
    """
    choose_backend(backend_of(points[0]), DEVICES[-1])
    for point in points:
        make_step, seconds = stepper(point), []
        for _ in range(num_steps + 2):
            start = time.process_time()
            make_step()
            seconds.append(time.process_time() - start)
        yield statistics.median(seconds[2:])


def backend_of(point: Point) -> str:
    """Return the backend that a point's strategy needs."""
    return "jax" if SETTINGS[point.strategy][0] == "model_parallel" else "tensorflow"


def main(argv: Sequence[str]) -> None:
    """Measure the chosen points and add them to the file."""
    del argv
    os.sched_setaffinity(0, [FLAGS.core])
    os.environ |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu", "TF_NUM_INTRAOP_THREADS": "1"}
    numbers = [int(number) for number in FLAGS.devices]
    if FLAGS.backend == "tensorflow" and len(numbers) > 1:
        raise app.UsageError(f"TensorFlow divides the CPU once. Pass one number as --devices. Received: {numbers}.")
    chosen = [point for point in grid() if point.strategy in FLAGS.strategies and backend_of(point) == FLAGS.backend]
    points = [point for number in numbers for point in chosen if point.num_devices == number]
    path = pathlib.Path(FLAGS.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    found = json.loads(path.read_text("utf-8")) if path.is_file() else []
    known = {tuple(each[field.name] for field in dataclasses.fields(Point)): each["seconds"] for each in found}
    for point, median in zip(points, measure(points, FLAGS.steps), strict=True):
        known.setdefault(dataclasses.astuple(point), []).append(round(median, 6))
        print(point, known[dataclasses.astuple(point)], flush=True)
        names = [field.name for field in dataclasses.fields(Point)]
        write_json(path, [{**dict(zip(names, key, strict=True)), "seconds": values} for key, values in known.items()])


def define_flags() -> None:
    """Define the flags of the command."""
    flags.DEFINE_enum("backend", "jax", ["jax", "tensorflow"], "The backend whose points are measured.")
    flags.DEFINE_list("strategies", list(SETTINGS), "The strategies to measure, if they are of the backend.")
    flags.DEFINE_list("devices", [str(number) for number in DEVICES], "Numbers of devices, in this order.")
    flags.DEFINE_string("path", str(RESULTS / "points.json"), "The file that the points are added to.")
    flags.DEFINE_integer("steps", 7, "Timed steps of each point.", lower_bound=1)
    flags.DEFINE_integer("core", 0, "The core to run on.")


if __name__ == "__main__":
    define_flags()
    app.run(main)
