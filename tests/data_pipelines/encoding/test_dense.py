"""Vectors of numbers: lists, texts and several columns are one matrix at every entry point."""

import csv
import functools
import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
import tensorflow as tf

from ctrzoo import models
from ctrzoo.data_pipelines import FrameEncoder, load
from ctrzoo.data_pipelines.encoding.dense import matrix_of, vectors_of
from ctrzoo.data_pipelines.encoding.fields import FieldEncoding, TableEncoding
from ctrzoo.data_pipelines.encoding.serving import ServingEncoder, serving_model
from ctrzoo.data_pipelines.preparation import table
from ctrzoo.data_pipelines.preparation.table import prepare_own_table

ROWS, LENGTH = 50, 4
NUMBERS = np.random.default_rng(3).normal(size=(ROWS, LENGTH)).round(4)
MISSING = np.arange(ROWS) % 9 == 2
# What is stored: the numbers as float32, zeros where the cell is missing.
STORED = np.where(MISSING[:, None], 0, NUMBERS).astype(np.float32)
# How the same vectors may be written in one column.
WAYS = {
    "separated": [";".join(map(str, row)) for row in NUMBERS.tolist()],
    "spaces around": [" ; ".join(map(str, row)) + " " for row in NUMBERS.tolist()],
    "JSON": [json.dumps(row) for row in NUMBERS.tolist()],
    "NumPy": [str(row).replace(" -", "\n -") for row in NUMBERS],
    "lists": NUMBERS.tolist(),
    "arrays": list(NUMBERS),
}
FIELDS = [{"name": "row", "kind": "numerical"}, {"name": "emb", "kind": "vector", "separator": ";"}]
SPLIT = {"train": 1.0, "valid": 0.0, "test": 0.0}


def table_of(cells):
    gap = "" if isinstance(cells[0], str) else None
    cells = [gap if missing else cell for cell, missing in zip(cells, MISSING, strict=True)]
    return pd.DataFrame({"click": np.arange(ROWS) % 2, "row": np.arange(ROWS), "emb": cells})


def prepare(path, folder, fields=FIELDS, **options):
    schema = {"label": "click", "fields": fields, "split": SPLIT}
    prepare_own_table(folder / "data", "t", path, schema, **options)
    data = load(folder / "data")
    features, _ = data.arrays("train")
    order = np.argsort(features["values"][:, 0])
    return data, {name: array[order] for name, array in features.items()}


@pytest.mark.parametrize("way", WAYS)
def test_every_entry_point_reads_the_same_numbers(way, tmp_path):
    frame = table_of(WAYS[way])
    path = tmp_path / ("t.csv" if isinstance(frame.emb[0], str) else "t.parquet")
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path)
    data, prepared = prepare(path, tmp_path)
    np.testing.assert_array_equal(prepared["values"][:, 1:], STORED)
    np.testing.assert_array_equal(prepared["ids"], np.tile([1, 2, 3, 4, 5], (ROWS, 1)))
    assert data.encoding.fields[1].length == LENGTH
    encoding = TableEncoding.from_dict(json.loads(json.dumps(data.encoding.to_dict())))
    encoder = FrameEncoder("click", numerical=["row"], vector=["emb"], scaling=None, separator=";").fit(frame)
    frames = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path)
    for found in (encoding.features(frames), encoder.features(frame)):
        for name in ("ids", "values"):
            np.testing.assert_array_equal(found[name], prepared[name])
    model = models.build("fm", data.schema, embedding_dim=3)
    model.get_layer("linear").weights_of_ids.table.assign(np.random.default_rng(0).normal(size=(6, 1)))
    served = serving_model(model, encoding)
    expected = model.predict(prepared, verbose=0)
    assert np.ptp(expected) > 0.1
    for rows in (frame, frames, {"row": np.arange(ROWS), "emb": frame["emb"].tolist()}):
        np.testing.assert_allclose(served.predict(rows, verbose=0), expected, rtol=1e-6)
    if isinstance(frame.emb[0], str):
        graph = tf.function(ServingEncoder(encoding))
        found = graph({"row": tf.range(ROWS), "emb": tf.constant(frame["emb"].tolist())})
        np.testing.assert_array_equal(found["values"], prepared["values"])


def test_an_exported_model_takes_a_matrix(tmp_path):
    encoding = TableEncoding([FieldEncoding("emb", "vector", length=LENGTH), FieldEncoding("price", "numerical")])
    model = models.build("fm", encoding.schema, embedding_dim=3)
    model.get_layer("linear").weights_of_ids.table.assign(np.random.default_rng(0).normal(size=(6, 1)))
    served = serving_model(model, encoding)
    served.export(tmp_path / "exported", verbose=False)
    matrix, price = np.where(MISSING[:, None], np.nan, NUMBERS), np.arange(ROWS)[:, None] / 7
    ids = np.tile(np.arange(1, 6, dtype="int32"), (ROWS, 1))
    expected = model.predict({"ids": ids, "values": np.concatenate([STORED, price], axis=1)}, verbose=0)
    exported = tf.saved_model.load(tmp_path / "exported")
    found = exported.signatures["serving_default"](emb=tf.constant(matrix), price=tf.constant(price))
    np.testing.assert_allclose(next(iter(found.values())), expected, rtol=1e-5)
    np.testing.assert_allclose(served.predict({"emb": matrix, "price": price}, verbose=0), expected, rtol=1e-6)


def test_several_columns_are_one_vector(tmp_path):
    names = ["c", "a", "d", "b"]
    frame = pd.DataFrame(np.where(MISSING[:, None], np.nan, NUMBERS), columns=names)
    frame = frame.assign(click=np.arange(ROWS) % 2, row=np.arange(ROWS))
    frame.to_csv(tmp_path / "t.csv", index=False)
    fields = [FIELDS[0], {"name": "emb", "kind": "vector", "columns": names}]
    data, prepared = prepare(tmp_path / "t.csv", tmp_path, fields)
    np.testing.assert_array_equal(prepared["values"][:, 1:], STORED)
    encoder = FrameEncoder("click", numerical=["row"], vector={"emb": names}, scaling=None).fit(frame)
    restored = FrameEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    np.testing.assert_array_equal(restored.features(frame)["values"], prepared["values"])
    model = models.build("fm", data.schema, embedding_dim=3)
    model.get_layer("linear").weights_of_ids.table.assign(np.random.default_rng(0).normal(size=(6, 1)))
    served = serving_model(model, data.encoding)
    assert set(served.input) == {"row", *names}
    np.testing.assert_allclose(served.predict(frame, verbose=0), model.predict(prepared, verbose=0), rtol=1e-6)
    assert data.encoding.decode(*data.encoding.encode(pl.from_pandas(frame)))["emb"][0].to_list() == STORED[0].tolist()
    assert data.texts({name: array[:1] for name, array in prepared.items()})[0][1].startswith("[-") or STORED[0, 0] > 0


BAD = {
    "another length": ("1;2", "row 4: column 'emb' must hold vectors of 3 numbers, not of 2"),
    "no number": ("1;x;3", "row 4: column 'emb' must hold vectors of finite numbers, not 'x'"),
    "an empty number": ("1;;3", "row 4: column 'emb' must hold vectors of finite numbers, not ''"),
    "infinite": ("1;inf;3", "row 4: column 'emb' must hold vectors of finite numbers, not 'inf'"),
    "NaN": ("1;nan;3", "row 4: column 'emb' must hold vectors of finite numbers, not 'nan'"),
    "nothing but NaN": ("nan;nan;nan", "row 4: column 'emb' must hold vectors of finite numbers, not 'nan'"),
    "too large": ("1;1e39;3", r"row 4: column 'emb' must hold numbers of at most 3.4e\+38, not 1e\+39"),
    "a word": ("none", "row 4: column 'emb' must hold finite numbers, not 'none'.*missing: ..none.. into the schema"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_cell_is_refused_everywhere_in_one_line(name, tmp_path):
    cell, message = BAD[name]
    cells = ["1;2;3", "4;5;6", cell, *["7;8;9"] * 57]
    with open(tmp_path / "t.csv", "w", newline="") as file:
        csv.writer(file).writerows([["click", "emb"], *([row % 2, text] for row, text in enumerate(cells))])
    with pytest.raises(ValueError, match=message) as error:
        prepare(tmp_path / "t.csv", tmp_path, FIELDS[1:])
    assert "\n" not in str(error.value)
    data, prepared = prepare(tmp_path / "t.csv", tmp_path, FIELDS[1:], bad_rows="skip")
    assert sorted(prepared["values"].tolist())[:2] == [[1, 2, 3], [4, 5, 6]] and len(prepared["ids"]) == 59
    with pytest.raises(ValueError, match="column 'emb' must hold"):
        data.encoding.encode(pl.DataFrame({"emb": cells}))
    frame = pd.DataFrame({"click": np.arange(60) % 2, "emb": cells})
    with pytest.raises(ValueError, match="column 'emb' must hold"):
        FrameEncoder("click", vector=["emb"], separator=";").fit(frame)
    with pytest.raises(tf.errors.InvalidArgumentError, match="column 'emb' must hold"):
        ServingEncoder(data.encoding)({"emb": tf.constant(cells)})
    served = serving_model(models.build("lr", data.schema), data.encoding)
    with pytest.raises(ValueError, match="column 'emb' must hold"):
        served.predict(frame, verbose=0)


BAD_LISTS = {
    "None within": [1.0, None, 2.0],
    "NaN within": [1.0, np.nan, 2.0],
    "infinite": [1.0, np.inf, 2.0],
    "text": ["a", "b", "c"],
    "a number": 1.5,
    "too short": [1.0],
    "a matrix": np.ones((2, 2)),
}


@pytest.mark.parametrize("name", BAD_LISTS)
def test_a_bad_list_is_refused(name):
    frame = pd.DataFrame({"click": [0, 1, 0, 1], "emb": [[1.0, 2.0, 3.0], None, [4.0, 5.0, 6.0], BAD_LISTS[name]]})
    with pytest.raises(ValueError, match="Row 3: column 'emb' must hold"):
        FrameEncoder("click", vector=["emb"]).fit(frame)


def test_a_vector_without_some_of_its_columns_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("click,a,b\n" + "0,1,2\n1,,\n" * 20 + "0,3,\n")
    fields = [{"name": "emb", "kind": "vector", "columns": ["a", "b"]}]
    with pytest.raises(ValueError, match="row 42: column 'b' is empty, but other `columns` of field 'emb' are not"):
        prepare(tmp_path / "t.csv", tmp_path, fields)
    encoding = TableEncoding([FieldEncoding("emb", "vector", columns=("a", "b"))])
    with pytest.raises(tf.errors.InvalidArgumentError, match="'emb' must hold finite numbers"):
        ServingEncoder(encoding)({"a": tf.constant([1.0]), "b": tf.constant([np.nan])})
    with pytest.raises(ValueError, match="column 'b'"):
        encoding.encode(pl.DataFrame({"a": [1.0]}))
    with pytest.raises(ValueError, match="column 'B'"):
        prepare(tmp_path / "t.csv", tmp_path, [{"name": "emb", "kind": "vector", "columns": ["a", "B"]}])


def test_chunks_of_two_lengths_name_the_row(tmp_path, monkeypatch):
    small = functools.partial(table.ParquetSource, chunk_rows=10)
    monkeypatch.setattr(table, "ParquetSource", small)
    frame = pl.DataFrame({"click": [0, 1] * 15, "emb": [None] * 12 + [[0.5, 1.0]] * 8 + [[1.0, 2.0, 3.0]] * 10})
    frame.write_parquet(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match="t.parquet, row 21: .*vectors of 2 numbers, not of 3. Set `length`"):
        prepare(tmp_path / "t.parquet", tmp_path, FIELDS[1:])
    with pytest.raises(ValueError, match="row 13: column 'emb' must hold vectors of 3 numbers, not of 2"):
        prepare(tmp_path / "t.parquet", tmp_path, [{**FIELDS[1], "length": 3}])
    _, prepared = prepare(
        tmp_path / "t.parquet", tmp_path, [{**FIELDS[1], "length": 2}], bad_rows="skip", most_skipped=0.5
    )
    assert sorted(prepared["values"].tolist()) == [[0, 0]] * 12 + [[0.5, 1]] * 8


def test_a_tensor_of_another_width_is_refused():
    encoder = ServingEncoder(TableEncoding([FieldEncoding("emb", "vector", length=2), FieldEncoding("one", "vector")]))
    with pytest.raises(ValueError, match="Column 'emb' must hold vectors of 2 numbers. Received: .4, 3."):
        encoder({"emb": tf.zeros((4, 3)), "one": tf.zeros(4)})
    found = encoder({"emb": tf.ragged.constant([[1.0, 2.0], []]), "one": tf.constant([3.0, np.nan])})
    assert found["values"].numpy().tolist() == [[1, 2, 3], [0, 0, 0]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="column 'emb' must hold vectors of 2 numbers"):
        encoder({"emb": tf.ragged.constant([[1.0, 2.0], [1.0]]), "one": tf.zeros(2)})


def test_a_column_without_vectors_needs_a_length(tmp_path):
    frame = pd.DataFrame({"click": [0, 1] * 9, "emb": [None] * 18})
    frame.to_csv(tmp_path / "t.csv", index=False)
    for fit in (
        lambda: prepare(tmp_path / "t.csv", tmp_path, FIELDS[1:]),
        lambda: FrameEncoder("click", vector=["emb"]).fit(frame),
    ):
        with pytest.raises(ValueError, match="Field 'emb': no cell holds a vector. Set `length`"):
            fit()
    _, prepared = prepare(tmp_path / "t.csv", tmp_path, [{**FIELDS[1], "length": 2}])
    assert prepared["values"].tolist() == [[0, 0]] * 18


def test_vectors_of_a_frame_are_named_by_lists():
    with pytest.raises(ValueError, match="`columns` must be a list of names of columns"):
        FrameEncoder("click", vector={"emb": []})
    with pytest.raises(ValueError, match="`vector` must be a list of column names. Received the text 'emb'"):
        FrameEncoder("click", vector="emb")
    frame = pd.DataFrame({"click": [0, 1], "vec": [[1.0, 2.0], [3.0, 4.0]], "user": ["a", "b"]})
    encoder = FrameEncoder("click", ["user"], vector={"emb": "vec"}, order=["emb", "user"]).fit(frame)
    assert encoder.schema.names == ("emb", "user")
    assert encoder.features(frame)["values"].tolist() == [[1, 2, 1], [3, 4, 1]]
    with pytest.raises(ValueError, match="Unknown column 'vec'"):
        encoder.features(frame[["user"]])


def test_vectors_of_negative_rows_are_left_out_too(tmp_path):
    frame = table_of(WAYS["lists"]).assign(click=[1, 0, 0, 0, 0] * 10)
    frame.to_parquet(tmp_path / "t.parquet")
    schema = {"label": "click", "fields": FIELDS, "split": SPLIT, "negatives": 0.5}
    prepare_own_table(tmp_path / "data", "t", tmp_path / "t.parquet", schema)
    features, labels = load(tmp_path / "data").arrays("train")
    assert 10 < len(labels) < 45 and labels.sum() == 10
    rows = features["values"][:, 0].astype(int)
    np.testing.assert_array_equal(features["values"][:, 1:], STORED[rows])


def test_a_column_of_single_numbers_is_refused():
    with pytest.raises(ValueError, match="'emb' must hold vectors.*Set `kind: numerical`"):
        matrix_of(FieldEncoding("emb", "vector"), [pl.Series("emb", [1.5, 2.5])])


def test_lists_and_texts_in_one_column_are_refused():
    with pytest.raises(ValueError, match="'emb' must hold lists or texts, not both"):
        vectors_of("emb", ["1|2", [1.0, 2.0]])


def test_a_vector_read_as_text_by_another_field_is_served_as_text():
    tags = FieldEncoding("tags", "multivalued", column="emb", values=["1", "2"], max_values=2)
    encoding = TableEncoding([tags, FieldEncoding("emb", "vector", length=2)])
    served = serving_model(models.build("lr", encoding.schema), encoding)
    assert served.input["emb"].dtype == "string"
    assert served.predict({"emb": ["1|2", "2|1", ""]}, verbose=0).shape == (3, 1)
