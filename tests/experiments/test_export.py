"""`ctrzoo-export` from end to end: every form predicts what the model does, and failures are one line."""

import csv
import importlib.util
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
import tensorflow as tf

from ctrzoo import data_pipelines
from ctrzoo.experiments.exporting import write
from tests.experiments.exported_run import needs_onnx, predicted_elsewhere, run_export
from tests.experiments.scored_table import FIRST_TEST_ROW, SCHEMA, clicks_frame, prepared_run, run_of, score

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def clicks(tmp_path_factory):
    """A run, the table of its test rows, what the model predicts for the prepared ones, and an export of all forms."""
    folder = tmp_path_factory.mktemp("clicks")
    frame = clicks_frame()
    frame.to_csv(folder / "rows.csv", index=False)
    run, expected, *_ = prepared_run(folder, folder / "rows.csv", SCHEMA, "deepfm", deep_units=(8,))
    frame[FIRST_TEST_ROW:].drop(columns="click").to_csv(folder / "new.csv", index=False)
    forms = ["savedmodel", "litert", "embeddings"] + ["onnx"] * (importlib.util.find_spec("tf2onnx") is not None)
    options = (f"--workdir={run}", f"--to={','.join(forms)}", f"--table={folder / 'new.csv'}")
    said = run_export(*options, f"--output={folder / 'deep' / 'exported'}")
    return run, folder / "new.csv", expected, folder / "deep" / "exported", said


def raw_rows(table):
    """Return rows as a client sends them, by Python's csv module: texts, and numbers as numbers."""
    numbers = {"price", "age", "x", "y"}
    with open(table, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            cells = {name: row[name] for name in ("site", "user", "price", "age", "at", "tags", "x", "y")}
            cells = {name: "" if text == "NULL" else text for name, text in cells.items()}
            yield {name: (float(text or "nan") if name in numbers else text) for name, text in cells.items()}


def test_it_says_the_largest_difference_of_each_form(clicks):
    *_, output, said = clicks
    lines = re.findall(r"The (\S+).* differs? from the model by at most (\S+) on the first 600 rows of new.csv", said)
    assert len(lines) == len(list(output.iterdir()))
    assert all(0 <= float(difference) <= TOLERANCE for _, difference in lines)
    assert sorted(path.name for path in output.iterdir()) == sorted(
        name for name in ("embeddings", "litert", "onnx", "savedmodel") if (output / name).exists()
    )


def test_a_saved_model_predicts_from_raw_cells_without_ctrzoo(clicks):
    _, table, expected, output, _ = clicks
    found = predicted_elsewhere(output / "savedmodel" / "1", list(raw_rows(table)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
    assert np.std(found) > 0.01


def test_a_saved_model_of_ids_without_ctrzoo(clicks):
    run, _, expected, output, _ = clicks
    features, _ = data_pipelines.load(run.parent / "data").arrays("test")
    rows = [dict(zip(features, row, strict=True)) for row in zip(*(a.tolist() for a in features.values()), strict=True)]
    found = predicted_elsewhere(output / "savedmodel" / "1", rows, "ids")
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_the_request_of_the_page_has_the_answer_of_the_page(clicks):
    *_, expected, output, _ = clicks
    request, answer = map(
        json.loads, re.findall(r"```json\n(.*?)```", (output / "savedmodel" / "README.md").read_text(), re.DOTALL)
    )
    assert len(request["instances"]) == 2 and set(request) == {"instances"}
    found = predicted_elsewhere(output / "savedmodel" / "1", request["instances"])
    np.testing.assert_allclose(found, answer["predictions"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(found, expected[:2], rtol=0, atol=TOLERANCE)


def example_of(page):
    """Return cells, features and prediction of the worked example of a page."""
    text = page.read_text(encoding="utf-8")
    cells = json.loads(re.search(r"```json\n(.*?)```", text, re.DOTALL)[1])
    ids, values = (json.loads(re.search(rf"^{name}: (.*)$", text, re.MULTILINE)[1]) for name in ("ids", "values"))
    features = {"ids": np.array([ids], np.int32), "values": np.array([values], np.float32)}
    return cells, features, float(re.search(r"`probability` is (\S+)\.", text)[1])


@pytest.mark.parametrize("form", ["litert", pytest.param("onnx", marks=needs_onnx)])
def test_the_example_of_the_page_is_true(form, clicks):
    """By hand: ids from the vocabulary, numbers from what was fitted, then the file of another library."""
    *_, table, expected, output, _ = clicks
    cells, features, prediction = example_of(output / form / "README.md")
    with open(table, newline="", encoding="utf-8") as file:
        first = next(csv.DictReader(file))
    assert cells["site"] == first["site"] != "NULL" and cells["tags"] == first["tags"]
    ids, values = features["ids"][0].tolist(), features["values"][0].tolist()
    vocabulary = pl.read_parquet(output / form / "vocabulary.parquet")
    known = {(field, value): number for field, value, number in vocabulary.select("field", "value", "id").iter_rows()}
    fields = {field["name"]: field for field in json.loads((output / form / "encoding.json").read_text())["fields"]}
    slots = {
        row[1]: int(row[0].split(" ")[0])
        for row in re.findall(r"^\| (\d[^|]*) \| (\w+) \|", (output / form / "README.md").read_text(), re.MULTILINE)
    }
    assert ids[slots["site"]] == known["site", first["site"]] and values[slots["site"]] == 1
    price = fields["price"]
    assert values[slots["price"]] == pytest.approx(
        (float(first["price"]) - price["offset"]) / price["scale"] if first["price"] != "NULL" else 0, rel=1e-6
    )
    hour = str(int(first["at"][11:13]))
    assert ids[slots["hour"]] == known["hour", hour]
    assert ids[slots["site_hour"]] == known.get(("site_hour", f"{first['site']} & {hour}"), ids[slots["site_hour"]])
    tags = [known["tags", tag] for tag in first["tags"].split("|") if tag]
    assert ids[slots["tags"] : slots["tags"] + len(tags)] == tags
    assert values[slots["tags"] : slots["tags"] + len(tags)] == pytest.approx([1 / len(tags)] * len(tags))
    assert values[slots["place"] : slots["place"] + 2] == pytest.approx([float(first["x"]), float(first["y"])])
    found = (run_lite if form == "litert" else run_onnx)(output / form, features)
    assert found == pytest.approx([prediction], abs=TOLERANCE) and prediction == pytest.approx(expected[0], abs=1e-6)


def run_lite(folder, features):
    lite = tf.lite.Interpreter(model_path=str(folder / "model.tflite"))
    for details in lite.get_input_details():
        name = "ids" if details["dtype"] == np.int32 else "values"
        lite.resize_tensor_input(details["index"], features[name].shape)
    lite.allocate_tensors()
    for details in lite.get_input_details():
        lite.set_tensor(details["index"], features["ids" if details["dtype"] == np.int32 else "values"])
    lite.invoke()
    return lite.get_tensor(lite.get_output_details()[0]["index"])[:, 0]


def run_onnx(folder, features):
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "model.onnx")
    (output,) = session.get_outputs()
    assert output.name == "probability" and output.shape == ["rows", 1]
    return session.run(["probability"], features)[0][:, 0]


@pytest.mark.parametrize("form", ["litert", pytest.param("onnx", marks=needs_onnx)])
def test_files_of_ids_predict_all_rows_and_one(form, clicks):
    run, _, expected, output, _ = clicks
    features, _ = data_pipelines.load(run.parent / "data").arrays("test")
    for rows in (slice(None), slice(3, 4)):
        some = {name: array[rows] for name, array in features.items()}
        found = (run_lite if form == "litert" else run_onnx)(output / form, some)
        np.testing.assert_allclose(found, expected[rows], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("model", ["lr", "graphfm", "wide_deep", "dcn_v2"])
def test_other_models_on_test_rows_of_the_run(model, clicks, tmp_path):
    data = data_pipelines.load(clicks[0].parent / "data")
    built = run_of(tmp_path / "run", data, model)
    (tmp_path / "run" / "experiment.json").write_text(json.dumps({"data": {"folder": str(data.folder)}}))
    said = run_export(
        f"--workdir={tmp_path / 'run'}", "--to=litert,embeddings", f"--output={tmp_path}", "--check_rows=50"
    )
    assert "on 50 of the 600 test rows of rows." in said
    features, _ = data.arrays("test")
    expected = built.predict(features, verbose=0)[:, 0]
    np.testing.assert_allclose(run_lite(tmp_path / "litert", features), expected, rtol=0, atol=TOLERANCE)


def test_the_program_that_predicts_agrees(clicks):
    run, table, _, output, _ = clicks
    scored, _ = score(f"--workdir={run}", f"--table={table}", "--output=-")
    expected = [float(row["probability"]) for row in csv.DictReader(scored.splitlines())]
    found = predicted_elsewhere(output / "savedmodel" / "1", list(raw_rows(table)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_a_form_that_differs_is_refused_and_leaves_nothing(clicks, tmp_path, monkeypatch):
    run, table, *_ = clicks
    monkeypatch.setattr(write.litert_file, "run_litert", lambda path, features: np.full(len(features["ids"]), 0.5))
    options = (f"--workdir={run}", f"--table={table}", "--to=embeddings,litert", f"--output={tmp_path / 'a' / 'b'}")
    with pytest.raises(ValueError, match=r"The LiteRT file differs from the model by 0?\.?\d.* nothing was written"):
        run_export(*options)
    assert list(tmp_path.iterdir()) == []
    said = run_export(*options, "--tolerance=1")
    assert (
        sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == ["embeddings", "litert"] and "at most" in said
    )


def test_bad_rows_are_counted_and_existing_exports_are_kept_or_replaced(clicks, tmp_path):
    run, table, *_ = clicks
    lines = table.read_text().splitlines()
    lines[2:2] = ["too,few"]
    (tmp_path / "new.csv").write_text("\n".join(lines[:9]) + "\n")
    (tmp_path / "embeddings").mkdir()
    (tmp_path / "embeddings" / "old").write_text("old")
    options = (f"--workdir={run}", f"--table={tmp_path / 'new.csv'}", "--to=embeddings", f"--output={tmp_path}")
    with pytest.raises(FileExistsError, match="embeddings exists. Pass --overwrite"):
        run_export(*options)
    assert (tmp_path / "embeddings" / "old").read_text() == "old"
    said = run_export(*options, "--overwrite")
    assert "1 row cannot be used, such as" in said and "row 3: 2 columns" in said and "first 7 rows" in said
    assert not (tmp_path / "embeddings" / "old").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["embeddings", "new.csv"]


STOPPED = """
import os
from ctrzoo.experiments import export
from ctrzoo.experiments.exporting import write
write.check_difference = lambda *arguments: os.kill(os.getpid(), {signal})
export.run()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143)])
def test_an_interrupted_run_leaves_no_export(number, code, clicks, tmp_path):
    run, table, *_ = clicks
    command = [sys.executable, "-c", STOPPED.format(signal=int(number)), f"--workdir={run}", f"--table={table}"]
    command += ["--to=embeddings", f"--output={tmp_path / 'out'}"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    stopped = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert stopped.returncode == code, stopped.stderr
    assert not (tmp_path / "out" / "embeddings").exists()
    if number == signal.SIGTERM:
        assert stopped.stderr.splitlines()[-1] == "ctrzoo-export: interrupted; nothing was written"
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to=litert", "--output=out"], "Which model? Pass either --workdir"),
        (["--workdir=run", "--output=out"], "Which form? Pass --to with one or more of savedmodel"),
        (["--workdir=run", "--to=tflite", "--output=out"], "Unknown form 'tflite'"),
        (["--workdir=run", "--to=onnx,onnx", "--output=out"], "--to names a form twice"),
        (["--workdir=run", "--to=litert"], "Where to? Pass --output"),
        (["--workdir=runs", "--to=litert", "--output=out"], "Train a run first: runs/model.keras not found"),
        (["--workdir=run", "--to=litert", "--output=out"], "run does not say which data it read"),
        (["--workdir=run", "--to=litert", "--output=out", "--format=csv"], "--format and --schema say how a --table"),
        (["--workdir=run", "--to=litert", "--output=out", "--table=nwe.csv"], "nwe.csv does not exist"),
        (["--workdir=run", "--to=litert", "--output=new.csv", "--table=new.csv"], "new.csv is a file"),
        (["--workdir=run", "--to=litert", "--output=out", "--table=header.csv"], "header.csv has no rows to check on"),
        (["--workdir=run", "--to=savedmodel", "--output=out"], "does not say which data"),
    ],
)
def test_failures(arguments, message, clicks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("run").symlink_to(clicks[0])
    content = clicks[1].read_text()
    pathlib.Path("new.csv").write_text(content)
    pathlib.Path("header.csv").write_text(content.splitlines()[0] + "\n")
    with pytest.raises((ValueError, OSError)) as failed:
        run_export(*arguments)
    assert message in str(failed.value) and len(str(failed.value).splitlines()) == 1
    assert not pathlib.Path("out").exists()
