"""`ctrzoo-bench` from end to end on a tiny table, and its failures in one line."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

from ctrzoo.experiments.benchmarks import bench
from tests.programs import run_program

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]


def ctrzoo_bench(*arguments, folder):
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-m", "ctrzoo.experiments.benchmarks.bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=300)


@pytest.mark.parametrize("others", [("xla",), pytest.param(("xla", "bfloat16"), marks=pytest.mark.nightly)])
def test_two_models_are_measured_and_what_is_not_installed_is_named(others, tmp_path):
    small = ("--shapes=tiny", "--rounds=2", "--seconds=0.01", "--batch_size=64", "--workdir=out")
    chosen = ("--suites=train", "--models=lr,fm", f"--baselines={','.join(others)},fuxictr")
    run = ctrzoo_bench(*chosen, *small, folder=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "Results are in out" in run.stdout and "samples/s" in run.stdout
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert "--models=lr,fm" in results["command"] and results["machine"]["keras"]
    rows = results["suites"]["train"]
    assert [(row["model"], row["implementation"], row["cores"]) for row in rows] == [
        (model, name, 1) for model in ("lr", "fm") for name in ("ctrzoo", *others, "fuxictr")
    ]
    ours, theirs = ([row for row in rows if (row["implementation"] == "fuxictr") is peer] for peer in (False, True))
    assert all(row["samples_per_second"] > 0 and row["peak_megabytes"] > 100 and row["ratio"] > 0 for row in ours)
    assert [row["ratio"] for row in ours[:: 1 + len(others)]] == [1, 1]
    assert all("No module named" in row["error"] or row["ratio"] > 0 for row in theirs)
    assert (tmp_path / "out" / "train.png").read_bytes().startswith(b"\x89PNG")
    assert "| tiny | 1 | fm | 64 | ctrzoo |" in (tmp_path / "out" / "results.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--suites=tain"], "Unknown suite 'tain'. Did you mean 'train'?"),
        (["--peers_python=absent"], "--peers_python: absent is not a program."),
        (
            ["--suites=vocabulary,reading", f"--peers_python={sys.executable}"],
            "--peers_python has no effect on vocabulary and reading",
        ),
        (["--cores=one"], "--cores must be whole numbers"),
        (["--model=fm"], "Unknown flag --model. Did you mean --models=fm?"),
    ],
    ids=["suite", "python", "no peers", "cores", "flag"],
)
def test_failures_are_one_line_and_leave_nothing(arguments, message, tmp_path):
    run = run_program("ctrzoo.experiments.benchmarks.bench", *arguments, "--workdir=out", folder=tmp_path)
    assert run.returncode == 1
    assert message in run.stderr and len(run.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_consoles_print_no_markup():
    """Names of fields and folders may hold square brackets."""
    benchmarks = pathlib.Path(bench.__file__).parent
    calls = [call for path in benchmarks.rglob("*.py") for call in re.findall(r"Console\(.*?\)", path.read_text())]
    assert len(calls) > 2 and all("markup=False" in call for call in calls)
