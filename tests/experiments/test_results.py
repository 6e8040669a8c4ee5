"""The committed results keep counting as finished, so that a sweep never repeats them."""

import pathlib
import shutil
import subprocess
import sys

import pytest

from ctrzoo.experiments.sweeps import outcome
from ctrzoo.experiments.sweeps.plan import plan, read_sweep

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
RESULTS = CHECKOUT / "experiments" / "results"
# Runs of each committed sweep, and how many of them are finished.
FINISHED = {
    "ablation": (20, 20),
    "epoch_times": (34, 34),
    "heads_and_layers": (18, 18),
    "histories": (18, 18),
    "modern": (45, 45),
    "movielens_history": (33, 33),
    "neighborhood": (147, 114),
    "optimizers": (20, 20),
    "precision": (19, 19),
    "recovery": (45, 45),
    "selection": (18, 18),
    "table2": (61, 61),
}
# What their pages say that was set.
OVERRIDES = {"ablation": {"dataset": "movielens_1m"}, "selection": {"dataset": "synthetic", "epochs": 3}}


@pytest.mark.parametrize("sweep", FINISHED)
def test_committed_runs_are_finished(sweep):
    runs = plan(read_sweep(sweep)[0], RESULTS / sweep, "data", overrides=OVERRIDES.get(sweep, {}))
    assert (len(runs), sum(map(outcome.is_finished, runs))) == FINISHED[sweep]
    planned = {run.folder for run in runs}
    assert {path.parent for path in RESULTS.glob(f"{sweep}/*/seed_*/metrics.json")} <= planned, "an orphaned run"


def test_table2_repeats_nothing(tmp_path):
    shutil.copytree(RESULTS / "table2", tmp_path / "table2")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("table2/*/seed_*/*")}
    command = [sys.executable, "-m", "ctrzoo.experiments.sweep", "--config=table2", f"--folder={tmp_path / 'table2'}"]
    finished = subprocess.run(
        [*command, f"--data_dir={tmp_path / 'data'}", "--raw=movielens_1m=absent.zip"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    assert (tmp_path / "table2" / "results.md").read_text(encoding="utf-8").count("61 of 61 runs are finished") == 1
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("table2/*/seed_*/*")} == before
