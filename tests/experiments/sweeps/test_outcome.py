"""The state of a run, read from its folder."""

import dataclasses
import json
import types

import pytest

from ctrzoo.experiments.settings import Settings
from ctrzoo.experiments.sweeps import outcome
from tests.experiments.sweeps.fake_training import fake_runs, fake_workers


def test_results_of_other_settings_do_not_finish_a_run(fake):
    workers = fake_workers([1])
    workers.work()
    (run,) = workers.runs
    assert outcome.is_finished(run)
    assert not outcome.is_finished(dataclasses.replace(run, settings=Settings(model="lr", seed=1, epochs=7)))


def test_finished_runs_of_other_data_are_refused(fake, monkeypatch):
    from ctrzoo import data_pipelines  # slow, and the processes of other tests import this file

    (run,) = fake_runs([1])
    fake_workers([1]).work()
    outcome.check_same_data([run])  # of data that are not here
    experiment = json.loads((run.folder / "experiment.json").read_text())
    experiment["data"] = {"folder": ".", "fingerprint": "earlier"}
    (run.folder / "experiment.json").write_text(json.dumps(experiment))
    monkeypatch.setattr(data_pipelines, "load", lambda folder: types.SimpleNamespace(fingerprint="earlier"))
    outcome.check_same_data([run])
    monkeypatch.setattr(data_pipelines, "load", lambda folder: types.SimpleNamespace(fingerprint="later"))
    with pytest.raises(ValueError, match=r"The data in \. have changed since .*seed_1 was trained"):
        outcome.check_same_data([run])
