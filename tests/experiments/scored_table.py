"""A table, its preparation, a model of it as a run, and a way to score tables by `ctrzoo-predict` within a process."""

import contextlib
import csv
import io
import sys
import types

import numpy as np
import pandas as pd

from ctrzoo import data_pipelines, models
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from ctrzoo.experiments import predict

FIRST_TEST_ROW = 400
SCHEMA = {
    "label": "click",
    "id": "key",
    "missing": ["NULL"],
    "fields": [
        "site",
        {"name": "user", "hash_buckets": 50},
        {"name": "price", "kind": "numerical", "transform": "standard"},
        {"name": "age", "transform": "quantile", "num_buckets": 4},
        {"name": "hour", "column": "at", "part": "hour"},
        {"name": "tags", "kind": "multivalued", "separator": "|"},
        {"name": "site_hour", "cross": ["site", "hour"]},
        {"name": "place", "kind": "vector", "columns": ["x", "y"]},
    ],
    "split": {"column": "day", "valid_from": 300, "test_from": FIRST_TEST_ROW},
}


def clicks_frame(num_rows=1000, seed=0):
    """Return rows of every kind of field, as text; some cells are missing and some values occur only in late rows."""
    random = np.random.default_rng(seed)
    texts = {
        "key": [f"{row:03d}" if row % 50 else "NULL" for row in range(num_rows)],
        "click": random.integers(0, 2, num_rows),
        "site": [f"s{number}" for number in random.integers(0, 9 + np.arange(num_rows) // 300)],
        "user": random.integers(0, 500, num_rows),
        "price": random.normal(size=num_rows).round(3),
        "age": random.integers(18, 80, num_rows),
        "at": [f"2024-06-{1 + row % 28:02d} {row % 24:02d}:00:00" for row in range(num_rows)],
        "tags": ["|".join(map(str, random.integers(0, 9, length))) for length in random.integers(0, 4, num_rows)],
        "x": random.normal(size=num_rows).round(2),
        "y": random.normal(size=num_rows).round(2),
        "day": np.arange(num_rows),
    }
    frame = pd.DataFrame(texts).astype(str)
    for column in ("site", "price", "age"):
        frame.loc[random.random(num_rows) < 0.05, column] = "NULL"
    return frame


def run_of(folder, data, model="fm", scale=1 / 3, **options):
    """Save a model of prepared data, with random weights of a standard deviation, as a run."""
    built = models.build(model, data.schema, **options)
    random = np.random.default_rng(3)
    for weight in built.weights:
        weight.assign(random.normal(size=weight.shape) * scale)
    (folder / "encoding").mkdir(parents=True)
    built.save(folder / "model.keras")
    data.encoding.save(folder / "encoding")
    return built


def prepared_run(folder, raw, schema, model="fm", **options):
    """Prepare a table; return its run and what the model predicts for the prepared test rows, in their order."""
    prepare_own_table(folder / "data", "rows", raw, schema)
    data = data_pipelines.load(folder / "data")
    built = run_of(folder / "run", data, model, **options)
    features, _ = data.arrays("test")
    return folder / "run", built.predict(features, verbose=0)[:, 0], built, features


def score(*arguments, stdin=b"", monkeypatch=None):
    """Run `ctrzoo-predict` in this process; return what it says on the standard streams: `(output, messages)`."""
    values = predict.FLAGS
    for name in values:
        values[name].unparse()
    values(["ctrzoo-predict", *map(str, arguments)])
    output, messages = io.BytesIO(), io.StringIO()
    streams = types.SimpleNamespace(buffer=io.BytesIO(stdin)), types.SimpleNamespace(buffer=output, flush=output.flush)
    before = sys.stdin, sys.stdout
    sys.stdin, sys.stdout = streams
    try:
        with contextlib.redirect_stderr(messages):
            predict.main(["ctrzoo-predict"])
    finally:
        sys.stdin, sys.stdout = before
    return output.getvalue().decode(), messages.getvalue()


def cells_of(path):
    """Return the rows of a CSV file as dictionaries of texts, by Python's csv module."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
