"""`ctrzoo-search`: its flags, and failures in one line."""

import pytest

from ctrzoo.experiments import search
from ctrzoo.experiments.sweeps import search as sweeps_search

SPACE = "def get_search():\n    return {'model': 'lr', 'learning_rate': [0.1, 0.2]}\n"


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Return a function that runs the program with arguments in an empty folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.py").write_text(SPACE)

    def run(*arguments):
        for flag in search.FLAGS:
            search.FLAGS[flag].unparse()  # what an earlier test set
        monkeypatch.setattr("sys.argv", ["ctrzoo-search", *arguments])
        search.run()

    return run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--config is missing"),
        (["space.py"], "--config is missing"),
        (["--config=absent.py"], "Unknown sweep absent.py"),
        (["--config=space.py", "--sampler=best"], "The sampler must be one of tpe, random, grid. Received: 'best'"),
        (["--config=space.py", "--raw=movielens_1m"], "--raw needs dataset=path"),
        (["--config=space.py", "--trails=3"], "Unknown flag --trails. Did you mean --trials"),
    ],
)
def test_failures_are_one_line(command, capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        command(*arguments)
    (line,) = capsys.readouterr().err.splitlines()
    assert stopped.value.code == 1 and line.startswith("ctrzoo-search: ") and message in line


def test_flags_reach_the_search_and_an_interrupted_one_writes_its_results(command, capsys, tmp_path, monkeypatch):
    asked = []

    def work(searching, num_trials):
        asked.append((num_trials, dict(searching.space), searching.folder.name, searching.raw))
        raise KeyboardInterrupt

    monkeypatch.setattr(sweeps_search.Search, "work", work)
    with pytest.raises(SystemExit):
        command("--config=space.py", "--trials=7", "--raw=movielens_1m=ml-1m.zip")
    space = {"model": "lr", "learning_rate": [0.1, 0.2]}
    assert asked == [(7, space, "space", {"movielens_1m": "ml-1m.zip"})]
    assert "Rerun the command to resume the study" in capsys.readouterr().err
    assert (tmp_path / "runs" / "space" / "search.md").read_text().startswith("# Search")
