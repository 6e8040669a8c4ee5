"""The latency benchmark compares ways that predict the same, and counts from the first way."""

import numpy as np
import pytest

from ctrzoo.experiments.benchmarks import latency
from ctrzoo.experiments.benchmarks.alone import ALONE, measure_alone
from ctrzoo.experiments.benchmarks.latency import criteo_like, measure


def test_each_way_and_number_of_rows_is_measured():
    rows = measure(["lr"], sizes=(1, 5), calls=3, vocabulary=20)
    ways = list(dict.fromkeys(row["way"] for row in rows))
    assert ways[:3] == ["SavedModel, cells", "SavedModel, ids", "plain Keras, ids"]
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


def test_a_way_that_predicts_otherwise_is_an_error():
    def answer(number):
        return lambda: np.array([number])

    latency._check("fm", {"SavedModel, ids": answer(0.5), "ONNX, ids": answer(0.5 + 5e-7)})
    with pytest.raises(RuntimeError, match="'ONNX, ids' of fm differs from 'SavedModel, ids' by 2.0e-06"):
        latency._check("fm", {"SavedModel, ids": answer(0.5), "ONNX, ids": answer(0.5 + 2e-6)})
