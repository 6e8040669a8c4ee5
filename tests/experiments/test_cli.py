"""What all command line programs share."""

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
