"""The calls of MLflow's client, recorded in its stead, as MLflow is not among the libraries of the tests."""

import dataclasses
import io
import json
import sys
import types

import pytest
from rich.console import Console

from ctrzoo.experiments.tracking.run import RecordedRun


@dataclasses.dataclass
class Metric:
    """`mlflow.entities.Metric`, with the arguments in its order."""

    key: str
    value: float
    timestamp: int
    step: int


class Client:
    """Notes the calls that a test asks for; a store of one experiment."""

    def __init__(self, tracking_uri):
        self.uri, self.metrics, self.params, self.statuses, self.files = tracking_uri, [], {}, [], []

    def get_experiment_by_name(self, name):
        return None

    def create_experiment(self, name):
        return f"experiment {name}"

    def create_run(self, experiment, run_name, tags):
        return self.get_run(f"{run_name} of {experiment}")

    def get_run(self, run_id):
        return types.SimpleNamespace(info=types.SimpleNamespace(run_id=run_id, lifecycle_stage="active"))

    def update_run(self, run_id, status):
        self.statuses.append(status)

    def set_terminated(self, run_id, status):
        self.statuses.append(status)

    def get_metric_history(self, run_id, key):
        return [metric for metric in self.metrics if metric.key == key]

    def log_batch(self, run_id, metrics=(), params=()):
        self.metrics += metrics
        self.params |= dict(params)

    def log_artifact(self, run_id, path):
        self.files.append(path)


@pytest.fixture
def start(tmp_path, monkeypatch):
    client = Client("http://host")
    modules = {
        "tracking": {"MlflowClient": lambda tracking_uri: client},
        "entities": {"Metric": Metric, "Param": lambda key, value: (key, value)},
        "exceptions": {"MlflowException": KeyError},
    }
    monkeypatch.setitem(sys.modules, "mlflow", types.ModuleType("mlflow"))
    for name, content in modules.items():
        module = types.ModuleType(f"mlflow.{name}")
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, f"mlflow.{name}", module)
    console = Console(file=io.StringIO())
    return lambda: (RecordedRun(tmp_path, "one", "small", {"a": 1}, {}, "http://host", console), client)


ROWS = [{"epoch": 1, "loss": 0.7, "valid_ndcg@10": 0.5, "valid_auc": None}, {"epoch": 2, "loss": 0.6}]
RESULT = {"history": ROWS, "best_epoch": 2, "test": {"auc": 0.75}}


def test_epochs_are_logged_once_each(start, tmp_path, monkeypatch):
    run, client = start()
    with pytest.raises(KeyboardInterrupt), run:
        run.on_epoch_end(0, {key: value for key, value in ROWS[0].items() if key != "epoch"})
        raise KeyboardInterrupt
    assert [(metric.key, metric.value, metric.step) for metric in client.metrics] == [
        ("loss", 0.7, 1),
        ("valid_ndcg_at_10", 0.5, 1),
    ]
    assert json.loads((tmp_path / "mlflow.json").read_text())["run_id"] == "one of experiment small"
    again, _ = start()
    monkeypatch.setattr(again, "_log_model", lambda model: None)
    with again:
        again.log_result(RESULT, None)
    logged = {(metric.key, metric.step): metric.value for metric in client.metrics}
    assert len(client.metrics) == len(logged)
    assert logged == {
        ("loss", 1): 0.7,
        ("valid_ndcg_at_10", 1): 0.5,
        ("loss", 2): 0.6,
        ("best_epoch", 2): 2,
        ("test_auc", 2): 0.75,
    }
    assert client.statuses == ["RUNNING", "KILLED", "RUNNING", "FINISHED"] and client.params == {"a": "1"}


def test_files_are_logged(start, tmp_path):
    for name in ("metrics.json", "learning_curves.png", "model.keras", "notes.txt"):
        (tmp_path / name).write_text("")
    run, client = start()
    run.log_files()
    assert [path.rpartition("/")[2] for path in client.files] == ["learning_curves.png", "metrics.json"]
    with pytest.raises(ValueError, match="no"), run:
        raise ValueError("no")
    assert client.statuses[-1] == "FAILED"
