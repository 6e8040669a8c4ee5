"""Trainings recorded with MLflow: what its store holds after they finish, fail, are killed and go on."""

import csv
import io
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from rich.console import Console

from ctrzoo import models
from ctrzoo.experiments.tracking.run import RecordedRun, metric_name
from ctrzoo.metrics import METRICS
from ctrzoo.training import TrainingOptions, train
from tests.small_data import SmallData

mlflow = pytest.importorskip("mlflow")
CHECKOUT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture
def console():
    return Console(file=io.StringIO(), force_terminal=False, width=1000)


@pytest.fixture
def start(tmp_path, console, mixed_schema, monkeypatch):
    """Return a function that starts a recorded training of a small model in one folder."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    (tmp_path / "work").mkdir()
    data = SmallData(mixed_schema, num_rows=64)

    def started(epochs, store="mlruns", callbacks=(), parameters=None):
        address = (tmp_path / store).as_uri()
        model = models.build("lr", mixed_schema)
        with RecordedRun(
            tmp_path / "work", "one", "small", parameters or {"a": 1}, {"b": "2"}, address, console
        ) as run:
            options = TrainingOptions(epochs=epochs, batch_size=32, patience=9)
            result = train(model, data, options, folder=tmp_path / "work", console=console, callbacks=[run, *callbacks])
            run.log_result(result, model)
        run.log_files()
        return run, result

    return started


def runs_in(folder):
    mlflow.set_tracking_uri((folder / "mlruns").as_uri())
    return mlflow.search_runs(search_all_experiments=True)


def values_of(run, name):
    """The value of each step; a step that was logged twice is an error."""
    entries = run._client.get_metric_history(run.run_id, name)
    assert len({entry.step for entry in entries}) == len(entries)
    return {entry.step: entry.value for entry in entries}


def test_metrics_of_each_epoch_files_and_the_model(start, tmp_path):
    run, result = start(3)
    (row,) = runs_in(tmp_path).to_dict("records")
    assert (row["status"], row["params.a"], row["tags.b"], row["tags.mlflow.runName"]) == ("FINISHED", "1", "2", "one")
    for name in ("loss", "valid_auc", "learning_rate"):
        expected = {line["epoch"]: line[name] for line in result["history"]}
        assert len(expected) == 3 and values_of(run, name) == pytest.approx(expected)
    assert row["metrics.test_auc"] == result["test"]["auc"] and row["metrics.best_epoch"] == result["best_epoch"]
    stored = {entry.path for entry in run._client.list_artifacts(run.run_id)}
    assert stored == {"history.csv", "model"}
    loaded = mlflow.pyfunc.load_model(f"runs:/{run.run_id}/model")
    features, labels = SmallData(run.model.schema, num_rows=64).arrays("test")
    outputs = loaded.predict(features)[:, 0]
    expected = -np.mean(np.log(np.where(labels[:, 0] == 1, outputs, 1 - outputs)))
    assert row["metrics.test_log_loss"] == pytest.approx(expected, rel=1e-5)


def test_a_killed_run_is_marked_and_goes_on(start, tmp_path):
    import keras

    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(4, callbacks=[Kill()])
    assert runs_in(tmp_path)["status"].tolist() == ["KILLED"]
    run, result = start(4)
    assert runs_in(tmp_path)["status"].tolist() == ["FINISHED"]
    assert list(values_of(run, "loss")) == [1, 2, 3, 4]
    with open(tmp_path / "work" / "history.csv", newline="") as file:
        expected = [float(line["valid_auc"]) for line in csv.DictReader(file)]
    assert list(values_of(run, "valid_auc").values()) == pytest.approx(expected)


def test_a_failed_run_is_marked(start, tmp_path):
    with pytest.raises(ValueError, match="'epochs'"):
        start(0)
    assert runs_in(tmp_path)["status"].tolist() == ["FAILED"]


def test_a_finished_run_whose_record_is_gone_is_recorded_whole(start, tmp_path, console):
    first, _ = start(3)
    first._client.delete_run(first.run_id)
    second, _ = start(3)
    assert second.run_id != first.run_id and list(values_of(second, "loss")) == [1, 2, 3]
    assert f"The run {first.run_id} of" in console.file.getvalue()
    record = json.loads((tmp_path / "work" / "mlflow.json").read_text())
    (tmp_path / "work" / "mlflow.json").write_text(json.dumps({**record, "run_id": "0" * 32}))
    third, _ = start(3)
    assert list(values_of(third, "loss")) == [1, 2, 3]
    fourth, _ = start(3, store="elsewhere")
    assert list(values_of(fourth, "loss")) == [1, 2, 3]
    assert sorted(runs_in(tmp_path)["run_id"]) == sorted([second.run_id, third.run_id])


def test_many_and_long_parameters(start, tmp_path):
    run, _ = start(1, parameters={"long": "x" * 7000, **{f"p{index}": index for index in range(150)}})
    stored = run._client.get_run(run.run_id).data.params
    assert len(stored) == 151 and stored["p149"] == "149" and stored["long"] == "x" * 6000


def test_a_store_that_fails_does_not_stop_training(start, tmp_path, console, monkeypatch):
    monkeypatch.setattr(
        "mlflow.tracking.MlflowClient.log_batch", lambda *_, params=(), metrics=(): _fail() if metrics else None
    )
    _, result = start(2, parameters={})
    assert len(result["history"]) == 2
    assert console.file.getvalue().count("MLflow cannot record to") == 1
    assert "(the disk is full). The run goes on without it." in console.file.getvalue()


def _fail():
    raise OSError("the disk is full")


def test_a_store_that_cannot_be_used_is_refused_first(start, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="MLflow cannot record to file:.*Pass another --tracking_uri"):
        start(1, store="file")
    (tmp_path / "work" / "mlflow.json").write_text("{")
    with pytest.raises(ValueError, match="mlflow.json is damaged; delete it"):
        start(1)


def test_names_of_metrics_are_allowed():
    from mlflow.utils.validation import _validate_metric_name

    for name in METRICS:
        _validate_metric_name(metric_name(f"valid_{name}"))
        _validate_metric_name(metric_name(f"valid_{name}@10"))


SWEEP = """
def get_sweep():
    run = {"dataset": "synthetic", "model": "lr", "num_rows": 600, "epochs": 2, "batch_size": 256}
    return [{**run, "seed": seed} for seed in (1, 2)]
"""


def test_a_sweep_records_each_run(tmp_path, monkeypatch):
    (tmp_path / "tiny.py").write_text(SWEEP)
    command = [sys.executable, "-m", "ctrzoo.experiments.sweep", "--config=tiny.py", "--data_dir=data"]
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    swept = subprocess.run(
        [*command, "--track=mlflow", "--workers=2"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=500,
    )
    assert swept.returncode == 0, swept.stderr
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    found = runs_in(tmp_path / "runs" / "tiny")
    assert found["status"].tolist() == ["FINISHED"] * 2 and found["experiment_id"].nunique() == 1
    assert sorted(found["params.seed"]) == ["1", "2"]
    for row in found.to_dict("records"):
        metrics = json.loads((tmp_path / row["tags.folder"] / "metrics.json").read_text())
        assert row["metrics.test_auc"] == metrics["test"]["auc"]
        stored = {path.name for path in pathlib.Path(row["artifact_uri"].removeprefix("file://")).iterdir()}
        assert {"metrics.json", "report.md", "learning_curves.png", "experiment.json", "model"} <= stored
