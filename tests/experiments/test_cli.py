"""What all command line programs share."""

import pytest

from ctrzoo.experiments import cli as command


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


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("wrong\n  value"), "prog: wrong value"),
        (FileNotFoundError("no file"), "prog: no file"),
        (KeyboardInterrupt(), "prog: run it again"),
    ],
)
def test_expected_failures_are_one_line_and_exit_code_1(capsys, error, line):
    with pytest.raises(SystemExit) as stopped, command.one_line_failures("prog", "run it again"):
        raise error
    assert stopped.value.code == 1 and capsys.readouterr().err == f"{line}\n"


def test_other_failures_are_not_hidden(capsys):
    with pytest.raises(ZeroDivisionError), command.one_line_failures("prog", "run it again"):
        raise ZeroDivisionError
    with command.one_line_failures("prog", "run it again"):
        pass
    assert capsys.readouterr().err == ""
