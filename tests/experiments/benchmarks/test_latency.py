"""The latency benchmark compares ways that predict the same, and counts from the first way."""

import sys

import numpy as np
import pytest

from ctrzoo import models
from ctrzoo.experiments.benchmarks import latency
from ctrzoo.experiments.benchmarks.alone import ALONE, measure_alone
from ctrzoo.experiments.benchmarks.latency import criteo_like, measure
from ctrzoo.experiments.benchmarks.shapes import SHAPES, random_rows
from ctrzoo.schema import Schema

# Stands in for a Python that has DeepCTR: it saves a sum of all columns, or fails.
STAND_IN = """
import json, sys
name, schema, folder = sys.argv[-3:]
if name == "fm":
    sys.exit("NotImplementedError: DeepCTR has no model like 'fm'")
if name == "pnn":
    sys.exit("ImportError: broken")
import tensorflow as tf
from ctrzoo.schema import Schema
specs = {
    field.name: tf.TensorSpec((None, 1), tf.float32 if field.kind == "numerical" else tf.int32, field.name)
    for field in Schema.from_dict(json.loads(schema)).fields
}
def total(**columns):
    return {"sum": tf.add_n([tf.cast(column, tf.float32) for column in columns.values()])[:, 0]}
signature = tf.function(total).get_concrete_function(**specs)
tf.saved_model.save(tf.Module(), folder, signatures={"serving_default": signature})
"""


@pytest.fixture
def stand_in(tmp_path):
    program = tmp_path / "python"
    program.write_text(f"#!{sys.executable}\n{STAND_IN}")
    program.chmod(0o755)
    return str(program)


def test_each_way_and_number_of_rows_is_measured(stand_in):
    rows = measure(["lr"], sizes=(1, 5), calls=3, vocabulary=20, peers_python=stand_in)
    ways = list(dict.fromkeys(row["way"] for row in rows))
    assert ways[:3] == ["SavedModel, cells", "SavedModel, ids", "plain Keras, ids"]
    assert ways[-1] == "DeepCTR, ids"
    assert [(row["rows"], row["way"]) for row in rows] == [(size, way) for size in (1, 5) for way in ways]
    for row in rows:
        assert 0 < row["p50 ms"] <= row["p99 ms"]
    assert [row["ratio"] for row in rows if row["way"] == "SavedModel, cells"] == [1, 1]
    assert set(ALONE["latency"][0]) <= {"sizes", "calls", "vocabulary"}


def test_the_models_are_those_that_the_command_names(monkeypatch):
    monkeypatch.setitem(ALONE, "latency", ({"sizes": [1], "calls": 2, "vocabulary": 10}, {}))
    assert {row["model"] for row in measure_alone("latency", models=["lr", "fm"])} == {"lr", "fm"}


def test_rows_have_missing_and_unknown_cells():
    encoding, frame = criteo_like(20, 400)
    features = encoding.features(frame)
    assert features["ids"].shape == (400, 39)
    kinds = features["ids"][:, 13:] - np.array(encoding.schema.first_ids)[13:]
    assert 0.02 < (features["ids"][:, 13:] == 0).mean() < 0.08 and 0.02 < (kinds == 0).mean() < 0.08
    assert 0.05 < (features["values"][:, :13] == 0).mean() < 0.15


def test_a_way_that_predicts_otherwise_is_an_error(tiny_model):
    model, features, expected = tiny_model

    def calls(change):
        return {"SavedModel, ids": lambda: expected, "ONNX, ids": lambda: expected + np.float32(change)}

    latency._check(model, features, calls(5e-7))
    with pytest.raises(RuntimeError, match="'ONNX, ids' of fm differs from 'SavedModel, ids' by 1.0e-0"):
        latency._check(model, features, calls(1e-5))


@pytest.fixture
def tiny_model():
    schema = SHAPES["tiny"]
    model = models.build("fm", schema)
    features, _ = random_rows(schema, 5)
    return model, features, np.asarray(model(features))[:, 0]


def test_deepctr_takes_part_where_it_has_such_a_model(stand_in, tmp_path):
    schema = Schema(SHAPES["tiny"].fields[:3])
    assert not latency._save_deepctr("fm", schema, tmp_path / "fm", stand_in)
    with pytest.raises(RuntimeError, match="DeepCTR did not save pnn: ImportError: broken"):
        latency._save_deepctr("pnn", schema, tmp_path / "pnn", stand_in)


def test_deepctr_gets_each_field_as_a_column_of_ids_from_one():
    schema = Schema(SHAPES["tiny"].fields[:3])
    features = {"ids": np.array([[0, 22, 31], [5, 0, 31]], np.int32), "values": np.array([[0, 1, 0.5], [1, 0, 0.25]])}
    columns = latency._columns(schema, features)
    assert {name: column.tolist() for name, column in columns.items()} == {
        "user": [[1], [5 - schema.first_ids[0] + 1]],
        "item": [[22 - schema.first_ids[1] + 1], [1]],
        "age": [[0.5], [0.25]],
    }
