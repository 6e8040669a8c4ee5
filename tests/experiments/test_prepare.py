"""`ctrzoo-prepare` from end to end on few rows, and its failures in one line."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from ctrzoo.experiments import cli as command
from ctrzoo.experiments import prepare

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]


def run(module, *arguments, folder):
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-m", f"ctrzoo.experiments.{module}", f"--data_dir={folder / 'data'}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=300)


@pytest.fixture
def clicks(tmp_path):
    lines = [f"{row % 2},{'ab'[row % 2]}{row % 3},{row * 1.5}\n" for row in range(600)]
    (tmp_path / "clicks.csv").write_text("click,site,price\n" + "".join(lines))
    return tmp_path


def test_a_table_is_drafted_prepared_reported_and_trained_on(clicks):
    drafted = run("prepare", "--table=clicks.csv", "--schema=schema.yaml", "--infer_schema", folder=clicks)
    assert drafted.returncode == 0, drafted.stderr
    assert "label 'click', 2 fields" in drafted.stdout
    prepared = run("prepare", "--table=clicks.csv", "--schema=schema.yaml", folder=clicks)
    assert prepared.returncode == 0, prepared.stderr
    folder = clicks / "data" / "clicks"
    for word in ("600 rows", "train 480 (240 positive)", "rows/s", "peak memory", "site", "categorical"):
        assert word in prepared.stdout
    report = json.loads((folder / "report.json").read_text())
    assert report["rows"] == 600 and report["fields"][0]["vocabulary_size"] == 7  # 6 sites and the rare id
    assert (folder / "fields.png").read_bytes().startswith(b"\x89PNG")
    again = run("prepare", "--table=clicks.csv", "--schema=schema.yaml", folder=clicks)
    assert again.returncode == 1 and "To replace it, pass --overwrite" in again.stderr
    options = ("--model=lr", "--epochs=1", "--config=none", "--workdir=work")
    trained = run("train", f"--dataset={folder}", *options, folder=clicks)
    assert trained.returncode == 0, trained.stderr
    assert json.loads((clicks / "work" / "metrics.json").read_text())["dataset"] == "clicks"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Pass either --dataset for a benchmark or --table"),
        (["--dataset=criteo", "--table=clicks.csv"], "Pass either --dataset"),
        (["--dataset=kriteo"], "Unknown data set 'kriteo'. Did you mean 'criteo'?"),
        (["--dataset=criteo"], "Pass train.txt of the Criteo display advertising challenge as `raw` (--raw)"),
        (["--dataset=criteo", "--raw=clicks.csv"], "clicks.csv, row 1: 1 columns, expected 40."),
        (["--dataset=criteo", "--raw=absent.txt"], "absent.txt does not exist"),
        (["--dataset=criteo", "--set", "splitseed=3"], "Unknown option 'splitseed'. Did you mean 'split_seed'?"),
        (["--table=clicks.csv"], "A table needs --schema"),
        (["--table=clicks.csv", "--schema=absent.yaml"], "The schema absent.yaml does not exist"),
        (["--table=click.csv", "--schema=schema.json"], "click.csv does not exist"),
        (["--table=clicks.csv", "--protocol=clean", "--set=a=1"], "--protocol and --set cannot be used with --table"),
        (["--dataset=criteo", "--seed=3"], "--seed cannot be used with --dataset"),
        (["--tabel=clicks.csv"], "Unknown flag --tabel. Did you mean --table=clicks.csv?"),
        (["clicks.csv"], "Unknown argument 'clicks.csv'"),
    ],
)
def test_failures_are_one_line_and_leave_nothing(clicks, arguments, message, monkeypatch, capsys):
    (clicks / "schema.json").write_text('{"label": "click", "fields": ["site"]}')
    monkeypatch.chdir(clicks)
    monkeypatch.setattr("sys.argv", ["ctrzoo-prepare", "--data_dir=data", *arguments])
    for flag in prepare.FLAGS:
        prepare.FLAGS[flag].unparse()  # what an earlier test set
    with pytest.raises(SystemExit) as stopped:
        prepare.run()
    assert stopped.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ctrzoo-prepare: ") and message in line
    assert not (clicks / "data" / "criteo").exists() and not (clicks / "data" / "clicks").exists()


def test_the_next_command_trains_on_what_was_prepared(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["--dataset=synthetic", "--set=num_rows=600", "--set", "data_seed=5", "--data_dir=my data"]
    monkeypatch.setattr("sys.argv", ["ctrzoo-prepare", *arguments])
    for flag in prepare.FLAGS:
        prepare.FLAGS[flag].unparse()
    prepare.run()
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith(": ctrzoo-train --dataset=synthetic '--data_dir=my data' --set=num_rows=600 --set=data_seed=5")


def test_a_home_is_found_behind_the_sign_of_a_flag(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    given = [
        "--raw=~/a.zip",
        "--raw=movielens_1m=~/b.zip",
        "criteo=~/c.txt",
        "--set=name=x~/y",
        "--workdir=a/~",
        "--dir=~",
    ]
    assert command.with_homes(given) == [
        "--raw=/home/me/a.zip",
        "--raw=movielens_1m=/home/me/b.zip",
        "criteo=/home/me/c.txt",
        *given[3:5],
        "--dir=/home/me",
    ]
