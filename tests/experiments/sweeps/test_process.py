"""The process of a run: its arguments, its environment, its log, and the lock that it inherits."""

import pathlib
import sys

import pytest

import ctrzoo
from ctrzoo.experiments.settings import Settings
from ctrzoo.experiments.sweeps import outcome
from ctrzoo.experiments.sweeps.plan import Run
from ctrzoo.experiments.sweeps.process import start_training

SHOW = "import os, sys, ctrzoo; print(sys.argv[1:], os.environ['SHARE'], os.environ['KEPT']); print(ctrzoo.__file__)"


def run_in(folder, *arguments):
    return Run("lr", {}, Settings(model="lr"), folder / "group" / "seed_1", arguments)


def test_what_it_is_given_and_where_it_prints(tmp_path, monkeypatch):
    monkeypatch.setenv("KEPT", "kept")
    monkeypatch.chdir(tmp_path)  # not the checkout: ctrzoo is found by its path
    run = run_in(tmp_path, "--model=lr", "--set=a=1")
    with outcome.take(run) as lock:
        (run.folder / "run.log").write_text("an earlier start\n")
        process = start_training(run, lock, (sys.executable, "-c", SHOW), {"SHARE": "1"})
        assert process.wait(timeout=60) == 0
    earlier, shown, path = (run.folder / "run.log").read_text().splitlines()
    assert earlier == "an earlier start" and shown == "['--model=lr', '--set=a=1'] 1 kept"
    assert pathlib.Path(path) == pathlib.Path(ctrzoo.__file__)
    assert outcome.last_line(run) == path


def test_the_run_is_locked_as_long_as_its_process_lives(tmp_path):
    run = run_in(tmp_path)
    with outcome.take(run) as lock:
        process = start_training(run, lock, ("cat", "-"), {})  # ends at once: its input is empty
        process.wait(timeout=60)
        process = start_training(run, lock, ("sleep", "60"), {})
    assert outcome.take(run) is None  # this process has let it go, the training has not
    process.kill()
    process.wait(timeout=60)
    outcome.take(run).close()


def test_a_program_that_is_not_there_is_named(tmp_path):
    run = run_in(tmp_path)
    with outcome.take(run) as lock:
        with pytest.raises(FileNotFoundError, match="no-such-program"):
            start_training(run, lock, ("no-such-program",))
