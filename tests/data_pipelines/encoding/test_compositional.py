"""Compositional fields: each value is a pair of a quotient and a remainder, at every entry point."""

import collections
import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
import tensorflow as tf

from ctrzoo import models
from ctrzoo.data_pipelines import FrameEncoder, load
from ctrzoo.data_pipelines.encoding.field import FieldEncoding
from ctrzoo.data_pipelines.encoding.fields import TableEncoding
from ctrzoo.data_pipelines.encoding.serving import ServingEncoder, serving_model
from ctrzoo.data_pipelines.encoding.specification import FieldSpecification, rows_of
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from ctrzoo.layers import FieldEmbedding
from ctrzoo.pretrained import load_pretrained

ROWS = 200
RANDOM = np.random.default_rng(5)
LETTERS = list("abcdefghijklmnopqrstuvw")
FRAME = pd.DataFrame(
    {
        "click": np.arange(ROWS) % 2,
        "row": np.arange(ROWS),
        "user": RANDOM.choice([*LETTERS, ""], ROWS),
        "seen": ["|".join(RANDOM.choice(LETTERS, RANDOM.integers(4))) for _ in range(ROWS)],
        "weights": ["|".join(f"{one}:{1 + ord(one) % 3}" for one in RANDOM.choice(LETTERS, 2)) for _ in range(ROWS)],
    }
)
SPLIT = {"train": 1.0, "valid": 0.0, "test": 0.0}
ROW = {"name": "row", "kind": "numerical"}


def prepare(folder, fields, frame=FRAME):
    frame.to_csv(folder / "t.csv", index=False)
    schema = {"label": "click", "fields": [ROW, *fields], "fit_on": "all", "split": SPLIT}
    report = prepare_own_table(folder / "data", "t", folder / "t.csv", schema)
    data = load(folder / "data")
    features, _ = data.arrays("train")
    order = np.argsort(features["values"][:, 0])
    return data, {name: array[order] for name, array in features.items()}, report


def check_everywhere(data, prepared, frame=FRAME):
    """Compare prepared rows with what `encode` and serving make of the raw cells."""
    columns = list(dict.fromkeys(field.column for field in data.encoding.fields))
    encoding = TableEncoding.from_dict(json.loads(json.dumps(data.encoding.to_dict())))
    cells = {name: tf.constant(frame[name].to_numpy() if name == "row" else frame[name].tolist()) for name in columns}
    for found in (encoding.features(pl.from_pandas(frame)), tf.function(ServingEncoder(encoding))(cells)):
        for name in ("ids", "values"):
            np.testing.assert_allclose(found[name], prepared[name], rtol=1e-6)


@pytest.mark.parametrize(("remainders", "min_count"), [(4, 1), (7, 8), ("auto", 1), (1, 1)])
def test_a_value_has_the_ids_of_its_quotient_and_its_remainder(remainders, min_count, tmp_path):
    field = {"name": "user", "compositional": remainders, "min_count": min_count}
    data, prepared, report = prepare(tmp_path, [field])
    # Count the values with Python, and number them from 0; rare ones are the first.
    counts = collections.Counter(filter(None, FRAME["user"]))
    frequent = sorted(value for value, count in counts.items() if count >= min_count)
    size = len(frequent) + (min_count > 1)
    below = {"auto": 5}.get(remainders, remainders)  # the root of 23 is below 5
    above = -(-size // below)
    expected = []
    for value in FRAME["user"]:
        number = frequent.index(value) + (min_count > 1) if value in frequent else 0
        is_absent = not value
        expected.append([0, 0] if is_absent else [2 + number // below, 2 + above + number % below])
    np.testing.assert_array_equal(prepared["ids"][:, 1:], expected)
    np.testing.assert_array_equal(prepared["values"][:, 1:], np.array(expected) > 0)
    assert data.schema.num_ids == report["num_ids"] == 2 + above + below
    pairs = {tuple(pair) for pair in expected if pair[0]}
    assert len(pairs) == size  # each value, or all rare ones, has a pair of its own
    assert (report["fields"][1]["num_values"], report["fields"][1]["vocabulary_size"]) == (size, above + below)
    check_everywhere(data, prepared)
    texts = [row[1] for row in data.texts(prepared)]
    assert texts == [value if value in frequent else "(rare)" if value else "(absent)" for value in FRAME["user"]]
    encoder = FrameEncoder(
        "click", ["user"], ["row"], order=["row", "user"], scaling=None, min_count={"user": min_count},
        compositional={"user": remainders},
    ).fit(FRAME)  # fmt: skip
    for one in (encoder, FrameEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))):
        np.testing.assert_array_equal(one.features(FRAME)["ids"], prepared["ids"])


@pytest.mark.parametrize(
    ("buckets", "remainders"), [(1000, "auto"), (2**31, 7**5), (10**12, "auto"), (2**58, 2**29 - 5)]
)
def test_more_hash_buckets_than_a_table_has_rows(buckets, remainders, tmp_path):
    field = {"name": "user", "hash_buckets": buckets, "compositional": remainders}
    data, prepared, report = prepare(tmp_path, [field])
    above, below = rows_of(buckets, remainders)
    assert above * below >= buckets and report["num_ids"] == 2 + above + below < 2**31
    hashes = tf.strings.to_hash_bucket_fast(FRAME["user"].tolist(), buckets).numpy().tolist()
    for text, number, ids in zip(FRAME["user"], hashes, prepared["ids"][:, 1:].tolist(), strict=True):
        assert ids == ([2 + number // below, 2 + above + number % below] if text else [0, 0])
    check_everywhere(data, prepared)
    shown = [row[1] for row in data.texts(prepared)]
    assert shown == [
        f"#{number + 1}" if text else "(absent)" for text, number in zip(FRAME["user"], hashes, strict=True)
    ]


@pytest.mark.parametrize("pooling", ["mean", "sum"])
@pytest.mark.parametrize("column", ["seen", "weights"])
def test_several_values_are_pooled_as_whole_embeddings(pooling, column, tmp_path):
    field = {"name": column, "kind": "multivalued", "compositional": 4, "pooling": pooling}
    data, prepared, _ = prepare(tmp_path, [{**field, "weight_separator": ":"} if column == "weights" else field])
    check_everywhere(data, prepared)
    layer = FieldEmbedding(data.schema, 3)
    layer.build({"ids": prepared["ids"].shape})
    table = np.random.default_rng(0).normal(size=(data.schema.num_ids, 3)).astype("float32")
    layer.table.assign(table)
    found = layer(prepared).numpy()[:, 1]
    names = sorted({value.split(":")[0] for cell in FRAME[column] for value in cell.split("|") if value})
    above = -(-len(names) // 4)
    for row, cell in enumerate(FRAME[column]):
        total, weights = np.zeros(3), 0.0
        for value in filter(None, cell.split("|")):
            name, _, weight = value.partition(":")
            number, weight = names.index(name), float(weight or 1)
            total += weight * (table[2 + number // 4] + table[2 + above + number % 4])
            weights += weight
        expected = total / weights if pooling == "mean" and weights else total
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-6)
    decoded = data.encoding.decode(*data.encoding.encode(pl.from_pandas(FRAME)))[column].to_list()
    assert decoded == [[one.split(":")[0] for one in cell.split("|") if one] for cell in FRAME[column]]


def test_a_served_model_predicts_what_the_model_does(tmp_path):
    fields = [{"name": "user", "compositional": "auto"}, {"name": "seen", "kind": "multivalued", "compositional": 4}]
    data, prepared, _ = prepare(tmp_path, fields)
    model = models.build("lr", data.schema)
    weights = np.random.default_rng(0).normal(size=(data.schema.num_ids, 1))
    weights[1] = 0.001  # of the row's number
    model.get_layer("linear").weights_of_ids.table.assign(weights)
    expected = model.predict(prepared, verbose=0)
    assert np.ptp(expected) > 0.1
    served = serving_model(model, data.encoding)
    np.testing.assert_allclose(served.predict(FRAME, verbose=0), expected, rtol=1e-5)
    served.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported").signatures["serving_default"]
    cells = {name: tf.constant(FRAME[name].to_numpy().reshape(-1, 1).tolist()) for name in ("user", "seen")}
    found = exported(row=tf.constant(FRAME[["row"]].to_numpy(float)), **cells)
    np.testing.assert_allclose(next(iter(found.values())), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"compositional": 0}, "must be a whole number of at least 1, or 'auto'. Received: 0"),
        ({"compositional": True}, "must be a whole number of at least 1, or 'auto'. Received: True"),
        ({"compositional": "root"}, "must be a whole number of at least 1, or 'auto'. Received: 'root'"),
        ({"compositional": 2.0}, "must be a whole number of at least 1, or 'auto'. Received: 2.0"),
        ({"kind": "numerical"}, "`compositional` is for values that are counted or hashed"),
        ({"kind": "vector"}, "`compositional` is for values that are counted or hashed"),
        ({"transform": "quantile"}, "`compositional` is for values that are counted or hashed"),
        ({"kind": "multivalued", "pooling": "max"}, "the pooling 'max' takes whole embeddings"),
        ({"hash_buckets": 4}, "saves nothing, as 2 quotients and 2 remainders are no fewer than the 4 ids"),
        ({"hash_buckets": 100, "compositional": 100}, "saves nothing, as 1 quotients and 100 remainders"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(ValueError, match=f"Field 'user': .*{message}"):
        FieldSpecification("user", **{"compositional": "auto", **arguments})


def test_too_many_rows_are_refused():
    with pytest.raises(ValueError, match="at most 2,147,483,647 ids.*`compositional: auto`"):
        TableEncoding([FieldEncoding("user", hash_buckets=2**62, compositional="auto")])


def test_the_report_says_that_small_tables_save_nothing(tmp_path):
    frame = FRAME.assign(user=FRAME["user"].where(FRAME["user"] < "d", "d"))
    *_, report = prepare(tmp_path, [{"name": "user", "compositional": "auto"}], frame)
    assert report["warnings"] == ["Field 'user': `compositional` saves nothing, as 4 values have 4 rows. Remove it."]
    with pytest.warns(UserWarning, match="'user': `compositional` saves nothing, as 4 values have 5 rows"):
        FrameEncoder("click", ["user"], compositional={"user": 4}).fit(frame)


def test_fields_that_share_ids_are_composed_alike(tmp_path):
    seen = {"name": "seen", "kind": "multivalued", "share": "user"}
    user = {"name": "user", "compositional": 4}
    with pytest.raises(ValueError, match="so `compositional` must be the same. Received: None and 4"):
        prepare(tmp_path, [user, seen])
    data, prepared, _ = prepare(tmp_path, [user, {**seen, "compositional": 4}])
    check_everywhere(data, prepared)
    for row, cell in enumerate(FRAME["seen"]):
        for place, value in enumerate(filter(None, cell.split("|"))):
            others = np.flatnonzero(FRAME["user"] == value)
            pair = prepared["ids"][row, [3 + place, 3 + data.schema.fields[2].values_per_row + place]]
            assert all((prepared["ids"][others, 1:3] == pair).all(axis=1))


def test_pretrained_vectors_are_refused(tmp_path):
    data, *_ = prepare(tmp_path, [{"name": "user", "compositional": 4}])
    model = models.build("fm", data.schema, embedding_dim=2)
    with pytest.raises(ValueError, match="Field 'user' is compositional.*Remove `compositional`") as error:
        load_pretrained(model, data.encoding, "user", {"a": [1, 2]})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "options",
    [
        {"min_count": 8, "assign_ids_online": True},
        {"min_count": 8, "unused_ids": 4},
        {"missing": "category"},
        {"missing": "reserved", "oov": True},
        {"type": "text", "missing_texts": ["a", "b"]},
    ],
)
def test_pairs_are_those_of_the_ids_that_a_table_would_have(options, tmp_path):
    (tmp_path / "plain").mkdir()
    (tmp_path / "composed").mkdir()
    plain, of_table, _ = prepare(tmp_path / "plain", [{"name": "user", **options}])
    size = plain.schema.fields[1].vocabulary_size
    _, found, _ = prepare(tmp_path / "composed", [{"name": "user", **options, "compositional": 6}])
    above = -(-size // 6)
    for one, pair in zip(of_table["ids"][:, 1].tolist(), found["ids"][:, 1:].tolist(), strict=True):
        assert pair == ([2 + (one - 2) // 6, 2 + above + (one - 2) % 6] if one else [0, 0])
