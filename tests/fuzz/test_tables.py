"""Mutated raw tables and schema files are prepared, or refused in one line."""

import io
import json

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import yaml

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.preparation.schema_draft import draft_schema
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from tests.data_pipelines.clicks_table import SCHEMA, TEXT
from tests.fuzz.mutations import judged, mutated, seeds

FRAME = pl.read_csv(io.StringIO(TEXT))
SPARSE = "".join(f"{row % 2} 0:{row % 7}:1 1:3:{row / 8} 2:{row % 5}:1 2:{row % 3}:0.5\n" for row in range(60))
SPARSE_SCHEMA = {
    "label": "label",
    "fields": ["field0", {"name": "field1", "kind": "multivalued", "separator": " ", "weight_separator": ":"}],
}


@pytest.fixture
def prepare(tmp_path):
    """Return a function that prepares a table and reads it back, and drafts a schema of it."""
    numbers = iter(range(1_000_000))

    def prepare(name, content, schema, what, bad_rows):
        number = next(numbers)
        path = tmp_path / f"{number}{name}"
        path.write_bytes(content)
        with judged(f"{what}, draft of {path}"):
            draft_schema(path, tmp_path / f"{number}.yaml")
        with judged(f"{what}, {path}"):
            prepare_own_table(tmp_path / str(number), "clicks", path, schema, bad_rows=bad_rows)
            data = load(tmp_path / str(number))
            assert data.encoding is not None and len(data.fingerprint) == 16
        path.unlink()

    return prepare


@pytest.mark.parametrize(
    ("name", "text", "schema"),
    [(".csv", TEXT, SCHEMA), (".ffm", SPARSE, SPARSE_SCHEMA), (".svm", SPARSE.replace(":3:", ":"), SPARSE_SCHEMA)],
)
def test_texts(prepare, name, text, schema):
    if name == ".svm":
        text = "".join(f"{row % 2} 3:0.5 {row % 7}:1\n" for row in range(60))
        schema = {"label": "label", "fields": [{**SPARSE_SCHEMA["fields"][1], "name": "features"}]}
    for number, source in enumerate(seeds(name)):
        prepare(name, mutated(text.encode(), source), schema, f"{name} {number}", source.choice(["error", "skip"]))


def test_bytes_of_parquet_files(prepare):
    file = io.BytesIO()
    FRAME.write_parquet(file)
    for number, source in enumerate(seeds("parquet")):
        prepare(".parquet", mutated(file.getvalue(), source), SCHEMA, f"parquet {number}", "error")


ZONES = [None, "UTC", "+05:30", "Asia/Kolkata", "-00:01"]


def random_type(source, depth=0):
    """Return a type of Arrow that Parquet can hold."""
    plain = [pa.int8(), pa.uint64(), pa.float16(), pa.float64(), pa.string(), pa.binary(), pa.bool_(), pa.date32()]
    plain += [pa.timestamp(source.choice(["ms", "us", "ns"]), source.choice(ZONES)), pa.duration("us"), pa.time64("us")]
    plain += [pa.decimal128(30, 3), pa.decimal256(60, 2), pa.large_string(), pa.string_view(), pa.null(), pa.binary(16)]
    plain += [pa.json_(pa.string()), pa.bool8(), pa.uuid(), pa.dictionary(pa.int8(), pa.string())]
    if depth < 2 and source.random() < 0.3:
        inner = random_type(source, depth + 1)
        return source.choice([pa.list_(inner), pa.struct([("a", inner)]), pa.list_(inner, 2), pa.large_list(inner)])
    return source.choice(plain)


def test_parquet_files_of_all_types(prepare):
    for number, source in enumerate(seeds("types")):
        columns = {}
        for name in source.sample(["site", "price", "tags", "other", "", "a.b"], 4):
            dtype = random_type(source)
            try:
                columns[name] = pa.array(source.choice([[None] * 40, np.arange(40) % 2, ["1", ""] * 20]), dtype)
            except (pa.ArrowException, TypeError, ValueError):
                columns[name] = pa.nulls(40, dtype)
        names = [*columns, source.choice(["other", "click2"]), "click"]
        table = pa.table([*columns.values(), pa.array([0, 1] * 20), pa.array([0, 1] * 20)], names=names)
        file = io.BytesIO()
        try:
            parquet.write_table(table, file, row_group_size=source.choice([7, 100]))
        except (pa.ArrowException, TypeError):
            continue
        kinds = {"tags": {"kind": "multivalued"}, "price": {"kind": "numerical"}}
        fields = [{"name": name, **kinds.get(name, {})} for name in source.sample(["site", "price", "tags"], 2)]
        schema = {"label": "click", "fields": fields, "fit_on": "all"}
        prepare(".parquet", file.getvalue(), schema, f"types {number}: {table.schema}", "error")


@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_schema_files(tmp_path, suffix):
    (tmp_path / "clicks.csv").write_text(TEXT)
    split = {"train": 0.8, "valid": 0.1, "test": 0.1}
    schema = {**json.loads(json.dumps(SCHEMA)), "split": split, "fit_on": "train", "missing": ["NULL"]}
    bucket = {"name": "bucket", "column": "price", "transform": "quantile", "num_buckets": 3}
    schema["fields"] += [bucket, {"name": "both", "cross": ["site", "bucket"], "min_count": 2, "missing": "category"}]
    text = json.dumps(schema) if suffix == ".json" else yaml.safe_dump(schema)
    path = tmp_path / f"schema{suffix}"
    for number, source in enumerate(seeds(suffix)):
        path.write_bytes(mutated(text.encode(), source))
        with judged(f"schema{suffix} {number}: {path.read_bytes()!r}"):
            prepare_own_table(tmp_path / str(number), "clicks", tmp_path / "clicks.csv", path)
