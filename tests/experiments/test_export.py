"""`ctrzoo-export` from end to end: all forms of five models agree, and a failure leaves nothing."""

import csv
import functools
import importlib.util
import json
import pathlib
import re

import numpy as np
import pytest

from ctrzoo.experiments.exporting import onnx_file, write
from ctrzoo.experiments.exporting.litert_file import run_litert
from ctrzoo.experiments.exporting.onnx_file import run_onnx
from ctrzoo.metrics import auc
from ctrzoo.training.evaluation import Evaluator
from tests.experiments.exporting.serving import served
from tests.experiments.exporting.wide_table import run_export, wide_data, wide_run
from tests.experiments.scored_table import cells_of, score
from tests.models.cases import small_hyperparameters

HAS_ONNX = all(importlib.util.find_spec(name) for name in onnx_file.NEEDED)
# Random weights of these must be larger, lest all rows have one prediction.
SCALES = {"autoint": 0.2, "pnn": 0.1}
EACH = ["fm", "deepfm", "autoint", *(pytest.param(name, marks=pytest.mark.nightly) for name in ("dcn_v2", "pnn"))]
FORMS = ("savedmodel", "onnx", "litert", "embeddings") if HAS_ONNX else ("savedmodel", "litert", "embeddings")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a table, its prepared data and runs."""
    return tmp_path_factory.mktemp("wide")


@pytest.fixture(scope="module")
def data(folder):
    return wide_data(folder)


@pytest.fixture(scope="module")
def exported(folder, data):
    """All forms of a model by its name, made when it is first asked for: `(the model, what the program said)`."""

    @functools.cache
    def export(name):
        model = wide_run(folder / name, data, name, SCALES.get(name, 0.05), **small_hyperparameters(name))
        paths = (f"--workdir={folder / name}", f"--table={folder / 'test.csv'}", f"--output={folder / name / 'out'}")
        return model, run_export(*paths, f"--to={','.join(FORMS)}")

    return export


@pytest.fixture(scope="module")
def ask(folder):
    with served(folder) as ask:
        yield lambda name, request: ask(f"{name}/out/savedmodel", request)


@pytest.fixture(scope="module")
def cells(folder):
    """The raw test rows as a client of the SavedModel sends them, by Python's csv module."""
    numbers = ("price", "views", "age", "x", "y")
    rows = [{key: "" if cell == "NULL" else cell for key, cell in row.items()} for row in cells_of(folder / "test.csv")]
    for row in rows:
        del row["click"], row["day"]
        row |= {key: float(row[key] or "nan") for key in numbers}
        row["picture"] = [float(number) for number in (row["picture"] or "nan;nan;nan").split(";")]
    return rows


@pytest.mark.parametrize("name", EACH)
def test_all_ways_agree_on_every_row(name, folder, data, exported, ask, cells, tmp_path):
    model, _ = exported(name)
    features, labels = data.arrays("test")
    expected = model.predict(features, verbose=0)[:, 0]
    assert np.std(expected) > 1e-3
    found = {"SavedModel": ask(name, {"instances": cells})["predictions"]}
    columns = {key: [row[key] for row in cells] for key in cells[0]}
    found["SavedModel by columns"] = ask(name, {"inputs": columns})["outputs"]
    ids = {key: np.asarray(array).tolist() for key, array in features.items()}
    found["SavedModel by ids"] = ask(name, {"inputs": ids, "signature_name": "ids"})["outputs"]
    found["SavedModel, one row at a time"] = [ask(name, {"instances": [row]})["predictions"][0] for row in cells[:9]]
    found["LiteRT"] = run_litert(folder / name / "out" / "litert" / "model.tflite", features)
    if HAS_ONNX:
        found["ONNX"] = run_onnx(folder / name / "out" / "onnx" / "model.onnx", features)
    score(f"--workdir={folder / name}", f"--table={folder / 'test.csv'}", f"--output={tmp_path / 'scores.csv'}")
    found["ctrzoo-predict"] = [float(row["probability"]) for row in cells_of(tmp_path / "scores.csv")]
    for way, predictions in found.items():
        np.testing.assert_allclose(predictions, expected[: len(predictions)], rtol=0, atol=1e-6, err_msg=way)
    evaluated = Evaluator(model).evaluate(data.dataset("test", 64, shuffle=False))
    assert auc(np.asarray(labels), np.array(found["SavedModel"])) == pytest.approx(evaluated["auc"], abs=1e-4)


@pytest.mark.parametrize("name", EACH)
def test_the_program_says_the_largest_difference(name, folder, exported):
    said = exported(name)[1]
    assert said.endswith(f"The exports are in {folder / name / 'out'}")
    differences = re.findall(r"by at most (\S+) on the first 200 rows of test.csv", said)
    assert len(differences) == len(FORMS) and all(float(each) <= 1e-6 for each in differences)
    assert sorted(path.name for path in (folder / name / "out").iterdir()) == sorted(FORMS)


@pytest.mark.parametrize("name", EACH)
def test_the_request_of_the_page_has_its_answer(name, folder, exported, ask):
    exported(name)
    page = (folder / name / "out" / "savedmodel" / "README.md").read_text()
    request, response = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    found, expected = ask(name, request.encode())["predictions"], json.loads(response)["predictions"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_the_program_of_the_page_computes_its_answer(folder, exported, tmp_path, monkeypatch, capsys):
    exported("fm")
    written = folder / "fm" / "out" / "savedmodel"
    page = (written / "README.md").read_text()
    request, response = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    (tmp_path / "1").symlink_to(written / "1")
    (tmp_path / "request.json").write_text(request, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1], {})
    found = re.search(r"array\(\[(.*?)\]", capsys.readouterr().out)[1].split(",")
    np.testing.assert_allclose([float(each) for each in found], json.loads(response)["predictions"], atol=1e-6)


def test_a_request_without_a_column_is_an_error(exported, ask, cells):
    exported("fm")
    assert "expected" in ask("fm", {"instances": [{"site": "a"}]})["error"]
    assert "finite" in ask("fm", {"instances": [{**cells[0], "price": float("inf")}]})["error"]


@pytest.fixture
def fm(folder, exported):
    """The run of FM."""
    exported("fm")
    return folder / "fm"


@pytest.fixture
def refused(fm, tmp_path):
    """Expect an error, and no output."""

    def check(message, *arguments, to="litert"):
        given = [f"--workdir={fm}", f"--to={to}", f"--output={tmp_path / 'deep' / 'out'}", *arguments]
        left_out = [flag.removesuffix("=none") for flag in arguments if flag.endswith("=none")]
        with pytest.raises((ValueError, OSError), match=message):
            run_export(*(each for each in given if each.split("=")[0] not in left_out))
        assert list(tmp_path.iterdir()) == []

    return check


def test_a_difference_leaves_nothing(refused, folder, fm, tmp_path, monkeypatch):
    table, real = f"--table={folder / 'test.csv'}", write.litert_file.run_litert

    def one_row_differs(path, features):
        predictions = np.array(real(path, features))
        predictions[-1] += 2e-6
        return predictions

    monkeypatch.setattr(write.litert_file, "run_litert", one_row_differs)
    refused("LiteRT file differs from the model by 2.*e-06 on the first 200 rows of test.csv", table)
    refused("nothing was written", table, to="savedmodel,litert")
    refused("on the first 7 rows", table, "--check_rows=7")
    run_export(f"--workdir={fm}", "--to=litert", table, f"--output={tmp_path}", "--tolerance=1e-5")
    assert (tmp_path / "litert" / "model.tflite").exists()


def test_what_is_given_must_make_sense(refused, folder, fm):
    table = f"--table={folder / 'test.csv'}"
    refused("Which form", "--to=none")
    refused("Unknown form 'onxn'. Did you mean 'onnx'", to="onxn")
    refused("names a form twice", to="litert,litert")
    refused("Where to", "--output=none")
    refused("Which model", f"--model={fm / 'model.keras'}")
    refused("--format and --schema say how a --table", "--format=csv")
    refused("checked on raw rows. Pass some as --table", to="savedmodel")
    refused("does not say which data it read.* Pass some raw rows as --table")
    refused("nothing.csv does not exist", "--table=nothing.csv")
    refused("Unknown argument", table, "litert")


def test_existing_exports_are_kept_unless_asked(folder, fm, tmp_path):
    (tmp_path / "litert").mkdir()
    (tmp_path / "litert" / "old").touch()
    options = (f"--workdir={fm}", "--to=litert", f"--table={folder / 'test.csv'}", f"--output={tmp_path}")
    with pytest.raises(FileExistsError, match="litert exists. Pass --overwrite"):
        run_export(*options)
    run_export(*options, "--overwrite", f"--check_rows={5}")
    assert not (tmp_path / "litert" / "old").exists() and (tmp_path / "litert" / "model.tflite").exists()


def test_rows_of_the_test_split_are_checked_without_a_table(folder, data, tmp_path):
    run = tmp_path / "run"
    wide_run(run, data, "fm", embedding_dim=3)
    (run / "experiment.json").write_text(json.dumps({"data": {"folder": str(folder / "data")}}))
    said = run_export(f"--workdir={run}", "--to=litert,embeddings", f"--output={tmp_path / 'out'}", "--check_rows=50")
    assert "on 50 of the 200 test rows of wide." in said
    page = (tmp_path / "out" / "litert" / "README.md").read_text()
    ids, values = (json.loads(text) for text in re.findall(r"^(?:ids|values): (.*)$", page, re.MULTILINE))
    features = {"ids": np.array([ids], np.int32), "values": np.array([values], np.float32)}
    found = run_litert(tmp_path / "out" / "litert" / "model.tflite", features)[0]
    assert float(re.findall(r"`probability` is (\S+)\.$", page, re.MULTILINE)[0]) == pytest.approx(found, abs=1e-7)


def test_bad_rows_are_counted_and_left_out(folder, fm, tmp_path):
    lines = (folder / "test.csv").read_text().splitlines()
    with open(folder / "test.csv", newline="") as file:
        price = next(csv.reader(file)).index("price")
    wrong = lines[2].split(",")
    wrong[price] = "cheap"
    lines[2] = ",".join(wrong)
    (tmp_path / "new.csv").write_text("\n".join(lines) + "\n")
    options = (f"--workdir={fm}", "--to=litert", f"--output={tmp_path / 'out'}")
    said = run_export(*options, f"--table={tmp_path / 'new.csv'}")
    assert "1 row cannot be used, such as" in said and "new.csv, row 3: column 'price'" in said
    assert "first 199 rows of new.csv" in said


def test_the_program_is_a_console_script():
    setup = (pathlib.Path(__file__).parents[2] / "setup.py").read_text()
    assert "ctrzoo-export = ctrzoo.experiments.export:run" in setup
