"""What all programs share: help, version, suggestions, exit codes, the folder of prepared data."""

import importlib
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from ctrzoo import __version__
from ctrzoo.experiments import cli

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ("train", "prepare", "sweep", "search", "explain", "predict", "export", "benchmarks.bench")


def python(*arguments, folder=CHECKOUT):
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-c", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=120)


@pytest.fixture
def start(monkeypatch, capsys):
    """Start a program in this process; return its exit code, output and errors."""
    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")

    def started(program, *arguments):
        module = importlib.import_module(f"ctrzoo.experiments.{program}")
        for flag in module.FLAGS:
            module.FLAGS[flag].unparse()  # what an earlier test set
        monkeypatch.setattr("sys.argv", [program, *arguments])
        try:
            module.run()
            code = 0
        except SystemExit as stopped:
            code = stopped.code
        return code, *capsys.readouterr()

    yield started
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_and_version(start, program):
    name = f"ctrzoo-{program.rpartition('.')[2]}"
    assert start(program, "--version") == (0, f"{name} {__version__}\n", "")
    for flag in ("--help", "-h"):
        code, text, errors = start(program, flag)
        assert (code, errors) == (0, "") and text.count("\n") > 20 and "--[no]version" in text


def test_help_lists_models_settings_and_hyperparameters(start):
    _, text, _ = start("train", "--help")
    for line in ("  deepfm", "  graphfm", "  plateau_factor=1.0", "  num_heads=2", "  num_rows=300000"):
        assert line in text.splitlines()
    assert "  deepfm" in start("benchmarks.bench", "--help")[1].splitlines()
    _, text, _ = start("train", "--model=deepfm", "--dataset=criteo", "--help")
    for line in ("  deep_units=(400, 400)", "    Widths of the hidden layers;", "  protocol='reference'"):
        assert any(line in other for other in text.splitlines())
    assert "  graphfm" not in text.splitlines()
    assert (
        start("train", "--model=DeepFM", "--help")[2]
        == "ctrzoo-train: Unknown model 'DeepFM'. Did you mean 'deepfm'?\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=DeepFM"], "Unknown model 'DeepFM'. Did you mean 'deepfm'?"),
        (["--lr=0.1"], "Unknown flag --lr. Did you mean --learning_rate=0.1?"),
        (["--lr", "0.1"], "Unknown flag --lr. Did you mean --learning_rate?"),
        (["--batchsize=64"], "Unknown flag --batchsize. Did you mean --batch_size=64?"),
        (
            ["--dropout=0.5", "--model=deepfm"],
            "Unknown flag --dropout. Did you mean --set=deep_dropout=0.5 or --set=embedding_dropout=0.5?",
        ),
        (["--num_heads=4"], "Unknown flag --num_heads. Did you mean --set=num_heads=4?"),
        (["--patience", "4"], "Unknown flag --patience. Did you mean --set=patience=...?"),
        (["--num_row=4"], "Unknown flag --num_row. Did you mean --set=num_rows=4?"),
        (["--set=lr=0.1"], "Unknown setting 'lr'. Did you mean 'learning_rate'?"),
        (["--zzzz"], "Unknown flag --zzzz. --help lists all flags."),
        (["--protocol=clean"], "The data set 'synthetic' has no choice of protocol. Leave out --protocol;"),
        (["--protocol=dirty"], "flag --protocol=dirty: value should be one of <reference|clean|next_movie|history>"),
    ],
)
def test_names_that_are_near(start, arguments, message):
    code, text, errors = start("train", "--config=none", *arguments)
    assert (code, text) == (1, "") and errors.startswith(f"ctrzoo-train: {message}") and errors.count("\n") == 1


def test_a_wrong_name_is_found_before_tensorflow_is_loaded():
    code = """
import sys
from ctrzoo.experiments import train
sys.argv = ["ctrzoo-train", *sys.argv[1:]]
try:
    train.run()
finally:
    print([name for name in ("tensorflow", "keras") if name in sys.modules])
"""
    for argument in ("--model=gfm", "--set=num_hands=3", "--dataset=absent", "--help"):
        assert python(code, argument).stdout.endswith("[]\n")


@pytest.mark.parametrize(
    ("cache", "expected"),
    [("/somewhere", "/somewhere/ctrzoo"), ("", "~/.cache/ctrzoo"), ("relative", "~/.cache/ctrzoo")],
)
def test_prepared_data_are_in_the_cache_of_the_user(monkeypatch, cache, expected):
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    assert cli.data_dir(None) == pathlib.Path(expected).expanduser()
    assert cli.data_dir("~/mine") == pathlib.Path("~/mine").expanduser()
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cli.data_dir(None) == pathlib.Path("~/.cache/ctrzoo").expanduser()


@pytest.mark.parametrize(("arguments", "code"), [((), 130), ((signal.SIGINT,), 130), ((signal.SIGTERM,), 143)])
def test_an_interruption_ends_with_the_number_of_its_signal(capsys, arguments, code):
    with pytest.raises(SystemExit) as stopped, cli.one_line_failures("program", lambda: "how to\ngo on"):
        raise KeyboardInterrupt(*arguments)
    assert stopped.value.code == code and capsys.readouterr().err == "program: how to go on\n"


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
    assert cli.with_homes(given) == [
        "--raw=/home/me/a.zip",
        "--raw=movielens_1m=/home/me/b.zip",
        "criteo=/home/me/c.txt",
        *given[3:5],
        "--dir=/home/me",
    ]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("wrong\n  value"), "prog: wrong value"),
        (FileNotFoundError("no file"), "prog: no file"),
    ],
)
def test_expected_failures_are_one_line_and_exit_code_1(capsys, error, line):
    with pytest.raises(SystemExit) as stopped, cli.one_line_failures("prog", lambda: "run it again"):
        raise error
    assert stopped.value.code == 1 and capsys.readouterr().err == f"{line}\n"


def test_other_failures_are_not_hidden(capsys):
    with pytest.raises(ZeroDivisionError), cli.one_line_failures("prog", lambda: "run it again"):
        raise ZeroDivisionError
    with cli.one_line_failures("prog", lambda: "run it again"):
        pass
    assert capsys.readouterr().err == ""
