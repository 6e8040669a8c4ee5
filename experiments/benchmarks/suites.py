"""The suites: training, prediction, batch sizes, the input pipeline compared with the model, and tables of histories.

Each is a generator: it yields the measurements of one race after the other.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ctrzoo.schema import Schema

from .hyperparameters import HYPERPARAMETERS
from .race import race
from .shapes import SHAPES, history_schema, random_rows
from .work import Work

if TYPE_CHECKING:
    from .options import Options
    from .race import Measurement


PREDICT_BATCH = 8192
# The pipeline shuffles buffers of 65,536 rows; the folder holds several, so that they are not all in memory.
FOLDER_ROWS = 262_144
ONLY_GRAPHFM = ("loop", "plain")
IDS_OF_HISTORIES = (10_000, 100_000, 1_000_000, 10_000_000)
SMALL_SHAPES = ("movielens",)  # `ctrzoo-train` keeps data of this size in memory


def train(options: Options) -> Iterator[list[Measurement]]:
    """Training steps on rows in memory, compared with every baseline."""
    for shape, cores, model in _cases(options):
        yield _race(options, [_work(name, model, shape, cores, options) for name in _implementations(model, options)])


def predict(options: Options) -> Iterator[list[Measurement]]:
    """`predict` over many rows in memory, compared with other libraries."""
    for shape, cores, model in _cases(options):
        names = [name for name in _implementations(model, options) if name not in ONLY_GRAPHFM]
        sizes = {"mode": "predict", "batch_size": PREDICT_BATCH, "num_rows": options.predict_rows}
        yield _race(options, [_work(name, model, shape, cores, options, **sizes) for name in names])


def batch(options: Options) -> Iterator[list[Measurement]]:
    """Training steps against batch size; ratios are relative to the smallest batch."""
    for shape, cores, model in _cases(options):
        sizes = options.batch_sizes
        yield _race(options, [_work("ctrzoo", model, shape, cores, options, batch_size=size) for size in sizes])


def input_share(options: Options) -> Iterator[list[Measurement]]:
    """Only the model (`train`), the model through `fit`, only the input pipeline, and model and pipeline together.

    The ratio of `together` shows how much of a step is spent waiting for data. The ratio of `fit` shows what Keras'
    loop adds.
    """
    for name in options.shapes:
        with tempfile.TemporaryDirectory() as parent:
            folder = write_folder(pathlib.Path(parent) / "rows", SHAPES[name])
            for shape, cores, model in _cases(options, [name]):
                rows = {"folder": folder, "is_cached": shape in SMALL_SHAPES}
                modes = ("train", "together", "input", "fit")
                yield _race(
                    options, [_work("ctrzoo", model, shape, cores, options, mode=mode, **rows) for mode in modes]
                )


def histories(options: Options) -> Iterator[list[Measurement]]:
    """DIN's training steps against rows of the table; ratios are relative to the smallest table."""
    for cores in options.cores:
        works = []
        for size in IDS_OF_HISTORIES:
            work = _work("ctrzoo", "din", "history", cores, options)
            works.append(dataclasses.replace(work, schema=history_schema(size).to_dict(), shape=f"{size:,} ids"))
        yield _race(options, works)


SUITES = {"train": train, "predict": predict, "batch": batch, "input": input_share, "histories": histories}


def write_folder(folder: pathlib.Path, schema: Schema) -> str:
    """Prepare a folder of synthetic rows; return its path."""
    from ...data_pipelines import Block, PreparedWriter
    from ...data_pipelines.encoding.features import stored_slots

    features, labels = random_rows(schema, FOLDER_ROWS)
    numerical = [slot for slot, owner in enumerate(schema.slot_fields) if schema.fields[owner].kind == "numerical"]
    numbers = features["values"][:, numerical]
    with PreparedWriter(folder, "benchmark", schema) as writer:
        writer.add("train", Block(features["ids"][:, stored_slots(schema)], numbers, labels[:, 0].astype(np.uint8)))
    return str(folder)


def _cases(options, shapes=None):
    for shape in shapes or options.shapes:
        for cores in options.cores:
            for model in options.models:
                yield shape, cores, model


def _implementations(model, options):
    return ["ctrzoo", *(name for name in options.baselines if model == "graphfm" or name not in ONLY_GRAPHFM)]


def _work(implementation, model, shape, cores, options, **changes):
    return Work(
        implementation,
        model,
        SHAPES[shape].to_dict(),
        shape=shape,
        cores=_choose_cores(cores),
        hyperparameters=HYPERPARAMETERS.get(model, {}),
        **{"batch_size": options.batch_size, **changes},
    )


def _choose_cores(count):
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    if count > len(usable):
        raise ValueError(f"--cores requests {count} cores, but this process may use {len(usable)}.")
    return tuple(usable[-count:])  # systems often handle interrupts on the first core


def _race(options, works):
    return race(works, options.rounds, options.seconds, options.peers_python)
