"""A table with columns of all types, a schema with fields of all kinds, and what a prepared folder holds of it."""

import datetime
import decimal
import json

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as parquet

from ctrzoo.data_pipelines import load

ROWS = 9_000
SCHEMA = {
    "label": "click",
    "weight": "cost",
    "group": "user",
    "time": "at",
    "id": "name",
    "split": {"hash": ["user", "whole"], "train": 0.7, "valid": 0.2, "test": 0.1},
    "missing": ["NULL"],
    "fields": [
        {"name": "site", "min_count": 4},
        {"name": "last", "share": "site", "min_count": 4},
        {"name": "whole", "missing": "category"},
        {"name": "amount", "min_count": 2, "missing": "reserved"},
        "flag",
        "day",
        {"name": "moment", "column": "at"},
        {"name": "hour", "column": "at", "part": "hour", "time_zone": "Asia/Kolkata"},
        "mixed",
        {"name": "price", "kind": "numerical"},
        {"name": "log", "column": "price", "kind": "numerical", "transform": "log1p"},
        {"name": "scaled", "column": "price", "kind": "numerical", "transform": "min_max"},
        {"name": "normal", "column": "price", "kind": "numerical", "transform": "standard"},
        {"name": "bucket", "column": "price", "transform": "quantile", "num_buckets": 7, "missing": "category"},
        {"name": "step", "column": "price", "transform": "log_squared_bucket"},
        {"name": "tags", "kind": "multivalued", "min_count": 2},
        {"name": "weighted", "kind": "multivalued", "weight_separator": ":", "pooling": "sum"},
        {"name": "halves", "column": "last", "compositional": 3},
        {"name": "emb", "kind": "vector"},
        {"name": "seen", "kind": "sequence", "share": "site", "min_count": 4},
        {"name": "seen_tags", "kind": "sequence", "events": "seen", "column": "more", "min_count": 2},
        {"name": "both", "cross": ["site", "flag"], "min_count": 5},
        {"name": "three", "cross": ["bucket", "hour", "mixed"], "min_count": 3},
    ],
}


def table(rows=ROWS, seed=0):
    """Return a `pyarrow.Table` of typed columns with missing cells."""
    random = np.random.default_rng(seed)

    def some(values, share=0.1):
        return [None if random.random() < share else value for value in values]

    sites = [f"s{int(number)}" for number in random.zipf(1.3, rows) % 900]
    start = datetime.datetime(2024, 3, 30, tzinfo=datetime.UTC)
    seconds = random.integers(0, 40, rows) * 7_200 + random.integers(0, 3, rows)
    moments = [start + datetime.timedelta(seconds=int(second)) for second in seconds]
    counts = random.integers(0, 4, rows)
    return pa.table(
        {
            "click": pa.array(random.integers(0, 2, rows), pa.int32()),
            "cost": pa.array(random.integers(0, 5, rows) / 2),
            "user": pa.array([f"u{number}" for number in random.integers(0, 300, rows)]),
            "name": pa.array([f"row {number}" for number in range(rows)]),
            "at": pa.array(moments, pa.timestamp("us", "UTC")),
            "site": pa.array(some(["" if number % 50 == 0 else site for number, site in enumerate(sites)])),
            "last": pa.array(some(sites[::-1], 0.3)),
            "whole": pa.array(some(random.integers(-3, 30, rows).tolist()), pa.int64()),
            "amount": pa.array(
                some([decimal.Decimal(int(cents)) / 100 for cents in random.integers(0, 400, rows)]),
                pa.decimal128(10, 2),
            ),
            "flag": pa.array(some((random.random(rows) < 0.3).tolist()), pa.bool_()),
            "day": pa.array(some([moment.date() for moment in moments]), pa.date32()),
            "mixed": pa.array(random.choice(["8", "8.0", " 08", "NULL", "", "x", "-1"], rows).tolist()),
            "price": pa.array(some(np.round(np.exp(random.normal(2, 2, rows)), 3).tolist()), pa.float64()),
            "tags": pa.array(
                some([[f"t{int(tag)}" for tag in random.zipf(1.5, count) % 80] for count in counts]),
                pa.list_(pa.string()),
            ),
            "weighted": pa.array(some([f"a:{count}|b{count}:0.5|c" for count in counts])),
            "emb": pa.array(
                some([row.tolist() for row in random.normal(size=(rows, 3)).round(3)]), pa.list_(pa.float64())
            ),
            "seen": pa.array(some([sites[row : row + count] for row, count in enumerate(counts)])),
            "more": pa.array([[f"t{n}" for n in range(count)] for count in np.minimum(counts, rows - np.arange(rows))]),
            "unused": pa.array(range(rows)),
        }
    )


def write(folder, files=3, rows=ROWS):
    """Write the table into some Parquet files; return their pattern."""
    folder.mkdir()
    content, each = table(rows), -(-rows // files)
    for number in range(files):
        parquet.write_table(content.slice(number * each, each), folder / f"part-{number}.parquet")
    return f"{folder}/*.parquet"


def fitted(folder):
    """Return what was fitted: fields without floats that may be rounded otherwise, these, and the vocabulary."""
    config = json.loads((folder / "encoding.json").read_text())
    del config["ctrzoo_version"]
    config.pop("table", None)  # how files are written, which a DataFrame does not know
    rounded = [
        [field["name"], field.pop("offset", None), field.pop("scale", None)]
        for field in config["fields"]
        if field.get("transform") == "standard"
    ]
    return config, rounded, pl.read_parquet(folder / "vocabulary.parquet").to_dict(as_series=False)


def rows_of(folder, columns=("weight", "group", "time", "id")):
    """Return the rows of each split in an order that depends only on their content: by the unique `id`."""
    data, found = load(folder), {}
    for split in data.num_rows:
        batches = list(data.dataset(split, 4096, shuffle=False, columns=columns).as_numpy_iterator())
        parts = [{**features, "label": label, "w": weight, **more} for features, label, weight, more in batches]
        rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        order = np.argsort(rows["id"])
        found[split] = {name: values[order] for name, values in rows.items()}
    return found


def counts_in(folder):
    """Return the counts of the report that do not depend on the engine."""
    report = json.loads((folder / "report.json").read_text())
    for field in report["fields"]:
        field.pop("numbers", None)  # of a DataFrame, no range and no quantiles are counted
    keys = ("rows", "positives", "splits", "num_ids", "fields", "mean_weight", "columns", "warnings", "bad_rows")
    return {key: report.get(key) for key in keys}
