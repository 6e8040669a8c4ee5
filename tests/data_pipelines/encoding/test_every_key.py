"""Every key of a field's schema means the same in preparation, `encode` and serving."""

import dataclasses

import numpy as np
import polars as pl
import pytest
import tensorflow as tf

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.encoding.fields import TableEncoding
from ctrzoo.data_pipelines.encoding.serving import ServingEncoder
from ctrzoo.data_pipelines.encoding.specification import FieldSpecification
from ctrzoo.data_pipelines.preparation.table import prepare_own_table

ROWS = 60
RANDOM = np.random.default_rng(0)
# What the column of kinds says of the events in the column of items: as many values, or nothing.
SIDE = {"x|y": ("1|2", ""), "x": ("", "1"), "y||x": ("2||1", "|3|1"), "": ("", "3"), "NULL": ("NULL", "")}
SIDE |= {"z|w|x": ("3|3|1", "1|1|"), "q": ("9", ""), "[x, y]": ("1|2", "['2', '']"), "x|NULL": ("1|2", "2|2")}
COLUMNS = {
    "row": [str(row) for row in range(ROWS)],
    "text": RANDOM.choice(["a", "a", "a", "b", "b", "8", "8.0", "", "NULL", "c"], ROWS).tolist(),
    "whole": RANDOM.choice(["1", "2.0", "+3", "", "NULL", "40"], ROWS).tolist(),
    "number": RANDOM.choice(["0.5", "3", "-1", "", "NULL", "1e3"], ROWS).tolist(),
    "tags": RANDOM.choice(["x|y", "x", "y|z|x", "", "NULL", "w|x"], ROWS).tolist(),
    "list": RANDOM.choice(["[1, 2]", "[3]", "1;2;2", "", "[2,3]"], ROWS).tolist(),
    "time": RANDOM.choice(
        ["2024-03-31T00:59:59Z", "2024-03-31 01:00Z", "2024-11-04", "", "NULL", "soon"], ROWS
    ).tolist(),
    "day": RANDOM.choice(["1.6.2024", "01.06.2024", "2024-06-02", "", "NULL", "31.12.2024"], ROWS).tolist(),
    "second": RANDOM.choice(["1717200000", "1717200000.5", "", "NULL", "-1", "1711846800"], ROWS).tolist(),
    "vector": RANDOM.choice(["0.5;1;-2", "[1, 2.5, 3]", "[1e3 .25\t-7]", "", "NULL", " 3 ; 4;5 "], ROWS).tolist(),
    "part1": (part1 := RANDOM.choice(["0.5", "3", "", "NULL", "1e3"], ROWS)).tolist(),
    "part2": np.where(np.isin(part1, ["", "NULL"]), "", RANDOM.choice([" 2", "+.5", "-1"], ROWS)).tolist(),
    "seen": (seen := RANDOM.choice(["x|y", "x", "y||x", "", "NULL", "z|w|x", "q", "[x, y]", "x|NULL"], ROWS)).tolist(),
    "kinds": [SIDE[cell][row % 2] for row, cell in enumerate(seen)],
    "weights": RANDOM.choice(["x:2|y:0.5", "x", "y:3", ""], ROWS).tolist(),
}
TEXT, NUMBER = {"column": "text"}, {"column": "number", "kind": "numerical"}
TAGS = {"column": "tags", "kind": "multivalued"}
# The fields whose ids others share.
OWNERS = [{**TAGS, "name": "tags"}, {"column": "tags", "name": "rare", "min_count": 3}, {**TAGS, "name": "hash"}]
OWNERS[2]["hash_buckets"] = 5
SEEN = {"column": "seen", "kind": "sequence"}
KINDS = {"column": "kinds", "kind": "sequence"}
# The histories of which others are a column.
HISTORIES = [
    {**SEEN, "name": "history"},
    {**SEEN, "name": "short", "max_values": 2},
    {**SEEN, "name": "rare_seen", "events": "rare", "min_count": 9, "oov": False},
]
# The parts of crosses, of all kinds.
PARTS = [
    {**TEXT, "name": "a", "min_count": 5},
    {"column": "number", "name": "b", "missing": "category"},
    {"column": "second", "name": "c", "part": "hour", "time_format": "epoch_seconds", "missing_texts": ["-1.0"]},
    {"column": "whole", "name": "d", "hash_buckets": 2},
    {"column": "number", "name": "e", "transform": "quantile", "num_buckets": 3, "missing": "category"},
    {"column": "number", "name": "f", "transform": "log_squared_bucket"},
]
OWNERS.append({**TAGS, "name": "composed", "compositional": 2})
VECTOR = {"column": "vector", "kind": "vector", "separator": ";"}
HOUR = {"column": "time", "part": "hour", "missing_texts": ["soon"]}
SECOND = {"column": "second", "part": "hour", "time_format": "epoch_seconds"}
# For each key of a field, fields that use it. A new key must be added.
KEYS = {
    "kind": [TEXT, NUMBER, TAGS, SEEN],
    "column": [TEXT],
    "min_count": [{**TEXT, "min_count": 5}, {**TAGS, "min_count": 20}],
    "oov": [{**TEXT, "oov": True}, {**TEXT, "min_count": 5, "oov": False}],
    "missing": [{**TEXT, "missing": kind} for kind in ("absent", "category", "reserved")],
    "hash_buckets": [{**TEXT, "hash_buckets": 7}, {**TAGS, "hash_buckets": 7}],
    "transform": [{**NUMBER, "transform": kind} for kind in ("standard", "min_max", "log1p", "sqrt", "log_squared")]
    + [{"column": "number", "transform": kind} for kind in ("quantile", "log_squared_bucket")],
    "num_buckets": [{"column": "number", "transform": "quantile", "num_buckets": 3}],
    "separator": [{"column": "list", "kind": "multivalued", "separator": ";"}, VECTOR],
    "length": [{**VECTOR, "length": 3}],
    "columns": [{"kind": "vector", "columns": ["part2", "part1"]}],
    "weight_separator": [{"column": "weights", "kind": "multivalued", "weight_separator": ":"}],
    "max_values": [{**TAGS, "max_values": 2}],
    "keep": [{**TAGS, "max_values": 2, "keep": "last"}, {**TAGS, "max_values": 1, "min_count": 20, "keep": "last"}]
    + [{"column": "weights", "kind": "multivalued", "weight_separator": ":", "max_values": 1, "keep": "last"}],
    "pooling": [{**TAGS, "pooling": "sum"}, {**TAGS, "pooling": "max"}],
    "unused_ids": [{**TEXT, "unused_ids": 3}],
    "type": [{"column": "whole", "type": kind} for kind in ("integer", "decimal", "text")],
    "part": [{**HOUR, "part": part} for part in ("hour", "weekday", "day", "month", "is_weekend")]
    + [{**HOUR, "hash_buckets": 7}, {**HOUR, "missing": "category"}, {**HOUR, "min_count": 12}],
    "time_zone": [{**HOUR, "time_zone": zone} for zone in ("Europe/Berlin", "Asia/Kolkata")],
    "time_format": [
        {"column": "day", "type": "time", "time_format": "%d.%m.%Y"},
        {"column": "day", "type": "time", "time_format": "%d.%m.%Y", "missing_texts": ["2024-12-31"]},
        {"column": "day", "part": "weekday", "time_format": "%d.%m.%Y"},
        {**SECOND, "time_zone": "Europe/Berlin"},
        {**SECOND, "missing_texts": ["-1.0"]},
        {"column": "second", "type": "time", "time_format": "epoch_seconds", "hash_buckets": 7},
    ],
    "share": [{**TEXT, "share": "tags"}, {**TEXT, "share": "rare", "min_count": 3}]
    + [{"column": "list", "kind": "multivalued", "separator": ";", "share": "hash", "hash_buckets": 5}],
    "cross": [
        {"cross": ["a", "b"]},
        {"cross": ["b", "a", "c"], "min_count": 2},
        {"cross": ["b", "a"], "hash_buckets": 7, "unused_ids": 2},
        {"cross": ["a", "d"], "missing": "category", "min_count": 2, "oov": False},
        {"cross": ["e", "d"], "missing": "reserved"},
        {"cross": ["f", "d"], "hash_buckets": 1000},
        {"cross": ["b", "a"], "hash_buckets": 10**12, "compositional": "auto"},
        {"cross": ["a", "b"], "compositional": 2},
    ],
    "compositional": [
        {**TEXT, "compositional": 2},
        {**TEXT, "compositional": "auto", "min_count": 5, "unused_ids": 3},
        {**TEXT, "compositional": 3, "missing": "category"},
        {**TEXT, "compositional": "auto", "hash_buckets": 10**12},
        {"column": "whole", "type": "integer", "compositional": 2},
        {"column": "number", "transform": "log_squared_bucket", "compositional": 2},
        {**HOUR, "part": "hour", "compositional": 2},
        {**TAGS, "compositional": 2},
        {**TAGS, "compositional": 3, "pooling": "sum", "max_values": 2, "keep": "last"},
        {**TAGS, "compositional": "auto", "hash_buckets": 2**40},
        {"column": "weights", "kind": "multivalued", "weight_separator": ":", "compositional": 1},
        {**TEXT, "share": "composed", "compositional": 2},
    ],
    "events": [
        {**KINDS, "events": "history"},
        {**KINDS, "events": "history", "min_count": 8},
        {**KINDS, "events": "history", "hash_buckets": 7, "pooling": "sum"},
        {**KINDS, "events": "short", "max_values": 2},
        {**KINDS, "events": "short", "max_values": 2, "missing_texts": ["1"]},
        {**KINDS, "events": "rare", "oov": True, "type": "integer"},
        {**SEEN, "events": "alone", "max_values": 2},
        {**SEEN, "min_count": 12, "pooling": "max"},
        {**SEEN, "share": "tags"},
        {**SEEN, "type": "text", "unused_ids": 2, "missing_texts": ["y"], "max_values": 1},
    ],
    "missing_texts": [{**TEXT, "missing_texts": ["c"]}, {**NUMBER, "missing_texts": ["-1"]}]
    + [{**VECTOR, "missing_texts": ["[1, 2.5, 3]"]}],
}
# A key that changes the prepared rows, but says nothing of later cells.
ONLY_PREPARED = {"assign_ids_online"}
FIELDS = [(key, number, field) for key, fields in KEYS.items() for number, field in enumerate(fields)]


def test_every_key_of_the_schema_is_here():
    assert {*KEYS, *ONLY_PREPARED, "name"} == {field.name for field in dataclasses.fields(FieldSpecification)}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "t.csv"
    pl.DataFrame({**COLUMNS, "click": [row % 2 for row in range(ROWS)]}).write_csv(path)
    return path


@pytest.mark.parametrize(("key", "number", "field"), FIELDS)
def test_all_that_encode_agree_row_by_row(key, number, field, table, tmp_path):
    row = {"name": "row", "kind": "numerical"}
    owners = [owner for owner in OWNERS if owner["name"] == field.get("share")]
    owners += [one for one in HISTORIES if one.get("events", one["name"]) == field.get("events", "")]
    owners += [part for part in PARTS if part["name"] in field.get("cross", ())]
    schema = {"label": "click", "fields": [row, *owners, {"name": "x", **field}], "fit_on": "all", "missing": ["NULL"]}
    schema["split"] = {"train": 1.0, "valid": 0.0, "test": 0.0}
    prepare_own_table(tmp_path / "data", "t", str(table), schema)
    data = load(tmp_path / "data")
    features, _ = data.arrays("train")
    order = np.argsort(features["values"][:, 0])
    prepared = {name: array[order] for name, array in features.items()}
    assert (prepared["ids"][:, 1:] > 0).any()
    assert len(np.unique(prepared["ids"][:, 1:] * 1000 + prepared["values"][:, 1:])) > 2
    columns_of = [each.get("columns") or [each["column"]] for each in (field, *owners) if "cross" not in each]
    columns = ["row", *dict.fromkeys(column for names in columns_of for column in names)]
    frame = pl.DataFrame({column: COLUMNS[column] for column in columns})
    for encoding in (data.encoding, TableEncoding.from_dict(data.encoding.to_dict())):
        found = encoding.features(frame)
        np.testing.assert_array_equal(found["ids"], prepared["ids"])
        np.testing.assert_allclose(found["values"], prepared["values"], rtol=1e-6)
        cells = {name: tf.constant(frame[name].to_list()) for name in columns}
        served = ServingEncoder(encoding)(cells)
        np.testing.assert_array_equal(served["ids"], prepared["ids"])
        np.testing.assert_allclose(served["values"], prepared["values"], rtol=1e-6)
