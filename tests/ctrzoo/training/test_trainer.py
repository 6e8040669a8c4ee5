"""The trainer: what it learns, keeps, writes and refuses."""

import csv
import dataclasses
import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console

from ctrzoo import metrics, models
from ctrzoo.experiments.report import report
from ctrzoo.experiments.settings import Settings
from ctrzoo.experiments.sweeps.results import metrics_of
from ctrzoo.experiments.train import table_of
from ctrzoo.explanation.explainer import mean_explanations
from ctrzoo.metrics import log_loss
from ctrzoo.schema import Field, Schema
from ctrzoo.tasks import TASKS
from ctrzoo.training import TrainingOptions, set_seed, train
from tests.small_data import SmallData


@pytest.fixture
def data(mixed_schema):
    return SmallData(mixed_schema)


@pytest.fixture
def console():
    return Console(file=io.StringIO(), force_terminal=False, width=200)


def fresh_model(data, name="fm", seed=1):
    set_seed(seed)
    return models.build(name, data.schema, embedding_dim=4)


@pytest.mark.parametrize("gpus, jit_compile, is_fixed", [(0, True, True), (1, False, True), (1, True, False)])
def test_the_order_of_sums_is_fixed_but_for_xla_on_a_gpu(gpus, jit_compile, is_fixed, monkeypatch):
    fixed = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [f"{kind}:{index}" for index in range(gpus)])
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: fixed.append(True))
    set_seed(1, jit_compile)
    assert fixed == [True] * is_fixed


def test_it_learns_and_reports(mixed_schema, console):
    set_seed(1)
    data = SmallData(mixed_schema, num_rows=2048)
    model = models.build("lr", data.schema)
    result = train(model, data, TrainingOptions(epochs=5, batch_size=32, learning_rate=0.05), console=console)
    assert result["test"]["auc"] > 0.65
    assert result["history"][-1]["loss"] < result["history"][0]["loss"]
    assert result["rows_per_second"] == pytest.approx(2048 / result["seconds_per_epoch"])
    assert "epoch 1/5: loss" in console.file.getvalue()


def test_the_best_epoch_is_kept_and_training_stops(data, console, tmp_path):
    model = fresh_model(data)
    result = train(
        model,
        data,
        TrainingOptions(epochs=60, batch_size=32, learning_rate=0.3, patience=2),
        console=console,
        folder=tmp_path,
    )
    losses = [row["valid_log_loss"] for row in result["history"]]
    assert len(losses) < 60
    assert result["best_epoch"] == 1 + int(np.argmin(losses))
    assert len(losses) == result["best_epoch"] + 2
    assert result["valid"]["log_loss"] == pytest.approx(min(losses), abs=1e-6)
    saved = keras.models.load_model(tmp_path / "model.keras")
    features, labels = data.arrays("valid")
    assert log_loss(labels, saved.predict(features, verbose=0)) == pytest.approx(min(losses), abs=1e-6)


def test_the_learning_rate_falls_after_each_epoch_that_is_not_the_best(data, console):
    model = fresh_model(data)
    settings = {"epochs": 8, "batch_size": 32, "learning_rate": 0.3, "plateau_factor": 0.5, "patience": 8}
    history = train(model, data, TrainingOptions(**settings), console=console)["history"]
    expected, lowest = [0.3], np.inf
    for row in history[:-1]:
        expected.append(expected[-1] * (1 if row["valid_log_loss"] < lowest else 0.5))
        lowest = min(lowest, row["valid_log_loss"])
    assert len(set(expected)) > 2
    np.testing.assert_allclose([row["learning_rate"] for row in history], expected, rtol=1e-6)


def test_the_learning_rate_falls_along_a_cosine(data, console):
    settings = {"epochs": 4, "learning_rate": 0.1, "learning_rate_schedule": "cosine", "patience": 4}
    history = train(fresh_model(data), data, TrainingOptions(**settings), console=console)["history"]
    by_hand = [0.1, 0.1 * (1 + 0.5**0.5) / 2, 0.05, 0.1 * (1 - 0.5**0.5) / 2]
    np.testing.assert_allclose([row["learning_rate"] for row in history], by_hand, rtol=1e-6)


def test_files(data, console, tmp_path):
    train(fresh_model(data), data, TrainingOptions(epochs=2), console=console, folder=tmp_path)
    with open(tmp_path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {"loss", "valid_auc", "valid_log_loss", "valid_calibration", "seconds", "rows_per_second"} <= set(rows[0])
    assert list((tmp_path / "tensorboard").iterdir())
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_one_seed_gives_one_result(data, console):
    def weights(seed):
        model = fresh_model(data, "graphfm", seed)
        train(model, data, TrainingOptions(epochs=1, batch_size=64, seed=seed), console=console)
        return np.concatenate([np.ravel(weight) for weight in model.get_weights()])

    first = weights(3)
    np.testing.assert_array_equal(first, weights(3))
    assert np.abs(first - weights(4)).max() > 0


def test_another_schema_is_refused(data, console):
    other = Schema([Field("user", vocabulary_size=99), *data.schema.fields[1:]])
    model = models.build("fm", other)
    with pytest.raises(ValueError, match="`vocabulary_size` of field 'user' is 99 and 9"):
        train(model, data, console=console)


def test_a_task_without_what_it_needs_is_refused(data, console):
    with pytest.raises(ValueError, match="The task 'ranking' needs groups"):
        train(models.build("fm", data.schema, task="ranking"), data, console=console)


def test_divergence_stops_the_run(data, console):
    model = fresh_model(data)
    model.get_layer("embedding").table.assign(np.full(model.get_layer("embedding").table.shape, np.nan))
    with pytest.raises(ValueError, match="diverged"):
        train(model, data, console=console)


def test_mean_explanations_are_means_of_absolute_values(data):
    model = fresh_model(data)
    features, _ = data.arrays("test")
    outputs = model.explainer()(features)
    means = mean_explanations(model, data.dataset("test", 10, shuffle=False))
    np.testing.assert_allclose(means["pairs"], np.abs(outputs["pairs"]).mean(axis=0), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(means["fields"], np.abs(outputs["fields"]).mean(axis=0), rtol=1e-4, atol=1e-7)


def test_a_schedule_of_keras_gives_the_rate_of_each_step(data, console):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=16, decay_rate=0.5)
    options = TrainingOptions(epochs=3, batch_size=32, learning_rate=schedule, patience=3)
    history = train(fresh_model(data), data, options, console=console)["history"]
    # 512 rows are 16 steps per epoch, so each epoch halves the rate.
    np.testing.assert_allclose([row["learning_rate"] for row in history], [0.05, 0.025, 0.0125], rtol=1e-5)
    with pytest.raises(ValueError, match="sets the rate of every step"):
        TrainingOptions(learning_rate=schedule, plateau_factor=0.5)
    with pytest.raises(ValueError, match="FTRL"):
        TrainingOptions(learning_rate=schedule, optimizer="ftrl")


def test_callbacks_see_each_epoch_and_can_stop_the_run(data, console, tmp_path):
    model, seen, losses = fresh_model(data), [], []

    def on_epoch_end(epoch, logs):
        seen.append((epoch, logs["valid_auc"]))
        model.stop_training = epoch == 1

    watch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seen.append(epoch),
        on_epoch_end=on_epoch_end,
        on_train_batch_end=lambda batch, logs: losses.append((batch, logs["loss"])),
    )
    log = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    best = keras.callbacks.ModelCheckpoint(str(tmp_path / "best.keras"), monitor="valid_auc", mode="max")
    result = train(model, data, TrainingOptions(epochs=9, batch_size=64), console=console, callbacks=[watch, log, best])
    aucs = [row["valid_auc"] for row in result["history"]]
    assert seen == [0, (0, aucs[0]), 1, (1, aucs[1])]
    assert [batch for batch, _ in losses] == [*range(8), *range(8)]
    assert np.mean([loss for _, loss in losses[:8]]) == pytest.approx(result["history"][0]["loss"], rel=1e-5)
    with open(tmp_path / "log.csv", newline="") as file:
        assert [float(row["valid_auc"]) for row in csv.DictReader(file)] == pytest.approx(aucs)
    assert (tmp_path / "best.keras").is_file()


def test_a_resumed_run_tells_callbacks_the_right_epoch(data, console, tmp_path):
    class Stop(Exception):
        pass

    def interrupt(epoch, logs):
        if epoch == 1:
            raise Stop

    options = TrainingOptions(epochs=3, batch_size=64, patience=3)
    with pytest.raises(Stop):
        callback = keras.callbacks.LambdaCallback(on_epoch_begin=interrupt)
        train(fresh_model(data), data, options, folder=tmp_path, console=console, callbacks=[callback])
    epochs = []
    callback = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs.append(epoch))
    train(fresh_model(data), data, options, folder=tmp_path, console=console, callbacks=[callback])
    assert epochs == [1, 2]


def test_callbacks_that_training_does_by_itself_are_refused(data, tmp_path):
    for callback, instead in (
        (keras.callbacks.ReduceLROnPlateau(), "plateau_factor"),
        (keras.callbacks.BackupAndRestore(str(tmp_path)), "resumes automatically"),
    ):
        with pytest.raises(ValueError, match=instead):
            train(fresh_model(data), data, callbacks=[callback])


def test_early_stopping_of_keras_stops_and_the_best_weights_are_kept(data, console):
    stop = keras.callbacks.EarlyStopping(monitor="valid_log_loss", mode="min", patience=1)
    options = TrainingOptions(epochs=60, batch_size=32, learning_rate=0.3, patience=60)
    result = train(fresh_model(data), data, options, console=console, callbacks=[stop])
    losses = [row["valid_log_loss"] for row in result["history"]]
    assert len(losses) == result["best_epoch"] + 1 < 60
    assert result["valid"]["log_loss"] == pytest.approx(min(losses), abs=1e-6)


@pytest.mark.parametrize(("name", "tags"), [("autoint", ["attention_1"]), ("lr", [])])
def test_matrices_of_pairs_are_drawn_heads_averaged(name, tags, data, console, tmp_path):
    model = models.build(name, data.schema)
    train(model, data, TrainingOptions(epochs=1), folder=tmp_path, console=console)
    events = b"".join(path.read_bytes() for path in (tmp_path / "tensorboard").iterdir())
    assert [tag for tag in ("attention_1", "fields") if tag.encode() in events] == tags


def test_a_registered_metric_appears_everywhere(data, console, tmp_path, monkeypatch):
    accuracy = metrics.Metric("accuracy", lambda rows: float(np.mean((rows.scores > 0.5) == rows.labels)))
    monkeypatch.setitem(metrics.METRICS, "accuracy", accuracy)
    classification = TASKS["classification"]
    more = dataclasses.replace(classification, metrics=(*classification.metrics, "accuracy"))
    monkeypatch.setitem(TASKS, "classification", more)
    result = train(fresh_model(data), data, TrainingOptions(epochs=1), folder=tmp_path, console=console)
    assert 0 <= result["test"]["accuracy"] <= 1
    assert ", accuracy 0." in console.file.getvalue()
    assert "valid_accuracy" in (tmp_path / "history.csv").read_text().splitlines()[0]
    events = b"".join(path.read_bytes() for path in (tmp_path / "tensorboard").iterdir())
    assert b"accuracy/valid" in events
    outcome = {"epochs": 1, "num_parameters": 9, **result}
    results = {"dataset": "small", "models": {"fm": outcome}, "bayes": None, "notes": [], "monitor": "log_loss"}
    assert "accuracy" in [column.header for column in table_of(results).columns]
    text = report(Settings(model="fm"), data, results, {"fm": result["history"]})
    assert "| AUC | log loss | calibration | accuracy | normalized entropy |" in text and "valid accuracy" in text
    assert metrics_of([]) == ["auc", "log_loss", "accuracy"]
