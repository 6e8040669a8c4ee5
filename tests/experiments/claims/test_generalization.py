"""Ranks of memorized and new pairs, and varied lists, by slow loops over queries."""

import csv
import json
import math
from collections import Counter

import numpy as np
import pytest

from ctrzoo.experiments.claims.generalization import has_rows, main, measure, measure_baselines
from ctrzoo.experiments.next_movie.data import read_ranking_data
from ctrzoo.models import build
from tests.experiments.next_movie.log import prepared


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("log"))[0]


@pytest.fixture(scope="module")
def ranking(data):
    return read_ranking_data(data)


def test_numbers_equal_slow_loops(ranking):
    movies, queries = ranking.movies.tolist(), ranking.queries
    fitted = {
        (int(queries.last[at]), int(queries.targets[at])) for at in range(len(queries)) if ranking.splits[at] in (0, 1)
    }
    scores = np.random.default_rng(0).integers(0, 6, (len(ranking.chosen), len(movies))).astype(float)
    ranks, shown = {True: [], False: []}, Counter()
    for row, at in enumerate(ranking.chosen):
        past = {int(queries.last[i]) for i in range(len(queries)) if queries.users[i] == queries.users[at] and i <= at}
        left = [place for place, movie in enumerate(movies) if movie not in past]
        target = movies.index(queries.targets[at])
        higher = sum(scores[row, place] > scores[row, target] for place in left)
        equal = sum(scores[row, place] == scores[row, target] for place in left)
        ranks[(int(queries.last[at]), int(queries.targets[at])) in fitted].append(higher + (1 + equal) / 2)
        shown.update(sorted(left, key=lambda place: (-scores[row, place], place))[:3])
    assert min(len(found) for found in ranks.values()) > 2
    shares = [count / sum(shown.values()) for count in shown.values()]
    expected = {
        "known": np.mean(ranks[True]),
        "new": np.mean(ranks[False]),
        "movies": len(shown),
        "effective_movies": math.exp(-sum(share * math.log(share) for share in shares)),
    }
    half = len(scores) // 2
    assert measure([scores[:half], scores[half:]], ranking, top=3) == pytest.approx(expected)
    assert has_rows(ranking).sum() == len(ranks[True])


def test_the_chain_ranks_what_it_memorized_above_the_rest(ranking):
    found = measure_baselines(ranking)
    assert found["Markov chain"]["known"] < found["Markov chain"]["new"]
    assert found["popularity"]["effective_movies"] < found["Markov chain"]["effective_movies"]


def test_files(tmp_path, data, capsys):
    for seed in (1, 2):
        folder = tmp_path / f"run_{seed}"
        folder.mkdir()
        settings = {"data": {"folder": str(data.folder)}, "settings": {"model": "fm"}}
        (folder / "experiment.json").write_text(json.dumps(settings), encoding="utf-8")
        build("fm", data.schema, embedding_dim=2).save(folder / "model.keras")
    main(["--workdir", str(tmp_path / "run_1"), str(tmp_path / "run_2"), f"--folder={tmp_path / 'new'}"])
    text = (tmp_path / "new" / "generalization.md").read_text(encoding="utf-8")
    assert text == capsys.readouterr().out and "| fm | 2 |" in text and "| *Markov chain* |  |" in text
    with open(tmp_path / "new" / "generalization.csv", newline="") as file:
        assert [row["runs"] for row in csv.DictReader(file)] == ["2", "0", "0", "0", "0"]
