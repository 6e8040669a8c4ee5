"""`ctrzoo-explain` from end to end on few rows, and its failures in one line."""

import csv
import json
import pathlib
import zipfile

import numpy as np
import pytest

from ctrzoo import data_pipelines, models
from ctrzoo.experiments.experiment import run_experiment
from ctrzoo.experiments.explained_run import explain_run, load_model
from ctrzoo.experiments.settings import Settings
from ctrzoo.files import seal_zip
from tests.experiments.planted_tables import prepared
from tests.programs import run_program

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]


def ctrzoo_explain(*arguments, folder):
    return run_program("ctrzoo.experiments.explain", *arguments, folder=folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    data = data_pipelines.load(data_pipelines.prepare("synthetic", folder / "data", num_rows=2000))
    for name in ("fm", "lr"):
        (folder / name).mkdir()
        models.build(name, data.schema).save(folder / name / "model.keras")
    (folder / "fm" / "experiment.json").write_text(json.dumps({"data": {"folder": str(data.folder)}}))
    return folder, data


def test_a_run_is_explained_beside_another(run):
    folder, data = run
    options = ("--rows=100", "--repeats=1", "--pairs=3", "--row=7", "--compare=lr")
    finished = ctrzoo_explain("--workdir=fm", *options, folder=folder)
    assert finished.returncode == 0, finished.stderr
    assert "Open fm/explanations/report.html" in finished.stdout
    report = (folder / "fm" / "explanations" / "report.html").read_text(encoding="utf-8")
    rate = data.num_positives["test"] / data.num_rows["test"]
    assert "Row 7: label" in report and f"the base rate of {rate:.3f} (" in report
    with open(folder / "fm" / "explanations" / "comparison.csv", newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["model"], second["model"]) == ("fm", "lr")
    assert 0 <= float(first["planted pairs found by explanation"]) <= 1
    assert second["planted pairs found by explanation"] == ""
    assert first["correlation with the first run's edges"] == ""  # it would be 1
    with open(folder / "fm" / "explanations" / "edges.csv", newline="") as file:
        assert sum(int(edge["planted"]) for edge in csv.DictReader(file)) == 5


def table_of(folder, name):
    with open(folder / f"{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("kind", "loss", "monitor", "metric", "lost", "terms"),
    [
        ("regression", None, None, "MSE", "mse_rise", "prediction"),
        pytest.param("poisson", "poisson", "mae", "MAE", "mae_rise", "log prediction", marks=pytest.mark.nightly),
        ("ranking", None, "grouped_auc", "grouped AUC", "grouped_auc_lost", "score"),
    ],
)
def test_a_trained_run_of_each_task_finds_the_planted_pair(kind, loss, monitor, metric, lost, terms, tmp_path):
    data = prepared(tmp_path, kind, weight="weight")
    options = {"baselines": (), "epochs": 12, "batch_size": 256, "learning_rate": 0.03, "monitor": monitor}
    options |= {"task": "regression" if kind == "poisson" else kind, "loss": loss}
    settings = Settings(dataset=str(data.folder), model="fm", hyperparameters={"embedding_dim": 4}, **options)
    run_experiment(settings, tmp_path, None, tmp_path / "run")
    report = explain_run(tmp_path / "run", tmp_path / "out", num_rows=600, repeats=2)
    (compared,) = table_of(tmp_path / "out", "comparison")
    assert 0 < float(compared[metric])
    assert float(compared[f"correlation of explanation and {metric} interaction"]) > 0.8
    assert float(compared[f"correlation of explanation and {terms} difference"]) > 0.8
    edges = table_of(tmp_path / "out", "edges")
    for column in ("mean", "interaction", "logit_interaction"):
        strongest = max(edges, key=lambda edge: float(edge[column]))
        assert {strongest["field"], strongest["other_field"]} == {"site", "ad"}
    losses = {row["field"]: float(row[lost]) for row in table_of(tmp_path / "out", "fields")}
    largest = max(losses.values())
    assert min(losses[name] for name in ("site", "ad", "hour")) > 0.2 * largest
    assert abs(losses["user"]) < 0.03 * largest  # it is noise
    text = report.read_text(encoding="utf-8")
    assert ("too high</h3>" in text and "too low</h3>" in text) == (kind != "ranking")
    assert ("of 10 in its group, grouped AUC 1.000</h3>" in text) == (kind == "ranking")


def test_runs_of_another_task_and_metrics_without_groups_are_refused(run, tmp_path):
    folder, data = run
    (tmp_path / "numbers").mkdir()
    models.build("lr", data.schema, task="regression").save(tmp_path / "numbers" / "model.keras")
    options = {"data_folder": data.folder, "num_rows": 50, "repeats": 1}
    with pytest.raises(ValueError, match="of one task can be compared. Received: .*fm of classification and .* of reg"):
        explain_run(folder / "fm", tmp_path / "out", compared=[tmp_path / "numbers"], **options)
    with pytest.raises(ValueError, match="NDCG@5 needs groups, which synthetic has not. Choose another --metric"):
        explain_run(folder / "fm", tmp_path / "out", metric="ndcg@5", **options)
    assert not (tmp_path / "out").exists()


def test_another_metric_of_clicks(run, tmp_path):
    options = {"num_rows": 50, "repeats": 1, "most_pairs": 2, "instances": 0}
    report = explain_run(run[0] / "fm", tmp_path, metric="log_loss", **options)
    assert "rise in log loss" in report.read_text(encoding="utf-8")
    assert list(table_of(tmp_path, "fields")[0]) == ["field", "log_loss_rise", "deviation"]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"chosen": [200]}, "has 200 rows, counted from 0. Received: 200"), ({"split": "tests"}, "no split 'tests'")],
)
def test_rows_that_are_not_there_are_refused(options, message, run):
    with pytest.raises(ValueError, match=message):
        explain_run(run[0] / "fm", run[0] / "unused", **options)
    assert not (run[0] / "unused").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Give its folder as --workdir"),
        (["--workdir=absent"], "Train a run first: absent/experiment.json not found."),
        (["--workdir=fm", "--compare=absent"], "Train a run first: absent/model.keras not found."),
        (["--workdri=fm"], "Unknown flag --workdri. Did you mean --workdir=fm?"),
    ],
)
def test_failures_are_one_line(arguments, message, run):
    finished = ctrzoo_explain(*arguments, folder=run[0])
    assert finished.returncode == 1
    assert message in finished.stderr.splitlines()[-1]
    assert finished.stderr.splitlines()[-1].startswith("ctrzoo-explain: ") and "Traceback" not in finished.stderr


def test_a_run_is_not_compared_with_itself(run, tmp_path):
    report = explain_run(run[0] / "fm", tmp_path, num_rows=50, repeats=1, most_pairs=2, instances=1)
    assert "first run" not in report.read_text(encoding="utf-8")
    assert "first run" not in (tmp_path / "comparison.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("sealed", [True, False], ids=["today", "version 0.1"])
def test_a_damaged_model_is_refused_in_one_line(run, tmp_path, sealed):
    folder, data = run
    path = tmp_path / "model.keras"
    path.write_bytes((folder / "fm" / "model.keras").read_bytes())
    if sealed:
        seal_zip(path)
    expected = [weight.tolist() for weight in load_model(tmp_path, data.schema).get_weights()]
    whole, random = path.read_bytes(), np.random.default_rng(0)
    changes = [whole[:0], whole[: len(whole) // 2], whole[:-90]]
    for position in random.choice(8 * len(whole), 60, replace=False).tolist():
        flipped = bytearray(whole)
        flipped[position // 8] ^= 1 << position % 8
        changes.append(bytes(flipped))
    refused = 0
    for change in changes:
        path.write_bytes(change)
        try:
            assert [weight.tolist() for weight in load_model(tmp_path, data.schema).get_weights()] == expected
        except ValueError as error:
            refused += 1
            assert f"{path} is damaged (" in str(error)
            assert f"Delete it and rerun the ctrzoo-train command with --workdir={tmp_path}" in str(error)
    assert refused > 50


def test_damaged_settings_of_a_run_ask_for_the_data(run, tmp_path):
    (tmp_path / "experiment.json").write_text('{"data": ')
    with pytest.raises(ValueError, match="experiment.json is damaged .* Name them with --data="):
        explain_run(tmp_path, tmp_path / "unused")


@pytest.mark.parametrize("part", ["config.json", "model.weights.h5"])
def test_a_model_that_lacks_a_part_is_refused_in_one_line(run, tmp_path, part):
    folder, data = run
    with (
        zipfile.ZipFile(folder / "lr" / "model.keras") as archive,
        zipfile.ZipFile(tmp_path / "model.keras", "w") as other,
    ):
        for name in archive.namelist():
            if name != part:
                other.writestr(name, archive.read(name))
    with pytest.raises(ValueError, match="model.keras holds no model that ctrzoo can load .* Delete it") as caught:
        load_model(tmp_path, data.schema)
    assert "\n" not in str(caught.value)
