"""Runs in processes of their own, next to other sweeps on the same folder."""

import os
import pathlib
import signal
import subprocess
import sys
import time

from ctrzoo.experiments.published import read_published
from ctrzoo.experiments.sweeps import outcome
from ctrzoo.experiments.sweeps.comparison import compared_rows
from ctrzoo.experiments.sweeps.order import orders
from ctrzoo.experiments.sweeps.results import rows_of, summary_of
from tests.experiments.sweeps.fake_training import SWEEP, fake_runs, fake_workers
from tests.experiments.sweeps.published_rows import group_of

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]


def starts(folder):
    return sorted(int(line) for line in (folder / "starts").read_text().split())


def sweep_process(folder, *seeds):
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    return subprocess.Popen([sys.executable, "-c", SWEEP, *map(str, seeds)], cwd=folder, env=environment)


def wait_for_start(folder, seed):
    deadline = time.monotonic() + 60
    while not (folder / "starts").exists() or seed not in starts(folder):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_finished_and_failed_runs_are_not_repeated(fake):
    for _ in range(2):
        workers = fake_workers([1, 2, 3], number=2)
        workers.work()
        assert starts(fake) == [1, 2, 3]
    rows = rows_of(workers.runs)
    assert [row["state"] for row in rows] == ["finished", "finished", "failed"]
    assert rows[2]["reason"] == "the third seed does not fit"
    for run in workers.runs:
        outcome.forget_failure(run)
    workers.work()
    assert starts(fake) == [1, 2, 3, 3]


def test_a_training_that_was_told_to_end_is_resumed_by_the_next_sweep(fake):
    told = []
    fake_workers([5]).work(told=told.append)
    assert told == ["synthetic_lr/seed_5 was killed by signal 15; the next sweep resumes it"]
    (fake / "quick").touch()
    workers = fake_workers([5])
    workers.work()
    assert starts(fake) == [5, 5] and outcome.is_finished(workers.runs[0])


def test_two_sweeps_on_one_folder_share_the_runs(fake):
    processes = [sweep_process(fake, 1, 2, 3) for _ in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    assert starts(fake) == [1, 2, 3]


def test_a_killed_sweep_leaves_its_run_to_end_and_another_waits_for_it_then_takes_over_if_it_dies(fake):
    first = sweep_process(fake, 4)
    wait_for_start(fake, 4)
    first.send_signal(signal.SIGKILL)
    first.wait(timeout=60)
    (run,) = fake_workers([4]).runs
    assert outcome.take(run) is None  # the training lives and holds the lock
    (training,) = _trainings_in(fake)
    (fake / "quick").touch()
    os.kill(training, signal.SIGKILL)
    fake_workers([4]).work()
    assert outcome.is_finished(run) and starts(fake) == [4, 4]


def _trainings_in(folder):
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if b"fake.py" in (process / "cmdline").read_bytes() and (process / "cwd").resolve() == folder.resolve():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def test_runs_without_an_auc_are_not_fatal(fake):
    text = (fake / "fake.py").read_text()
    (fake / "fake.py").write_text(text.replace('"auc": 0.7 + seed / 100', '"auc": None'))
    told = []
    fake_workers([1, 2]).work(told=told.append)
    assert "seed_1 finished: test AUC undefined" in told[0]
    (group,) = summary_of(rows_of(list(fake_runs([1, 2]))))
    assert (group["finished"], group["test_auc"], group["test_auc_deviation"]) == (2, None, None)
    groups = [{**group, "dataset": "movielens_1m"}, {**group_of("fm", 0.8), "test_auc_deviation": 0.1}]
    assert orders(compared_rows(groups, [read_published("graphfm_table2")])) == []
