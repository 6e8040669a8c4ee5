"""How long an exported model takes for one row and for 1,000 candidates, on one core.

A SavedModel from raw cells, one from ids, ONNX, and the same model in plain Keras (an embedding layer per field) as a
SavedModel from ids answer in turns: A B C A B C. Their tables are Criteo's: 13 numbers and 26 categories.
"""

from __future__ import annotations

import importlib.util
import pathlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import polars as pl

from ctrzoo.types import Config

from ... import models
from ...data_pipelines.encoding.field import FieldEncoding
from ...data_pipelines.encoding.fields import TableEncoding
from ..exporting import onnx_file
from ..exporting.differences import TOLERANCE, largest_difference
from ..exporting.saved_model import CELLS, IDS, LoadedModel, cells_of_frame, save_model
from .baselines import keras_tables

NUMBERS, CATEGORIES = 13, 26
SEED = 0
WARM_CALLS = 20


def measure(
    names: Sequence[str],
    sizes: Sequence[int] = (1, 1000),
    calls: int = 1000,
    vocabulary: int = 10_000,
) -> list[Config]:
    """Return a row for each model, number of rows and way.

    Args:
        names: Models of the zoo.
        sizes: Rows of a call.
        calls: How often each way is called; the 99th percentile needs some hundreds.
        vocabulary: Values of each category.

    Raises:
        RuntimeError: If two ways do not predict the same.
    """
    encoding, frame = criteo_like(vocabulary, max(sizes))
    rows = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            ways = _ways(name, encoding, frame, pathlib.Path(folder))
            for size in sizes:
                rows += _timed(name, size, {way: make(size) for way, make in ways.items()}, calls)
    return rows


def criteo_like(vocabulary: int, num_rows: int) -> tuple[TableEncoding, pl.DataFrame]:
    """Return an encoding of Criteo's fields and rows of raw cells; some are missing or unknown.

    Args:
        vocabulary: Values of each category.
        num_rows: How many rows.
    """
    random = np.random.default_rng(SEED)
    fields, columns = [], {}
    for number in range(NUMBERS):
        fields.append(FieldEncoding(f"I{number + 1}", "numerical", transform="log_squared", scale=64.0))
        cells = random.integers(-2, 3000, num_rows).astype(float)
        columns[fields[-1].name] = np.where(random.random(num_rows) < 0.1, np.nan, cells)
    for number in range(CATEGORIES):
        values = [f"{value:08x}" for value in random.choice(1 << 32, vocabulary, replace=False)]
        fields.append(FieldEncoding(f"C{number + 1}", min_count=2, values=pl.Series(values)))
        texts = np.array([*values, "00000000x", ""])
        columns[fields[-1].name] = texts[random.integers(0, len(texts), num_rows)]
    return TableEncoding(fields), pl.DataFrame(columns)


def _ways(name, encoding, frame, folder) -> dict[str, Callable[[int], Callable[[], np.ndarray]]]:
    """Return for each way a function from a number of rows to the function to time."""
    schema, features = encoding.schema, encoding.features(frame)
    model = models.build(name, schema)
    save_model(model, encoding, folder / "zoo")
    save_model(keras_tables.build(name, schema), None, folder / "keras")
    loaded, plain = LoadedModel(folder / "zoo"), LoadedModel(folder / "keras")
    ways = {
        "SavedModel, cells": _calls(loaded, CELLS, cells_of_frame(encoding, frame)),
        "SavedModel, ids": _calls(loaded, IDS, features),
        "plain Keras, ids": _calls(plain, IDS, features),
    }
    if all(importlib.util.find_spec(library) for library in onnx_file.NEEDED):
        onnx_file.save_onnx(model, folder / "model.onnx")
        session = onnx_file.session_of(folder / "model.onnx", 1)
        ways["ONNX, ids"] = lambda size: lambda: session.run(None, _head(features, size))[0][:, 0]
    return ways


def _calls(loaded, signature, inputs):
    def of(size):
        call = loaded.caller(_head(inputs, size), signature)
        return lambda: call().numpy()

    return of


def _head(inputs, size):
    return {name: array[:size] for name, array in inputs.items()}


def _timed(name, size, calls, count) -> Iterator[Config]:
    _check(name, calls)
    times = {way: np.empty(count) for way in calls}
    for _ in range(WARM_CALLS):
        for call in calls.values():
            call()
    for number in range(count):
        for way, call in calls.items():
            start = time.perf_counter()
            call()
            times[way][number] = 1000 * (time.perf_counter() - start)
    first = np.median(next(iter(times.values())))
    for way, each in times.items():
        median, high = float(np.median(each)), float(np.quantile(each, 0.99))
        yield {
            "model": name,
            "rows": size,
            "way": way,
            "p50 ms": median,
            "p99 ms": high,
            "ratio": median / float(first),
        }


def _check(name, calls):
    """Compare the ways that have the same weights."""
    expected = calls["SavedModel, ids"]()
    for way in ("SavedModel, cells", "ONNX, ids"):
        difference = largest_difference(calls[way](), expected) if way in calls else 0
        if difference > TOLERANCE:
            raise RuntimeError(f"'{way}' of {name} differs from 'SavedModel, ids' by {difference:.1e}.")
