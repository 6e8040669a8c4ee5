"""Every task is trained, watched and resumed by its own metric."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from ctrzoo import models
from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from ctrzoo.experiments.experiment import run_experiment
from ctrzoo.experiments.settings import Settings
from ctrzoo.metrics import grouped_metrics, mae, rmse
from ctrzoo.schema import Field, Schema
from ctrzoo.tasks import TASKS
from ctrzoo.training import TrainingOptions, set_seed, train

ROWS = 1200
LABELS = {
    "classification": {"column": "click"},
    "regression": {"column": "price", "kind": "real"},
    "ranking": {"column": "grade", "kind": "graded"},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A prepared folder per task: the label depends on user and item, heavy rows are one item."""
    folder = tmp_path_factory.mktemp("tasks")
    random = np.random.default_rng(0)
    user, item = random.integers(0, 40, ROWS), random.integers(0, 12, ROWS)
    score = random.normal(size=40)[user] + 2 * random.normal(size=12)[item]
    frame = pd.DataFrame(
        {
            "user": user,
            "item": item,
            "click": (score + random.normal(size=ROWS) > 0).astype(int),
            "price": np.exp(score / 3),
            "grade": np.clip(np.round(score + 1), 0, 4).astype(int),
            "w": random.integers(1, 4, ROWS),
        }
    )
    frame.to_csv(folder / "rows.csv", index=False)
    for task, label in LABELS.items():
        schema = {"label": label, "weight": "w", "group": "user", "keep_groups": True, "fields": ["user", "item"]}
        prepare_own_table(folder / task, task, folder / "rows.csv", schema)
    return folder


@pytest.fixture
def console():
    return Console(file=io.StringIO())


@pytest.fixture(params=[(task, loss) for task in TASKS for loss in TASKS[task].losses], ids=lambda case: ":".join(case))
def case(request):
    return request.param


def new_model(data, task, loss=None):
    set_seed(1)
    return models.build("fm", data.schema, embedding_dim=4, task=task, loss=loss)


def test_training_improves_the_watched_metric_and_keeps_the_best_epoch(case, folders, console, tmp_path):
    task, loss = case
    data = load(folders / task)
    model = new_model(data, task, loss)
    options = TrainingOptions(epochs=6, batch_size=128, learning_rate=0.03, patience=2)
    result = train(model, data, options, folder=tmp_path, console=console)
    values = np.array([row[f"valid_{TASKS[task].monitor}"] for row in result["history"]])
    if TASKS[task].monitor.startswith("ndcg"):
        values = -values
    best = result["best_epoch"] - 1
    assert values[best] == values.min() < values[0] or best == 0 and len(values) == 3
    features, labels = data.arrays("test")
    scores, weights = model.predict(features, verbose=0), data.column("test", "weight")
    if task == "regression":
        assert result["test"]["rmse"] == pytest.approx(rmse(labels, scores, weights), rel=1e-5)
        assert result["test"]["mae"] == pytest.approx(mae(labels, scores, weights), rel=1e-5)
        spread = np.sqrt(np.average((labels[:, 0] - np.average(labels[:, 0], weights=weights)) ** 2, weights=weights))
        assert result["test"]["rmse"] < 0.8 * spread
        assert set(result["test"]) == {"rmse", "mae"}
        return
    grouped = grouped_metrics(labels, scores, data.column("test", "group"), weights)
    assert result["test"]["grouped_auc"] == pytest.approx(grouped.grouped_auc, abs=1e-6)
    if task == "ranking":
        assert result["test"]["ndcg@10"] == pytest.approx(grouped.ndcg, abs=1e-6)
        assert grouped.grouped_auc > 0.75


@pytest.mark.parametrize(
    ("task", "loss"),
    # The loss changes nothing in how a run goes on; each task has others metrics, and each night all losses are tried.
    [
        pytest.param(task, loss, marks=[pytest.mark.nightly] if number else [], id=f"{task}:{loss}")
        for task in TASKS
        for number, loss in enumerate(TASKS[task].losses)
    ],
)
def test_an_interrupted_run_resumes_bit_for_bit(task, loss, folders, console, tmp_path):
    data = load(folders / task)
    options = TrainingOptions(epochs=2, batch_size=128, checkpoint_steps=3, monitor=None)
    whole = train(new_model(data, task, loss), data, options, console=console)

    class Stop(Exception):
        pass

    class Interrupting:
        schema, num_rows, columns = data.schema, data.num_rows, data.columns
        label_kind = data.label_kind

        def dataset(self, *arguments, **options):
            batches = data.dataset(*arguments, **options)
            if arguments[0] != "train" or options.get("shuffle") is False:
                return batches

            def stopping():
                for number, batch in enumerate(batches):
                    if number == 5:
                        raise Stop
                    yield batch

            return stopping()

    with pytest.raises(Stop):
        train(new_model(data, task, loss), Interrupting(), options, folder=tmp_path, console=console)
    # The interrupted data have no fingerprint; the rest of the run is described alike.
    resumed_data = type("Resumed", (), {"dataset": staticmethod(data.dataset)})()
    for name in ("schema", "num_rows", "columns", "label_kind"):
        setattr(resumed_data, name, getattr(data, name))
    resumed = train(new_model(data, task, loss), resumed_data, options, folder=tmp_path, console=console)
    assert resumed["test"] == whole["test"] and resumed["valid"] == whole["valid"]


def test_any_metric_can_be_watched(folders, console):
    data = load(folders / "classification")
    for monitor in ("auc", "grouped_auc", "ndcg@3", "pr_auc"):
        options = TrainingOptions(epochs=3, batch_size=128, monitor=monitor, patience=1)
        history = train(new_model(data, "classification"), data, options, console=console)["history"]
        values = [row[f"valid_{monitor}"] for row in history]
        assert len(values) == 3 or values[-1] <= max(values[:-1])


@pytest.mark.parametrize("monitor", ["calibration", "auk", ""])
def test_what_cannot_be_watched_is_refused(monitor):
    with pytest.raises(ValueError, match="'monitor' must be the name of a metric"):
        TrainingOptions(monitor=monitor)


@pytest.mark.parametrize(
    ("folder", "task", "monitor", "message"),
    [
        ("classification", "classification", "rmse", "'rmse' is not one of the model's task"),
        ("regression", "classification", None, "labels are 'real', which the task 'classification' cannot predict"),
        ("regression", "ranking", None, "Choose the task regression"),
        ("regression", "regression", "mrr", "'mrr' is not one of the model's task. Monitor rmse, mae."),
    ],
)
def test_tasks_that_do_not_fit_the_labels_are_refused(folder, task, monitor, message, folders, console):
    data = load(folders / folder)
    with pytest.raises(ValueError, match=message):
        train(new_model(data, task), data, TrainingOptions(monitor=monitor), console=console)


@pytest.mark.parametrize("task", TASKS)
def test_an_experiment_finds_the_task_from_the_labels(task, folders, tmp_path):
    settings = Settings(dataset=str(folders / task), model="fm", baselines=("lr",), epochs=1, batch_size=256)
    results = run_experiment(settings, tmp_path, None, tmp_path / "run")
    assert results["task"] == task
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["monitor"] == TASKS[task].monitor and set(TASKS[task].metrics) <= set(metrics["test"])
    assert (tmp_path / "run" / "learning_curves.png").stat().st_size > 0
    text = (tmp_path / "run" / "report.md").read_text()
    assert "a row of weight 2 counts as two rows" in text and results["notes"][-1] in text
    has_picture = (tmp_path / "run" / "calibration.png").is_file()
    assert has_picture == ("(calibration.png)" in text) == (task == "classification")
    assert {"classification": "| AUC |", "regression": "| RMSE |", "ranking": "| NDCG@10 |"}[task] in text


def test_positive_weight_raises_probabilities(folders, console):
    data = load(folders / "classification")
    means = []
    for weight in (1.0, 4.0):
        options = TrainingOptions(epochs=2, batch_size=128, learning_rate=0.03, positive_weight=weight)
        model = new_model(data, "classification")
        train(model, data, options, console=console)
        means.append(model.predict(data.arrays("test")[0], verbose=0).mean())
    assert means[1] > means[0] + 0.1


def test_a_poisson_model_predicts_rates():
    schema = Schema([Field("user", vocabulary_size=5)])
    model = models.build("lr", schema, task="regression", loss="poisson")
    features = {"ids": np.array([[1], [2]], "int32"), "values": np.ones((2, 1), "float32")}
    outputs = model.explainer()(features)
    np.testing.assert_allclose(outputs["prediction"], np.exp(outputs["logit"]), rtol=1e-6)
    twin = type(model).from_config(model.get_config())
    assert twin.default_loss.name == "poisson"
    with pytest.raises(ValueError, match="Task 'classification': .*'poisson'"):
        models.build("lr", schema, loss="poisson")
