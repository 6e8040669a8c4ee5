"""`ctrzoo-train` from end to end on few rows, and its failures in one line."""

import csv
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import time

import keras
import pytest
import tensorflow as tf

from ctrzoo.experiments import experiment as experiment
from ctrzoo.experiments import train
from ctrzoo.experiments.settings import Settings
from tests.programs import Program, run_program

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "ctrzoo.experiments.train")
SMALL = ("--epochs=2", "--set", "num_rows=3000", "--set", "units=(8, 8)", "--batch_size=128", "--config=none")


def ctrzoo_train(*arguments, folder):
    return run_program("ctrzoo.experiments.train", f"--data_dir={folder / 'data'}", *arguments, folder=folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    command = [*COMMAND, f"--data_dir={folder / 'data'}", *SMALL, "--workdir=work"]
    # A fresh interpreter, whose startup messages would be seen.
    return folder, subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=300)


def test_no_model_named_trains_graphfm_beside_lr_and_fm(finished):
    folder, run = finished
    assert run.returncode == 0, run.stderr
    for word in ("lr", "fm", "graphfm", "Bayes", "AUC", "log loss", "planted pairs are among the 5 strongest"):
        assert word in run.stdout
    assert "graphfm, epoch 2/2: loss" in run.stderr
    for noise in ("I0000", "WARNING", "Warning", "Traceback"):
        assert noise not in run.stdout + run.stderr


def test_a_configuration_names_model_and_baselines(finished):
    folder, _ = finished
    chosen = {"model": "nfm", "baselines": ("fm",), "epochs": 1}
    (folder / "mine.py").write_text(f"def get_config():\n    return {chosen}\n")
    run = ctrzoo_train("--config=mine.py", "--set", "num_rows=3000", "--workdir=named", folder=folder)
    assert run.returncode == 0, run.stderr
    assert (folder / "named" / "metrics.json").is_file()
    assert [path.name for path in (folder / "named" / "baselines").iterdir()] == ["fm"]


def test_files_of_a_run(finished):
    work = finished[0] / "work"
    metrics = json.loads((work / "metrics.json").read_text())
    assert max(path.stat().st_mtime_ns for path in work.glob("*.*")) == (work / "metrics.json").stat().st_mtime_ns
    assert (metrics["model"], metrics["dataset"], metrics["seed"]) == ("graphfm", "synthetic", 2018)
    assert metrics["seconds_per_epoch"] > 0
    for split in ("valid", "test"):
        assert 0 < metrics[split]["auc"] < 1 and metrics[split]["log_loss"] > 0
    experiment = json.loads((work / "experiment.json").read_text())
    assert experiment["settings"]["hyperparameters"] == {"units": [8, 8]}
    assert experiment["devices"]["number"] == 1
    assert (experiment["devices"]["kind"] == "CPU") == (not tf.config.list_physical_devices("GPU"))
    with open(work / "history.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 2
    with open(work / "interactions.csv", newline="") as file:
        pairs = list(csv.DictReader(file))
    assert len(pairs) == 45 and sum(int(pair["planted"]) for pair in pairs) == 5
    report = (work / "report.md").read_text()
    assert f"| graphfm | {metrics['test']['auc']:.4f} |" in report and "## Epochs of graphfm" in report
    for picture in ("learning_curves.png", "interactions.png"):
        assert (work / picture).read_bytes().startswith(b"\x89PNG") and f"]({picture})" in report
    assert list((work / "tensorboard").iterdir())
    assert {path.name for path in (work / "baselines").iterdir()} == {"lr", "fm"}
    import ctrzoo.models  # noqa: F401, the model's class

    assert keras.models.load_model(work / "model.keras").schema.num_fields == 10


def test_the_same_seed_gives_the_same_metrics_and_another_experiment_is_refused(finished):
    folder, _ = finished
    alone = ("--model=fm", "--epochs=1", "--set", "num_rows=3000")
    runs = [ctrzoo_train(*alone, f"--workdir={name}", folder=folder) for name in ("one", "two")]
    assert [run.returncode for run in runs] == [0, 0]
    one, two = (json.loads((folder / name / "metrics.json").read_text()) for name in ("one", "two"))
    assert one["test"] == two["test"] and one["valid"] == two["valid"]
    again = ctrzoo_train(*alone, "--workdir=one", folder=folder)
    assert again.returncode == 0 and "epoch 1/1" not in again.stderr  # it was finished
    assert json.loads((folder / "one" / "metrics.json").read_text()) == one
    other = ctrzoo_train(*alone, "--seed=3", "--workdir=one", folder=folder)
    assert other.returncode == 1
    assert "one holds another experiment: seed was 2018, is 3." in other.stderr
    assert len(other.stderr.splitlines()) == 1


def test_a_refused_setting_leaves_the_workdir_free_and_damage_is_named(tmp_path):
    alone = (
        "--model=deepfm",
        "--config=none",
        "--set",
        "deep_batch_norm=True",
        "--set",
        "num_rows=20",
        "--workdir=work",
    )
    refused = ctrzoo_train(*alone, "--set", "cpu_replicas=2", folder=tmp_path)
    assert refused.returncode == 1 and "Set cpu_replicas=1" in refused.stderr.splitlines()[-1]
    # So few rows that those of a split are of one class: the true probabilities have no AUC.
    corrected = ctrzoo_train(*alone, "--epochs=2", folder=tmp_path)
    assert corrected.returncode == 0, corrected.stderr
    assert "Results go to work" in corrected.stdout and (tmp_path / "work" / "report.md").is_file()
    (tmp_path / "work" / "experiment.json").write_text('{"setti')
    damaged = ctrzoo_train(*alone, folder=tmp_path)
    assert "experiment.json was not written by ctrzoo-train, or is damaged" in damaged.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epoch=3"], "Unknown flag --epoch. Did you mean --epochs=3?"),
        (["--dataset=movielens_1m", "--raw=absent.zip"], "absent.zip does not exist"),
        (["--dataset=movielens_1m", "--raw=cut.zip"], "cut.zip is not a complete zip file"),
        (["--dataset=half"], "half has no preparation.json"),
        (
            ["--set", "num_rows=1e3"],
            "Data set 'synthetic' cannot be prepared with {'num_rows': 1000.0}: 'float' object",
        ),
        (["--set", "num_neighbors=(99, 9, 9)", "--set", "num_rows=3000"], "between 1 and the number of fields, 10"),
    ],
    ids=["flag", "missing file", "truncated zip", "half-written data", "wrong option", "model does not fit the schema"],
)
def test_failures_are_one_line_and_leave_nothing(arguments, message, tmp_path):
    (tmp_path / "cut.zip").write_bytes(b"PK\x03\x04" + bytes(100))
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "train.tfrecord").write_bytes(b"half")
    run = ctrzoo_train(*arguments, "--workdir=work", "--config=none", folder=tmp_path)
    assert run.returncode == 1
    assert message in run.stderr.splitlines()[-1]
    assert run.stderr.splitlines()[-1].startswith("ctrzoo-train: ")
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "work").exists()
    assert not (tmp_path / "data" / "movielens_1m").exists()


def test_a_signal_saves_a_checkpoint_and_the_message_tells_how_to_resume(tmp_path):
    flags = [f"--data_dir={tmp_path / 'data'}", "--model=lr", "--set=num_rows=3000", "--config=none"]
    flags += ["--epochs=9999", "--set=patience=9999", "--batch_size=128"]
    for number, awaited in ((signal.SIGTERM, "epoch 1/9999: loss"), (signal.SIGINT, "lr: resuming at")):
        run = Program("ctrzoo.experiments.train", *flags, folder=tmp_path)
        while awaited not in run.errors:
            assert run.poll() is None, run.errors
            time.sleep(0.05)
        run.send_signal(number)
        assert run.wait() == 128 + number and "Traceback" not in run.errors
        *_, saved, told = run.errors.splitlines()
        assert saved.startswith("lr: interrupted; saved a checkpoint at ")
        (workdir,) = (tmp_path / "runs").iterdir()
        flags = [*flags, f"--workdir=runs/{workdir.name}"] if number == signal.SIGTERM else flags
        start = "ctrzoo-train: interrupted. To resume from the last checkpoint, run: ctrzoo-train "
        assert told == start + shlex.join(flags)


def test_an_interruption_before_the_first_checkpoint_promises_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(train.FLAGS["workdir"], "value", str(tmp_path))
    train.FLAGS.mark_as_parsed()
    assert train._interrupted() == "interrupted before the first checkpoint. Rerun the command to start again."
    (tmp_path / "baselines" / "lr" / "checkpoints").mkdir(parents=True)
    (tmp_path / "baselines" / "lr" / "checkpoints" / "000000000001.zip").touch()
    monkeypatch.setattr("sys.argv", ["ctrzoo-train", "--epochs=3"])
    assert train._interrupted().endswith(f"run: ctrzoo-train --epochs=3 --workdir={tmp_path}")


@pytest.fixture
def interfered(tmp_path, monkeypatch):
    """Run an experiment in which a function of the data is called before the second epoch."""

    def run(interfere):
        class Interfering(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                if epoch == 1:
                    interfere(opened[0])

        def observed(model, data, *arguments, **options):
            opened.append(data)
            return train_model(model, data, *arguments, callbacks=[Interfering()], **options)

        opened, train_model = [], experiment.train
        monkeypatch.setattr(experiment, "train", observed)
        monkeypatch.setattr(experiment, "SMALL_SPLIT", 0)  # nothing is kept in memory
        settings = Settings(model="lr", epochs=3, batch_size=256, dataset_options={"num_rows": 3000})
        return experiment.run_experiment(settings, tmp_path / "data", None, tmp_path / "work")

    return run


def shard(data):
    return next(data.folder.glob("*train.tfrecord*"))


def flip_a_bit(data):
    content = bytearray(shard(data).read_bytes())
    content[len(content) // 2] ^= 1
    shard(data).write_bytes(content)


@pytest.mark.parametrize(
    ("interfere", "kind", "message"),
    [
        (lambda data: shard(data).unlink(), FileNotFoundError, "train.tfrecord-00000-of-00001 is missing"),
        (lambda data: shutil.rmtree(data.folder), FileNotFoundError, "The data changed during training: There is no"),
        (lambda data: shard(data).write_bytes(b""), ValueError, "has 0 bytes, it was written with"),
        (flip_a_bit, ValueError, "(is|are) damaged .*repare"),
    ],
    ids=["a shard", "the folder", "cut", "a bit"],
)
def test_data_that_are_deleted_or_damaged_during_training_are_named(interfered, interfere, kind, message):
    with pytest.raises(kind, match=message):
        interfered(interfere)


def test_a_workdir_that_is_deleted_during_training_is_told(interfered, tmp_path):
    def emptied(data):
        shutil.rmtree(tmp_path / "work")
        (tmp_path / "work").mkdir()

    with pytest.raises(FileNotFoundError, match="work was deleted during training, with its checkpoints"):
        interfered(emptied)
