"""The same values get the same ids at every entry point, in whatever way their cells are written."""

import csv
import datetime
import pathlib
import tempfile

import numpy as np
import pandas as pd
import polars as pl
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrzoo import models
from ctrzoo.data_pipelines import FrameEncoder, load
from ctrzoo.data_pipelines.encoding.fields import TableEncoding
from ctrzoo.data_pipelines.encoding.serving import ServingEncoder, serving_model
from ctrzoo.data_pipelines.preparation.table import prepare_own_table

# By type: a value, and ways to write it in a text file.
VALUES = {
    "integer": {8: ["8", "8.0", "+8"], 0: ["0", "0.0"], -12: ["-12", "-12.0"]},
    "decimal": {1.5: ["1.5", "1.50", "15e-1"], 100000.0: ["100000", "1e5"], 0.1: ["0.1", ".1"]},
    "boolean": {True: ["True", "true", "TRUE"], False: ["False", "false"]},
    "time": {
        datetime.datetime(2024, 6, 1): ["2024-06-01", "2024-06-01T00:00:00Z"],
        datetime.datetime(2024, 6, 1, 9, 30): ["2024-06-01 09:30:00", "2024-06-01T09:30", "2024-06-01 09:30:00.000"],
    },
    "text": {"a": ["a"], "007": ["007"], "b c": ["b c"]},
}


def write_csv(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["click", "item"])
        writer.writerows([number % 2, cell] for number, cell in enumerate(rows))
    return str(path)


def prepared(folder, tables, field="item", **others):
    prepare_own_table(folder / "data", "t", tables, {"label": "click", "fields": [field], **others})
    return load(folder / "data")


def ids_of(data, split):
    """Return the local ids of a split in the order of its table."""
    return np.concatenate(
        [features["ids"][:, 0] for features, _ in data.dataset(split, 64, shuffle=False).as_numpy_iterator()]
    )


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("min_count", [1, 2])
def test_every_entry_point_gives_the_ids_of_the_values(name, min_count, tmp_path):
    values = list(VALUES[name])
    drawn = [values[number % len(values)] for number in range(30)]
    ways = [VALUES[name][value][number % len(VALUES[name][value])] for number, value in enumerate(drawn)]
    tables = {"train": write_csv(tmp_path / "train.csv", ways), "test": write_csv(tmp_path / "test.csv", ways[::-1])}
    data = prepared(tmp_path, tables, {"name": "item", "min_count": min_count})
    field = data.encoding.fields[0]
    assert field.type == name and len(field.values) == len(values)
    # Each value has an id of its own, and the same in both splits.
    expected = ids_of(data, "test")[::-1]
    assert len(set(zip(map(str, drawn), expected, strict=True))) == len(values) == len(set(expected))
    typed = pl.Series("item", drawn)
    frames = {
        "polars": pl.DataFrame({"item": typed}),
        "polars text": pl.DataFrame({"item": ways}),
        "pandas": pl.from_pandas(pd.DataFrame({"item": pd.Series(drawn)})),
        "parquet": parquet(tmp_path, typed),
    }
    for way, frame in frames.items():
        np.testing.assert_array_equal(data.encoding.encode(frame)[0][:, 0], expected, err_msg=way)
    restored = TableEncoding.from_dict(data.encoding.to_dict())
    encoder = ServingEncoder(restored)
    np.testing.assert_array_equal(encoder({"item": tf.constant(ways)})["ids"][:, 0], expected)
    model = models.build("lr", data.schema)
    model.get_layer("linear").weights_of_ids.table.assign(np.arange(data.schema.num_ids)[:, None] / 10)
    serving = serving_model(model, data.encoding)
    for table in (pd.DataFrame({"item": pd.Series(drawn)}), pl.DataFrame({"item": typed}), {"item": ways}):
        logits = np.log(1 / serving.predict(table, verbose=0)[:, 0] - 1) * -10
        np.testing.assert_allclose(logits, expected, atol=1e-3)
    fitted = FrameEncoder(label="click", categorical=["item"], min_count=min_count)
    fitted.fit(pd.DataFrame({"item": ways, "click": 0}))
    np.testing.assert_array_equal(fitted.features(pd.DataFrame({"item": pd.Series(drawn)}))["ids"][:, 0], expected)


def parquet(folder, column):
    pl.DataFrame({"item": column}).write_parquet(folder / "frame.parquet")
    return pl.read_parquet(folder / "frame.parquet")


@pytest.mark.parametrize("name", VALUES)
def test_hashed_values_have_one_bucket(name, tmp_path):
    values = list(VALUES[name])
    ways = [way for value in values for way in VALUES[name][value]]
    owners = [str(value) for value in values for _ in VALUES[name][value]]
    table = write_csv(tmp_path / "train.csv", ways)
    data = prepared(tmp_path, {"train": table}, {"name": "item", "hash_buckets": 1000})
    ids = data.encoding.encode(pl.DataFrame({"item": ways}))[0][:, 0]
    assert len(set(zip(owners, ids, strict=True))) == len(values)
    np.testing.assert_array_equal(ServingEncoder(data.encoding)({"item": tf.constant(ways)})["ids"][:, 0], ids)
    typed = pl.DataFrame({"item": [value for value in values for _ in VALUES[name][value]]})
    np.testing.assert_array_equal(data.encoding.encode(typed)[0][:, 0], ids)


def test_gaps_that_make_pandas_write_points(tmp_path):
    """The ids of a test table that pandas wrote with 8.0 for 8, because one cell is empty."""
    train = write_csv(tmp_path / "train.csv", ["8", "7", "9"] * 10)
    test = write_csv(tmp_path / "test.csv", ["8.0", "", "7.0", "9.0"])
    data = prepared(tmp_path, {"train": train, "test": test})
    names = data.encoding.fields[0].values.to_list()
    assert names == ["7", "8", "9"]
    assert ids_of(data, "test").tolist() == [2, 0, 1, 3]


@pytest.mark.parametrize("cells", ["a, b", "[a, b]", "['a', 'b']", '["a", "b"]', " a ,b ", "[a,b]"])
def test_lists_in_text(cells, tmp_path):
    train = write_csv(tmp_path / "train.csv", ["a,b", "b,c,a"] * 5)
    field = {"name": "item", "kind": "multivalued", "separator": ","}
    data = prepared(tmp_path, {"train": train}, field)
    assert data.encoding.fields[0].values.to_list() == ["a", "b", "c"]
    ids = data.encoding.encode(pl.DataFrame({"item": [cells]}))[0]
    assert ids.tolist() == [[1, 2, 0]]
    np.testing.assert_array_equal(ServingEncoder(data.encoding)({"item": tf.constant([cells])})["ids"], ids)
    assert data.encoding.encode(pl.DataFrame({"item": [["a", "b"]]}))[0].tolist() == [[1, 2, 0]]


def test_lists_of_numbers_are_numbers(tmp_path):
    train = write_csv(tmp_path / "train.csv", ["[1, 2]", "[2, 3.0]"] * 5)
    data = prepared(tmp_path, {"train": train}, {"name": "item", "kind": "multivalued"})
    assert data.encoding.fields[0].type == "integer" and data.encoding.fields[0].values.to_list() == ["1", "2", "3"]
    frames = [pl.DataFrame({"item": [[1, 3]]}), pl.DataFrame({"item": [[1.0, 3.0]]}), pl.DataFrame({"item": ["1|3"]})]
    assert [data.encoding.encode(frame)[0].tolist() for frame in frames] == [[[1, 3]]] * 3


def test_bytes_are_the_text_that_they_spell():
    frame = pd.DataFrame({"item": [b"x", "y", b"y"], "click": [0, 1, 0]})
    encoder = FrameEncoder(label="click", categorical=["item"]).fit(frame)
    assert encoder.encoding.fields[0].values.to_list() == ["x", "y"]
    with pytest.raises(ValueError, match="Bytes in a cell must be UTF-8 text. Received: b'.xff'"):
        encoder.features(pd.DataFrame({"item": [b"\xff"]}))


@pytest.mark.parametrize("kind", ["categorical", "numerical", "multivalued"])
@pytest.mark.parametrize("source", ["csv", "parquet", "numbers"])
def test_texts_for_missing_cells_are_missing_everywhere(kind, source, tmp_path):
    cells = ["5", "NULL", "-1", "7", "", "unknown"] * 5
    if source == "numbers":
        cells = [5.0, None, -1.0, 7.0, None, None] * 5
    if source == "csv":
        table = write_csv(tmp_path / "t.csv", cells)
    else:
        table = str(tmp_path / "t.parquet")
        pl.DataFrame({"click": np.arange(len(cells)) % 2, "item": cells}).write_parquet(table)
    options = {"missing": ["NULL", "-1", "unknown"], "split": {"train": 1.0, "valid": 0.0, "test": 0.0}}
    data = prepared(tmp_path, table, {"name": "item", "kind": kind}, **options)
    encoding = TableEncoding.from_dict(data.encoding.to_dict())
    frame = pl.DataFrame({"item": cells})
    ids, numbers = encoding.encode(frame)
    if kind == "numerical":
        assert numbers[:6, 0].tolist() == [5, 0, 0, 7, 0, 0]
    else:
        assert encoding.fields[0].values.to_list() == ["5", "7"] and ids[:6, 0].tolist() == [1, 0, 0, 2, 0, 0]
    texts = ["" if cell is None else str(cell) for cell in cells]
    served = ServingEncoder(encoding)({"item": tf.constant(texts)})
    values = served["values"].numpy()[:6, 0]
    np.testing.assert_array_equal(values, [5, 0, 0, 7, 0, 0] if kind == "numerical" else [1, 0, 0, 1, 0, 0])
    model = models.build("lr", data.schema)
    predicted = serving_model(model, encoding).predict(frame, verbose=0)
    assert predicted.shape == (30, 1)


def test_a_bucket_that_looks_like_a_missing_cell_is_none():
    """The number 2 has the bucket -1; the number -1 is a missing cell."""
    field = {"name": "item", "transform": "log_squared_bucket", "missing_texts": ["-1"], "values": ["-1", "1"]}
    encoding = TableEncoding([field])
    cells = ["2", "-1", "-1.0", "3", ""]
    assert encoding.encode(pl.DataFrame({"item": cells}))[0][:, 0].tolist() == [1, 0, 0, 2, 0]
    assert ServingEncoder(encoding)({"item": tf.constant(cells)})["ids"].numpy()[:, 0].tolist() == [1, 0, 0, 2, 0]


def test_few_known_values_in_a_split_are_said_aloud(tmp_path):
    train = write_csv(tmp_path / "train.csv", ["a", "b"] * 10)
    test = write_csv(tmp_path / "test.csv", ["A", "B", "a"] * 10)
    report = prepare_own_table(
        tmp_path / "data", "t", {"train": train, "test": test}, {"label": "click", "fields": ["item"]}
    )
    (warning,) = report["warnings"]
    assert "Field 'item': only 33.3% of the values in the split 'test' have an id of their own" in warning
    assert report["fields"][0]["splits"]["test"] == {"missing_share": 0, "rare_share": 0, "unseen_share": 2 / 3}


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"name": "item", "type": "intger"}, "Unknown type 'intger'. Did you mean 'integer'?"),
        ({"name": "item", "kind": "numerical", "type": "integer"}, "this field takes numbers. Remove `type`"),
        ({"name": "item", "transform": "quantile", "type": "integer"}, "this field takes numbers. Remove `type`"),
        (
            {"name": "item", "min_count": 2, "assign_ids_online": True, "type": "integer"},
            "takes texts as they are written",
        ),
    ],
)
def test_types_that_do_nothing_are_refused(field, message, tmp_path):
    table = write_csv(tmp_path / "train.csv", ["8", "9"])
    with pytest.raises(ValueError, match=message):
        prepared(tmp_path, {"train": table}, field)


def test_a_declared_type_holds(tmp_path):
    table = write_csv(tmp_path / "train.csv", ["8", "8.0", "9"])
    data = prepared(tmp_path, {"train": table}, {"name": "item", "type": "text"})
    assert data.encoding.fields[0].values.to_list() == ["8", "8.0", "9"]


CELLS = {
    "integer": st.integers(-(2**60), 2**60),
    "decimal": st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda number: number + 0.0),
    "boolean": st.booleans(),
    "text": st.text(st.characters(codec="ascii", categories=("L",)), min_size=1, max_size=4),
}


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_column_means_the_same_in_every_form(data):
    name = data.draw(st.sampled_from(sorted(CELLS)))
    values = data.draw(st.lists(st.none() | CELLS[name], min_size=1, max_size=20))
    column = pl.Series(
        "item", values, dtype={"integer": pl.Int64, "decimal": pl.Float64, "boolean": pl.Boolean}.get(name, pl.String)
    )
    frame = pd.DataFrame({"item": pd.Series(values, dtype=object)})
    encoder = FrameEncoder(label="click", categorical=["item"]).fit(frame.assign(click=0))
    expected = encoder.features(frame)["ids"][:, 0]
    present = [value for value in values if value is not None]
    assert len(set(expected[expected > 0])) == len(set(present))
    forms = [pl.DataFrame({"item": column}), pl.DataFrame({"item": ["" if v is None else str(v) for v in values]})]
    if column.dtype != pl.String:
        forms += [pl.from_pandas(column.to_pandas(use_pyarrow_extension_array=True).to_frame())]
    for form in forms:
        np.testing.assert_array_equal(encoder.encoding.encode(form)[0][:, 0], expected)
    texts = ["" if value is None else str(value) for value in values]
    np.testing.assert_array_equal(ServingEncoder(encoder.encoding)({"item": tf.constant(texts)})["ids"][:, 0], expected)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.none() | st.integers(0, 10**12), min_size=2, max_size=20).filter(any))
def test_a_column_of_numbers_means_the_same_as_libffm_csv_and_parquet(values):
    labels = [number % 2 for number in range(len(values))]
    features = ["" if value is None else f" 0:{value}:1" for value in values]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        lines = [f"{label}{feature} 1:7:1\n" for label, feature in zip(labels, features, strict=True)]
        (folder / "t.ffm").write_text("".join(lines))
        frame = pl.DataFrame({"label": labels, "field0": pl.Series(values, dtype=pl.Int64)})
        frame.write_csv(folder / "t.csv")
        frame.write_parquet(folder / "t.parquet")
        found = {}
        for ending in ("ffm", "csv", "parquet"):
            for split in ("train", "test"):
                (folder / f"{split}.{ending}").write_bytes((folder / f"t.{ending}").read_bytes())
            tables = {split: folder / f"{split}.{ending}" for split in ("train", "test")}
            prepare_own_table(folder / ending, "t", tables, {"label": "label", "fields": ["field0"]})
            data = load(folder / ending)
            found[ending] = ids_of(data, "test").tolist()
            texts = ["" if value is None else str(value) for value in values]
            served = ServingEncoder(data.encoding)({"field0": tf.constant(texts)})["ids"][:, 0]
            assert served.numpy().tolist() == found[ending]
            assert data.encoding.encode(frame)[0][:, 0].tolist() == found[ending]
    assert found["ffm"] == found["csv"] == found["parquet"]
    assert [value is None for value in values] == [number == 0 for number in found["ffm"]]
    assert len(set(zip(values, found["ffm"], strict=True))) == len(set(values)) == len(set(found["ffm"]))
