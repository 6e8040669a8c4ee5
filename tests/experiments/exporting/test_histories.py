"""Exports of models that read histories, and the page's words about them, by a client in plain Python."""

import csv
import importlib.util
import json
import re

import numpy as np
import polars as pl
import pytest

from ctrzoo import data_pipelines
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from ctrzoo.experiments.exporting.litert_file import run_litert
from ctrzoo.experiments.exporting.onnx_file import NEEDED, run_onnx
from ctrzoo.experiments.exporting.saved_model import LoadedModel
from tests.experiments.exported_run import predicted_elsewhere
from tests.experiments.exporting.wide_table import run_export, wide_run
from tests.models.cases import small_hyperparameters

HAS_ONNX = all(importlib.util.find_spec(name) for name in NEEDED)
MODELS = ("pooled", "din", "dien", "bst")
SCHEMA = {
    "label": "click",
    "fields": [
        {"name": "item", "min_count": 2},
        {"name": "kind", "oov": False},
        {"name": "seen", "kind": "sequence", "share": "item", "min_count": 2, "max_values": 3},
        {"name": "seen_kind", "kind": "sequence", "share": "kind", "oov": False, "events": "seen", "max_values": 3},
    ],
    "split": {"column": "day", "valid_from": 200, "test_from": 240},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table of rows with up to five events, of which some items are rare and some kinds are unknown."""
    folder, random = tmp_path_factory.mktemp("histories"), np.random.default_rng(0)
    lines = []
    for day in range(340):
        events = random.integers(0, 12 + day // 40, random.integers(6))
        item = random.integers(12)
        kinds = [f"k{event % 4}" if event % 5 else "unheard" for event in events]
        seen = [f"i{event}" for event in events]
        lines.append([random.integers(2), f"i{item}", f"k{item % 4}", "|".join(seen), "|".join(kinds), day])
    with open(folder / "rows.csv", "w", newline="") as file:
        csv.writer(file).writerows([["click", "item", "kind", "seen", "seen_kind", "day"], *lines])
    with open(folder / "test.csv", "w", newline="") as file:
        csv.writer(file).writerows([["click", "item", "kind", "seen", "seen_kind", "day"], *lines[240:]])
    prepare_own_table(folder / "data", "histories", folder / "rows.csv", SCHEMA)
    return folder


@pytest.fixture(scope="module")
def data(folder):
    return data_pipelines.load(folder / "data")


def sizes_of(name):
    """Return small sizes; without statistics of batches, of which random weights would make negative variances."""
    plain = {"din": {"attention_activation": "relu"}, "dien": {"deep_batch_norm": False}}
    return {**small_hyperparameters(name), **plain.get(name, {})}


def client_features(folder, cells, first):
    """Return ids and values of a row by the words of the page, knowing `vocabulary.parquet` and the first ids."""
    rows = pl.read_parquet(folder / "vocabulary.parquet").select("field", "value", "id").rows()
    known = {(field, value): number for field, value, number in rows}
    ids = [known.get(("item", cells["item"]), first["item"]), known.get(("kind", cells["kind"]), 0)]
    seen = cells["seen"].split("|") if cells["seen"] else []
    kinds = cells["seen_kind"].split("|") if cells["seen_kind"] else []
    events = [
        (known.get(("item", one), first["item"]), known.get(("kind", other), 0))
        for one, other in zip(seen, kinds, strict=True)
    ]
    events = [event for event in events if any(event)][-3:]
    for column in (0, 1):
        ids += [event[column] for event in events] + [0] * (3 - len(events))
    return ids, [float(each > 0) for each in ids]


@pytest.mark.parametrize("name", MODELS)
def test_all_forms_agree_with_the_model(name, folder, data):
    model = wide_run(folder / name, data, name, 0.2, **sizes_of(name))
    paths = (f"--workdir={folder / name}", f"--table={folder / 'test.csv'}", f"--output={folder / name / 'out'}")
    run_export(*paths, f"--to=savedmodel,litert,embeddings{',onnx' * HAS_ONNX}")
    features, _ = data.arrays("test")
    expected, out = model.predict(features, verbose=0)[:, 0], folder / name / "out"
    assert np.std(expected) > 1e-3 and len({len(set(row)) for row in features["ids"][:, 2:5].tolist()}) > 2
    with open(folder / "test.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    cells = {key: np.array([row[key] for row in rows], object) for key in ("item", "kind", "seen", "seen_kind")}
    found = {
        "SavedModel": LoadedModel(out / "savedmodel" / "1").predict(cells),
        "LiteRT": run_litert(out / "litert" / "model.tflite", features),
    }
    if HAS_ONNX:
        found["ONNX"] = run_onnx(out / "onnx" / "model.onnx", features)
    for form, predictions in found.items():
        np.testing.assert_allclose(predictions, expected, rtol=0, atol=2e-6, err_msg=form)


def test_a_client_that_follows_the_page(folder, data, tmp_path):
    """It encodes raw rows, and gets the answers of the SavedModel from raw cells, in a process without ctrzoo."""
    model = wide_run(tmp_path / "run", data, "din", 0.2, **sizes_of("din"))
    paths = (f"--workdir={tmp_path / 'run'}", f"--table={folder / 'test.csv'}", f"--output={tmp_path / 'out'}")
    run_export(*paths, "--to=savedmodel,litert")
    page = (tmp_path / "out" / "litert" / "README.md").read_text()
    said = "events of the history 'seen', the oldest first, between `\\|`; empty if there are none. The columns of one "
    said += "history have equally many events, or an empty cell. An event without an id in all of its columns is left "
    assert said + "out, and of the others the newest 3 are kept (text)" in page
    assert "| 2 to 4 | seen | sequence |" in page and "| 5 to 7 | seen_kind | sequence |" in page
    assert "of each event, from the first slot on, the `id` of the text in `vocabulary.parquet`, rows of 'item'" in page
    assert "The rest of the 3 slots is 0 | 1; 0 where the id is 0 |" in page
    schema = data.schema
    first = dict(zip(schema.names, schema.first_ids, strict=True))
    with open(folder / "test.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    found = [client_features(tmp_path / "out" / "litert", row, first) for row in rows]
    features, _ = data.arrays("test")
    np.testing.assert_array_equal(features["ids"], [ids for ids, _ in found])
    np.testing.assert_array_equal(features["values"], [values for _, values in found])
    page = (tmp_path / "out" / "savedmodel" / "README.md").read_text()
    assert "`seen` is text: events of the history 'seen', the oldest first, between `|`;" in page
    request, answer = (json.loads(text) for text in re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    sent = [{key: row[key] for key in ("item", "kind", "seen", "seen_kind")} for row in rows[:20]]
    expected = model.predict({key: array[:20] for key, array in features.items()}, verbose=0)[:, 0]
    folder = tmp_path / "out" / "savedmodel" / "1"
    np.testing.assert_allclose(predicted_elsewhere(folder, sent), expected, atol=1e-6)
    np.testing.assert_allclose(predicted_elsewhere(folder, request["instances"]), answer["predictions"], atol=1e-6)
