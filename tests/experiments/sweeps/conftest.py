"""The folder of a sweep whose training ends at once."""

import json

import pytest

from tests.experiments.sweeps.fake_training import FAKE, fake_runs


@pytest.fixture
def fake(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fake.py").write_text(FAKE)
    settings = {run.settings.seed: run.settings.to_dict() for run in fake_runs([1, 2, 3, 4, 5])}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    return tmp_path
