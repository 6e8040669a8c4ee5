"""Where runs are recorded, and flags that are refused."""

import importlib.util
import pathlib

import pytest

from ctrzoo.experiments import sweep, train
from ctrzoo.experiments.tracking.store import address_of, check_tracking


def test_addresses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here = pathlib.Path.cwd().as_uri()
    assert address_of(None, "runs") == f"{here}/runs/mlruns"
    assert address_of("all", "runs") == f"{here}/all"
    assert address_of("sqlite:///runs.db", "runs") == "sqlite:///runs.db"


def test_flags_that_cannot_work_are_refused(monkeypatch):
    check_tracking(None, None)
    with pytest.raises(ValueError, match="--tracking_uri needs --track=mlflow"):
        check_tracking(None, "all")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r'Install it by `pip install "ctrzoo\[mlflow\]"`'):
        check_tracking("mlflow", None)


@pytest.mark.parametrize("program, more", [(train, []), (sweep, ["--config=table2"])])
def test_programs_refuse_them_first(program, more, monkeypatch):
    program.FLAGS.unparse_flags()
    program.FLAGS(["program", *more, "--tracking_uri=all"])
    with pytest.raises(ValueError, match="--tracking_uri needs --track=mlflow"):
        program.main(["program"])
    for name in ("tracking_uri", "config"):
        program.FLAGS[name].unparse()
