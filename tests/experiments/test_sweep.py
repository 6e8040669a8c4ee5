"""`ctrzoo-sweep`: the real training end to end, and a fake one where only the order of things matters."""

import csv
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import types

import pytest

from ctrzoo.experiments.published import read_published
from ctrzoo.experiments.settings import Settings
from ctrzoo.experiments.sweep import raw_of
from ctrzoo.experiments.sweeps import outcome
from ctrzoo.experiments.sweeps.comparison import compare, compared_rows
from ctrzoo.experiments.sweeps.figure3 import report_neighborhood
from ctrzoo.experiments.sweeps.grid import grid
from ctrzoo.experiments.sweeps.order import order_lines, orders
from ctrzoo.experiments.sweeps.plan import CONFIGS, Run, plan, read_sweep
from ctrzoo.experiments.sweeps.results import rows_of, summary_of, write_results
from ctrzoo.experiments.sweeps.workers import Workers

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
TINY = """
def get_sweep():
    run = {"dataset": "synthetic", "model": "lr", "num_rows": 600, "epochs": 1, "batch_size": 256}
    return [run, {**run, "model": "graphfm", "num_neighbors": (99, 9)}]
"""
# Stands for ctrzoo-train: writes what it writes at once; seed 3 fails, seed 4 takes long, seed 5 is told to end. Each
# start leaves a line.
FAKE = """
import json, pathlib, sys, time
flags = dict(text[2:].split("=", 1) for text in sys.argv[1:] if not text.startswith("--set"))
seed = int(next(text for text in sys.argv if text.startswith("--set=seed=")).split("=")[2])
folder = pathlib.Path(flags["workdir"])
with open("starts", "a") as file:
    file.write(f"{seed}\\n")
if seed == 3:
    sys.exit("ctrzoo-train: the third seed does not fit")
if seed == 5 and not pathlib.Path("quick").exists():
    sys.exit(143)
time.sleep(60 if seed == 4 and not pathlib.Path("quick").exists() else 0.3)
settings = json.loads(pathlib.Path("settings.json").read_text())[str(seed)]
(folder / "experiment.json").write_text(json.dumps({"settings": settings}))
scores = {"auc": 0.7 + seed / 100, "log_loss": 0.5}
(folder / "metrics.json").write_text(json.dumps({"test": scores, "valid": scores, "best_epoch": 2}))
"""
# A sweep process of its own over the seeds that are its arguments.
SWEEP = """
import sys
from tests.experiments.test_sweep import fake_workers
fake_workers([int(seed) for seed in sys.argv[1:]]).work()
"""


def fake_runs(seeds):
    """What `plan` makes, without loading Keras."""
    for seed in seeds:
        folder = pathlib.Path("sweep") / "synthetic_lr" / f"seed_{seed}"
        settings, arguments = Settings(model="lr", seed=seed), (f"--set=seed={seed}", f"--workdir={folder}")
        yield Run("lr", {"dataset": "synthetic", "model": "lr", "seed": seed}, settings, folder, arguments)


def fake_workers(seeds, number=1):
    runs = list(fake_runs(seeds))
    return Workers(runs, number, train=(sys.executable, "fake.py"))


@pytest.fixture
def fake(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fake.py").write_text(FAKE)
    settings = {run.settings.seed: run.settings.to_dict() for run in fake_runs([1, 2, 3, 4, 5])}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    return tmp_path


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


def test_a_real_run_and_one_that_fails(tmp_path):
    (tmp_path / "tiny.py").write_text(TINY)
    command = [sys.executable, "-m", "ctrzoo.experiments.sweep", "--config=tiny.py", "--data_dir=data"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    swept = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300)
    assert swept.returncode == 0, swept.stderr
    assert "1 of 2 runs finished, 1 failed" in swept.stdout
    with open(tmp_path / "runs" / "tiny" / "results.csv", newline="") as file:
        finished, failed = csv.DictReader(file)
    metrics = json.loads((tmp_path / "runs" / "tiny" / finished["group"] / "seed_2018" / "metrics.json").read_text())
    assert float(finished["test_auc"]) == metrics["test"]["auc"]
    assert (finished["state"], failed["state"]) == ("finished", "failed")
    assert "between 1 and the number of fields, 10" in failed["reason"]
    assert "--set=num_rows=600" in finished["command"] and float(finished["seconds"]) > 0


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


def test_runs_that_differ_in_the_seed_alone_share_a_folder():
    one, two, other = plan(grid(model="lr", epochs=[3, 4], seed=[1, 2])[:3], "sweep", "data")
    assert one.folder.parent == two.folder.parent != other.folder.parent


def test_results_of_other_settings_do_not_finish_a_run(fake):
    workers = fake_workers([1])
    workers.work()
    (run,) = workers.runs
    assert outcome.is_finished(run)
    assert not outcome.is_finished(dataclasses.replace(run, settings=Settings(model="lr", seed=1, epochs=7)))


def test_means_and_sample_deviations_over_seeds(fake):
    workers = fake_workers([1, 2])
    workers.work()
    (group,) = summary_of(rows_of(workers.runs))
    assert group["test_auc"] == pytest.approx(0.715) and group["test_auc_deviation"] == pytest.approx(0.01 / 2**0.5)
    write_results(rows_of(workers.runs), fake)
    assert "| synthetic | lr |  | 2/2 | 0.7150 ± 0.0071 | 0.5000 ± 0.0000 |" in (fake / "results.md").read_text()


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


def test_overrides_hold_for_all_runs_and_equal_runs_are_done_once():
    runs = plan(grid(model=["lr", "fm"], seed=[1, 2]), "sweep", "data", overrides={"seed": 5})
    assert [(run.settings.model, run.settings.seed) for run in runs] == [("lr", 5), ("fm", 5)]


@pytest.mark.parametrize(
    ("choice", "message"),
    [({"modle": "lr"}, "Did you mean 'model'"), ({"model": "lr", "epochs": 0}, "'epochs' must be a whole number")],
)
def test_a_wrong_choice_names_its_run(choice, message):
    with pytest.raises(ValueError, match="The run {.*" + message):
        plan([choice], "sweep", "data")


@pytest.mark.parametrize("name", sorted(path.stem for path in CONFIGS.glob("[a-z]*.py")))
def test_each_sweep_of_the_project_can_be_planned_and_reported(name, tmp_path):
    choices, write_report = read_sweep(name)
    runs = plan(choices, tmp_path, tmp_path)
    assert len(runs) == len(choices)
    rows = [{**row, "state": "finished", "test_auc": 0.85, "test_log_loss": 0.4} for row in rows_of(runs)]
    write_report(rows, tmp_path)
    assert any(path.suffix == ".png" for path in tmp_path.iterdir())


def test_a_sweep_that_is_not_there():
    with pytest.raises(ValueError, match="Unknown sweep table3.*table2"):
        read_sweep("table3")


def group_of(label, auc):
    numbers = {"test_auc": auc, "test_auc_deviation": 0.001, "test_log_loss": 0.4, "test_log_loss_deviation": None}
    return {"dataset": "movielens_1m", "label": label, "variant": "", "finished": 2, **numbers}


def test_comparison_finds_published_rows():
    groups = [group_of("graphfm (paper)", 0.8545), group_of("autoint+", 0.8480), group_of("hoafm", 0.84)]
    ours = compared_rows(groups, [read_published("graphfm_table2"), read_published("autoint_table5")])
    assert [row["published_auc"] for row in ours] == [0.8535, 0.8488, None]
    assert ours[0]["auc_difference"] == pytest.approx(0.001) and ours[1]["auc_difference"] == pytest.approx(-0.0008)


def test_order_of_published_rows_beyond_noise():
    groups = [group_of("fm", 0.87), group_of("autoint", 0.857), group_of("graphfm", 0.86), group_of("hoafm", 0.1)]
    pairs = orders(compared_rows(groups, [read_published("graphfm_table2")]))
    # Two seeds each, deviation 0.001: t is the difference in thousandths, and with two degrees of freedom
    # p = 1 - t / sqrt(t^2 + 2).
    expected = {
        ("autoint", "fm"): (-0.013, 1 - 13 / 171**0.5, "the other way"),
        ("graphfm", "fm"): (-0.01, 1 - 10 / 102**0.5, "the other way"),
        ("graphfm", "autoint"): (0.003, 1 - 3 / 11**0.5, "within noise"),
    }
    assert {(pair["higher"], pair["lower"]) for pair in pairs} == set(expected)
    for pair in pairs:
        difference, p, verdict = expected[pair["higher"], pair["lower"]]
        assert pair["auc_difference"] == pytest.approx(difference) and pair["ours"] == verdict
        assert pair["p"] == pytest.approx(p, rel=1e-6)
    text = "\n".join(order_lines(pairs))
    assert "Of 3 pairs of rows: 0 as printed, 1 within noise, 2 the other way." in text
    assert "| movielens_1m | graphfm | fm | +0.0283 | -0.0100 | 0.0099 | the other way |" in text


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


def test_a_misspelt_data_set_of_a_raw_file_is_refused():
    assert raw_of("movielens_1m=ml-1m.zip") == ("movielens_1m", "ml-1m.zip")
    with pytest.raises(ValueError, match="Unknown data set 'movielens1m'. Did you mean 'movielens_1m'"):
        raw_of("movielens1m=ml-1m.zip")


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


def test_order_of_rows_without_spread():
    groups = [{**group_of(name, auc), "test_auc_deviation": 0.0} for name, auc in (("fm", 0.8), ("lr", 0.7))]
    (pair,) = orders(compared_rows(groups, [read_published("graphfm_table2")]))
    assert (pair["higher"], pair["p"], pair["ours"]) == ("fm", 0.0, "as printed")
    groups[0]["test_auc_deviation"] = None  # one seed has no spread, so nothing is said
    assert orders(compared_rows(groups, [read_published("graphfm_table2")])) == [] == order_lines([])


def test_comparison_and_surface_are_written_for_a_half_finished_sweep(tmp_path):
    chosen = grid(dataset="movielens_1m", model="graphfm", seed=1, num_neighbors=[(7, 1, 1), (7, 1, 2), (7, 2, 1)])
    rows = rows_of(plan(chosen, tmp_path, tmp_path))
    rows[0] |= {"state": "finished", "test_auc": 0.85, "test_log_loss": 0.4}
    compare(rows, ["graphfm_table2"], tmp_path)
    assert "0 of 1 rows reach the published AUC" in (tmp_path / "comparison.md").read_text()
    report_neighborhood(rows, tmp_path)
    assert (tmp_path / "neighborhood_movielens_1m.png").read_bytes().startswith(b"\x89PNG")
    written = (tmp_path / "neighborhood.md").read_text()
    assert "| 1 | 0.8500 (1) | 0.8500 |" in written and "variance" not in written


def test_cells_that_differ_beyond_the_noise_of_seeds_are_told(tmp_path):
    aucs = {(7, 1, 1): (0.82, 0.84), (7, 1, 2): (0.85, 0.87), (7, 2, 1): (0.85, 0.85)}
    chosen = grid(dataset="movielens_1m", model="graphfm", seed=[1, 2], num_neighbors=list(aucs))
    rows = rows_of(plan(chosen, tmp_path, tmp_path))
    for row in rows:
        auc = aucs[row["choices"]["num_neighbors"]][row["seed"] - 1]
        row |= {"state": "finished", "test_auc": auc, "test_log_loss": 0.4}
    report_neighborhood(rows, tmp_path)
    written = (tmp_path / "neighborhood.md").read_text()
    assert "| 1 | 0.8300 ± 0.0141 (2) | 0.8600 ± 0.0141 (2) | 0.8450 |" in written
    assert "| all | 0.8400 | 0.8600 | |" in written
    # By hand: means 0.83, 0.86, 0.85 have the variance 0.0014 / 3 / 2 and deviate by 0.0153; variances 2e-4, 2e-4, 0
    # have the mean 1.333e-4, its root is 0.0115; F = 2 * 2.333e-4 / 1.333e-4, p = (1 + 2 * F / 3) ** -1.5.
    assert "means of 3 cells" in written and "deviation of 0.0153; seeds within a cell, 0.0115" in written
    assert "F = 3.50, p = 0.16." in written
    # Seeds differ by 0.02, 0.02, 0 in the cells, so that cells and seeds leave half of 2 * (0.02 / 3)^2 + (0.04 / 3)^2,
    # 1.333e-4 with two degrees of freedom. Without layer 2's number 0.83 and 0.85 have one mean, 4e-4 more; without
    # layer 3's 0.83 and 0.86, 9e-4 more. p = 1 - sqrt(F / (F + 2)).
    assert "Layer 2's number, given the other's and the seed: F = 6.00, p = 0.13." in written
    assert "Layer 3's number, given the other's and the seed: F = 13.50, p = 0.067." in written
    # Printed at (1, 1), (1, 2), (2, 1): 0.8500, 0.8518, 0.8513.
    assert "best at (3, 3). Our best is at (1, 2). Correlation of our means" in written
    assert "numbers of 3 cells: 1.00 (p = 0.039)" in written


def test_a_cell_of_more_seeds_says_more_of_their_noise(tmp_path):
    aucs = {(7, 1, 1): (0.80, 0.82, 0.84), (7, 1, 2): (0.85, 0.85, None)}
    chosen = grid(dataset="movielens_1m", model="graphfm", seed=[0, 1, 2], num_neighbors=list(aucs))
    rows = rows_of(plan(chosen, tmp_path, tmp_path))
    for row in rows:
        auc = aucs[row["choices"]["num_neighbors"]][row["seed"]]
        row |= {"state": "waiting" if auc is None else "finished", "test_auc": auc}
    report_neighborhood(rows, tmp_path)
    # By hand: squared deviations 8e-4 and 0 over two degrees of freedom and one, the root of 2.667e-4.
    assert "seeds within a cell, 0.0163. One-way" in (tmp_path / "neighborhood.md").read_text()


@pytest.mark.parametrize(
    ("name", "num_rows", "best"),
    [("graphfm_table2", 12, 0.8535), ("autoint_table5", 5, 0.8488), ("graphfm_figure3", 49, 0.8541)],
)
def test_published_tables_are_whole(name, num_rows, best):
    table = read_published(name)
    table = table[table.dataset == "movielens_1m"]
    assert len(table) == num_rows and table.auc.max() == best
    assert table.source.str.contains("https://").all()
