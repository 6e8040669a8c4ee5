"""A table with every kind of field, runs on it, and a way to export them within a process."""

import contextlib
import io

import numpy as np
import pandas as pd

from ctrzoo import data_pipelines
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from ctrzoo.experiments import export
from tests.experiments.scored_table import run_of

FIRST_TEST_ROW = 300
SCHEMA = {
    "label": "click",
    "missing": ["NULL"],
    "fields": [
        {"name": "site", "min_count": 3},
        {"name": "last_site", "share": "site", "min_count": 3},
        {"name": "maybe", "column": "site", "missing": "category", "oov": False},
        {"name": "user", "hash_buckets": 50},
        {"name": "device", "hash_buckets": 1000, "compositional": 40},
        {"name": "ad", "compositional": 4, "min_count": 2},
        {"name": "rate", "type": "decimal"},
        {"name": "flag", "type": "boolean"},
        {"name": "price", "kind": "numerical", "transform": "standard"},
        {"name": "views", "kind": "numerical", "transform": "log1p"},
        {"name": "root", "column": "views", "kind": "numerical", "transform": "sqrt"},
        {"name": "squared", "column": "views", "kind": "numerical", "transform": "log_squared"},
        {"name": "views_bucket", "column": "views", "transform": "log_squared_bucket"},
        {"name": "age", "transform": "quantile", "num_buckets": 4, "missing": "category"},
        {"name": "hour", "column": "at", "part": "hour"},
        {"name": "berlin_day", "column": "at", "part": "weekday", "time_zone": "Europe/Berlin"},
        {"name": "tags", "kind": "multivalued", "max_values": 2, "keep": "last", "min_count": 4},
        {"name": "largest_tag", "column": "tags", "kind": "multivalued", "pooling": "max"},
        {"name": "likes", "kind": "multivalued", "separator": ";", "weight_separator": ":", "pooling": "sum"},
        {"name": "site_hour", "cross": ["site", "hour"]},
        {"name": "age_rate", "cross": ["age", "rate"]},
        {"name": "place", "kind": "vector", "columns": ["x", "y"]},
        {"name": "picture", "kind": "vector", "separator": ";"},
    ],
    "split": {"column": "day", "valid_from": 250, "test_from": FIRST_TEST_ROW},
}


def wide_frame(num_rows=500, seed=0):
    """Return rows as text; some cells are missing, and some values occur only in late rows."""
    random = np.random.default_rng(seed)

    def several(write, most):
        return ["|".join(map(str, write(length))) for length in random.integers(0, most, num_rows)]

    frame = pd.DataFrame(
        {
            "click": random.integers(0, 2, num_rows),
            "site": [f"s{number}" for number in random.integers(0, 9 + np.arange(num_rows) // 100)],
            "last_site": [
                f"s {number}é" if number == 4 else f"s{number}" for number in random.integers(0, 12, num_rows)
            ],
            "user": random.integers(0, 500, num_rows),
            "device": [f"d{number}" for number in random.integers(0, 300, num_rows)],
            "ad": random.integers(0, 40, num_rows),
            "rate": random.choice(["0.5", ".25", "1e1", "3"], num_rows),
            "flag": random.choice(["true", "False", "TRUE"], num_rows),
            "price": random.normal(size=num_rows).round(3),
            "views": random.integers(-3, 2000, num_rows),
            "age": random.integers(18, 80, num_rows),
            "at": [f"2024-06-{1 + row % 28:02d} {row % 24:02d}:{row % 60:02d}:00" for row in range(num_rows)],
            "tags": several(lambda count: random.integers(0, 9, count), 4),
            "likes": several(
                lambda count: [f"l{number % 7}:{number / 8}" for number in random.integers(1, 20, count)], 4
            ),
            "x": random.normal(size=num_rows).round(2),
            "y": random.normal(size=num_rows).round(2),
            "picture": [";".join(map(str, numbers)) for numbers in random.normal(size=(num_rows, 3)).round(2)],
            "day": np.arange(num_rows),
        }
    ).astype(str)
    frame["likes"] = frame["likes"].str.replace("|", ";")
    for column in ("site", "price", "age", "rate", "views", "picture", "ad"):
        frame.loc[random.random(num_rows) < 0.06, column] = "NULL"
    return frame


def wide_data(folder):
    """Write `rows.csv`, prepare it, write the raw test rows to `test.csv`; return the prepared data."""
    frame = wide_frame()
    frame.to_csv(folder / "rows.csv", index=False)
    frame[FIRST_TEST_ROW:].to_csv(folder / "test.csv", index=False)
    prepare_own_table(folder / "data", "wide", folder / "rows.csv", SCHEMA)
    return data_pipelines.load(folder / "data")


def wide_run(folder, data, model="fm", scale=0.05, **options):
    """Save a model with random weights of a standard deviation as a run in a folder; return the model."""
    return run_of(folder, data, model, scale=scale, **options)


def run_export(*arguments):
    """Run `ctrzoo-export` in this process; return what it says."""
    values = export.FLAGS
    for name in values:
        values[name].unparse()
    given = values(["ctrzoo-export", *map(str, arguments)])
    messages = io.StringIO()
    with contextlib.redirect_stderr(messages):
        export.main(given)
    return " ".join(messages.getvalue().split())
