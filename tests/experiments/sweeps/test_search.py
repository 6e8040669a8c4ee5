"""The search of hyperparameters, with a fake training whose log loss is known."""

import concurrent.futures
import sys
import time
from unittest.mock import Mock

import optuna
import pytest

from ctrzoo.experiments.sweeps import search as search
from ctrzoo.experiments.sweeps.search import Between, Search, open_study, write_search

# Stands for ctrzoo-train: the log loss is the distance of the learning rate from 0.01; a batch size of 1 fails.
FAKE = """
import json, pathlib, sys, time
flags = dict(text[2:].split("=", 1) for text in sys.argv[1:] if not text.startswith("--set"))
chosen = dict(text[6:].split("=", 1) for text in sys.argv[1:] if text.startswith("--set"))
folder = pathlib.Path(flags["workdir"])
if chosen["batch_size"] == "1":
    sys.exit("ctrzoo-train: one row is too few")
loss = abs(float(chosen["learning_rate"]) - 0.01)
with open(folder / "history.csv", "w") as history:
    history.write("epoch,valid_log_loss\\n")
    for epoch in (1, 2, 3, 4):
        history.write(f"{epoch},{loss}\\n")
        history.flush()
        time.sleep(0.05 if loss < 1 else 1)
settings = {"dataset": "synthetic", "model": "lr", "baselines": [], "epochs": 50, "learning_rate_scaling": "none",
            "batch_size": int(chosen["batch_size"]), "learning_rate": float(chosen["learning_rate"]),
            "optimizer": "lazy_adam", "precision": "float32", "jit_compile": False, "cpu_replicas": 1,
            "patience": 3, "seed": 2018, "hyperparameters": {}, "dataset_options": {}}
(folder / "experiment.json").write_text(json.dumps({"settings": settings}))
scores = {"auc": 0.7, "log_loss": loss}
(folder / "metrics.json").write_text(json.dumps({"test": scores, "valid": scores}))
"""


@pytest.fixture
def make(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(search, "SECONDS_BETWEEN_LOOKS", 0.05)
    (tmp_path / "fake.py").write_text(FAKE)

    def made(sampler="tpe", **searched):
        space = {"model": "lr", "batch_size": 64, **searched}
        study = open_study(tmp_path / "study", space, sampler)
        return study, Search(study, space, tmp_path / "study", "data", train=(sys.executable, "fake.py"))

    return made


def test_a_grid_tries_every_value_once_and_a_second_start_none(make, tmp_path):
    study, searching = make("grid", learning_rate=[0.03, 0.01, 0.02])
    searching.work(num_trials=3)
    again, searching = make("grid", learning_rate=[0.03, 0.01, 0.02])
    searching.work(num_trials=3)
    assert sorted(trial.value for trial in again.trials) == pytest.approx([0, 0.01, 0.02])
    write_search(study, tmp_path)
    assert "--set=learning_rate=0.01 " in (tmp_path / "search.md").read_text()


def test_a_point_of_a_grid_that_was_interrupted_is_done_by_the_next_start(make, monkeypatch):
    study, searching = make("grid", learning_rate=[0.03, 0.01, 0.02])
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Search, "_train", Mock(side_effect=KeyboardInterrupt))
        searching.work(num_trials=3)
    study, searching = make("grid", learning_rate=[0.03, 0.01, 0.02])
    searching.work(num_trials=3)
    assert sorted(trial.value for trial in study.trials if trial.value is not None) == pytest.approx([0, 0.01, 0.02])
    assert [trial.state.name for trial in study.trials].count("FAIL") == 1


def test_processes_may_begin_at_once(make):
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        studies = list(threads.map(lambda _: make(learning_rate=[0.01, 0.02])[0], range(8)))
    assert len({study._study_id for study in studies}) == 1


def test_ranges_are_kept_and_failures_are_not_fatal(make):
    study, searching = make("random", learning_rate=Between(1e-3, 1e-1, log=True), batch_size=Between(1, 2))
    searching.work(num_trials=6)
    assert len(study.trials) == 6
    for trial in study.trials:
        assert 1e-3 <= trial.params["learning_rate"] <= 1e-1
        failed = trial.params["batch_size"] == 1
        assert trial.user_attrs.get("reason") == ("one row is too few" if failed else None)
        assert (trial.state is optuna.trial.TrialState.FAIL) == failed


def test_a_trial_that_is_worse_than_the_median_is_ended_early(make):
    study, searching = make("random", learning_rate=[0.01, 9.0])
    for rate in 5 * ["0.01"] + ["9.0"]:
        study.enqueue_trial({"learning_rate": rate})
    searching.work(num_trials=6)
    assert [trial.state.name for trial in study.trials] == 5 * ["COMPLETE"] + ["PRUNED"]
    assert max(study.trials[-1].intermediate_values) < 4


def test_the_trial_of_a_killed_process_is_done_again(make, monkeypatch):
    monkeypatch.setattr(search, "HEARTBEAT_SECONDS", 1)
    study, searching = make("random", learning_rate=[0.02, 0.03])
    study.enqueue_trial({"learning_rate": "0.03"})
    killed = study.ask()
    killed.suggest_categorical("learning_rate", ["0.02", "0.03"])
    study._storage.record_heartbeat(killed._trial_id)
    time.sleep(3.5)
    searching.work(num_trials=1)
    assert [trial.state.name for trial in study.trials] == ["FAIL", "COMPLETE"]
    assert study.trials[1].params == {"learning_rate": "0.03"}


def test_the_study_of_another_space_is_refused(make):
    make(learning_rate=[0.02, 0.03])
    with pytest.raises(ValueError, match=r"another space: learning_rate was \[0.02, 0.03\], is \[0.02\]; patience was"):
        make(learning_rate=[0.02], patience=2)


def test_a_search_whose_trainings_are_killed_ends(make):
    study, searching = make(learning_rate=[0.02, 0.03])
    searching.train = ("sh", "-c", "kill -9 $$")
    with pytest.raises(ChildProcessError, match="killed 3 times in a row"):
        searching.work(num_trials=2)
    assert [trial.state.name for trial in study.trials] == ["FAIL", "FAIL", "FAIL", "WAITING"]


def test_a_grid_of_a_range_is_refused(make):
    with pytest.raises(ValueError, match="'learning_rate' is a range"):
        make("grid", learning_rate=Between(0.1, 0.2))
