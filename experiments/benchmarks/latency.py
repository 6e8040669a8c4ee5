"""How long an exported model takes for one row and for 1,000 candidates, on one core.

A SavedModel from raw cells, one from ids, ONNX, and as SavedModels from ids the same model in plain Keras (an embedding
layer per field) and in DeepCTR answer in turns: A B C A B C. Their tables are Criteo's: 13 numbers and 26 categories.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
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
from ..exporting.differences import TOLERANCE
from ..exporting.rounding import compare
from ..exporting.saved_model import CELLS, DEFAULT, IDS, LoadedModel, cells_of_frame, save_model
from .baselines import keras_tables
from .race import import_path
from .shapes import by_field

NUMBERS, CATEGORIES = 13, 26
SEED = 0
WARM_CALLS = 20
DEEPCTR = "ctrzoo.experiments.benchmarks.baselines.deepctr_saved"


def measure(
    names: Sequence[str],
    sizes: Sequence[int] = (1, 1000),
    calls: int = 1000,
    vocabulary: int = 10_000,
    peers_python: str | None = None,
) -> list[Config]:
    """Return a row for each model, number of rows and way.

    Args:
        names: Models of the zoo.
        sizes: Rows of a call.
        calls: How often each way is called; the 99th percentile needs some hundreds.
        vocabulary: Values of each category.
        peers_python: A Python that has DeepCTR; by default the current one, if it has it.

    Raises:
        RuntimeError: If two ways do not predict the same, or DeepCTR fails.
    """
    encoding, frame = criteo_like(vocabulary, max(sizes))
    rows = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            model = models.build(name, encoding.schema)
            ways = _ways(name, model, encoding, frame, pathlib.Path(folder), peers_python)
            for size in sizes:
                made = {way: make(size) for way, make in ways.items()}
                _check(model, _head(encoding.features(frame), size), made)
                rows += _timed(name, size, made, calls)
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


def _ways(name, model, encoding, frame, folder, peers_python) -> dict[str, Callable[[int], Callable[[], np.ndarray]]]:
    """Return for each way a function from a number of rows to the function to time."""
    schema, features = encoding.schema, encoding.features(frame)
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
    if _save_deepctr(name, schema, folder / "deepctr", peers_python):
        ways["DeepCTR, ids"] = _calls(LoadedModel(folder / "deepctr"), DEFAULT, _columns(schema, features))
    return ways


def _columns(schema, features):
    """Return features as DeepCTR takes them, `(rows, 1)` by field; it has no absent ids, they become unknown ones."""
    first = np.array(schema.first_ids, np.int32)[list(schema.slot_fields)]
    known = {**features, "ids": np.maximum(features["ids"], first)}
    return {name: column[:, None] for name, column in by_field(schema, known).items()}


def _save_deepctr(name, schema, folder, python):
    """Save a model of DeepCTR; return whether there is one."""
    if python is None and not importlib.util.find_spec("deepctr"):
        return False
    command = [python or sys.executable, "-m", DEEPCTR, name, json.dumps(schema.to_dict()), str(folder)]
    with import_path() as path:
        environment = {**os.environ, "PYTHONPATH": path, "TF_USE_LEGACY_KERAS": "1"}
        finished = subprocess.run(command, capture_output=True, text=True, env=environment)
    if finished.returncode and "DeepCTR has no model" in finished.stderr:
        return False
    if finished.returncode:
        raise RuntimeError(f"DeepCTR did not save {name}: {(finished.stderr.splitlines() or ['no message'])[-1]}")
    return True


def _calls(loaded, signature, inputs):
    def of(size):
        call = loaded.caller(_head(inputs, size), signature)
        return lambda: call().numpy()

    return of


def _head(inputs, size):
    return {name: array[:size] for name, array in inputs.items()}


def _timed(name, size, calls, count) -> Iterator[Config]:
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


def _check(model, features, calls):
    """Compare the ways that have the same weights."""
    expected = calls["SavedModel, ids"]()
    for way in ("SavedModel, cells", "ONNX, ids"):
        if way in calls:
            compared = compare(model, features, calls[way](), expected, TOLERANCE)
            if not compared.difference <= TOLERANCE:
                raise RuntimeError(
                    f"'{way}' of {model.name} differs from 'SavedModel, ids' by {compared.difference:.1e}."
                )
