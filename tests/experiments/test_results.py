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


@pytest.mark.parametrize("sweep", ["table2", "modern", "movielens_history"])
def test_a_finished_sweep_repeats_nothing(sweep, tmp_path):
    """Not even its data are needed: what a report measures is kept with the runs."""
    shutil.copytree(RESULTS / sweep, tmp_path / sweep)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob(f"{sweep}/*/seed_*/*")}
    command = [sys.executable, "-m", "ctrzoo.experiments.sweep", f"--config={sweep}", f"--folder={tmp_path / sweep}"]
    finished = subprocess.run(
        [*command, f"--data_dir={tmp_path / 'data'}", "--raw=movielens_1m=absent.zip"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    runs = FINISHED[sweep][0]
    assert f"{runs} of {runs} runs are finished" in (tmp_path / sweep / "results.md").read_text(encoding="utf-8")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob(f"{sweep}/*/seed_*/*")} == before
