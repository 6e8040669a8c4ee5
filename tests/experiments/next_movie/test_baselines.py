"""The baselines against loops on a small log, and against numbers measured with other code on the real data."""

import numpy as np
import pytest

from ctrzoo.data_pipelines.datasets.movielens_100k import read_tables
from ctrzoo.data_pipelines.datasets.next_movie import Queries, divide, queries_of, sorted_ratings
from ctrzoo.experiments.next_movie.baselines import baselines, histories, positions
from ctrzoo.ranking import joined, places_of
from tests.conftest import DATA

MOVIES = np.array([2, 3, 5, 7, 11])
# Two users: 2 3 5 7, and 3 5 2 5 would repeat a movie, so 3 5 2 11.
SMALL = Queries(
    users=np.array([1, 1, 1, 4, 4, 4]),
    places=np.array([1, 2, 3, 1, 2, 3]),
    last=np.array([2, 3, 5, 3, 5, 2]),
    targets=np.array([3, 5, 7, 5, 2, 11]),
    tied=np.zeros(6, bool),
)


def test_histories_are_what_the_user_has_rated_so_far():
    expected = [{2}, {2, 3}, {2, 3, 5}, {3}, {3, 5}, {3, 5, 2}]
    found = histories(SMALL, MOVIES).toarray()
    assert [set(MOVIES[row > 0].tolist()) for row in found] == expected


def test_scores_are_those_of_loops():
    fit = np.array([True, True, True, True, False, False])
    scorers = baselines(SMALL, MOVIES, fit)
    expected = {name: np.zeros((6, 5)) for name in scorers}
    seen = [{2}, {2, 3}, {2, 3, 5}, {3}, {3, 5}, {3, 5, 2}]
    for query in range(6):
        for candidate, movie in enumerate(MOVIES.tolist()):
            for other in np.flatnonzero(fit):
                is_target = SMALL.targets[other] == movie
                expected["popularity"][query, candidate] += is_target
                expected["Markov chain"][query, candidate] += is_target * (SMALL.last[other] == SMALL.last[query])
                expected["co-occurrence"][query, candidate] += is_target * len(seen[query] & seen[other])
                for watched in seen[query] & seen[other]:
                    number = sum(watched in seen[each] for each in np.flatnonzero(fit))
                    expected["co-occurrence, shares"][query, candidate] += is_target / number
    expected["Markov chain"] += expected["popularity"] / 3  # the most popular movie is a target twice
    for name, scorer in scorers.items():
        np.testing.assert_allclose(scorer(np.arange(6)), expected[name], rtol=1e-6, err_msg=name)


def test_a_missing_query_or_movie_is_refused():
    with pytest.raises(ValueError, match="all queries of each user"):
        histories(SMALL.rows(np.array([0, 2])), MOVIES)
    with pytest.raises(ValueError, match="The movie 4 is not among the 5"):
        positions(MOVIES, np.array([2, 4]))


# Mean rank over all movies, and without the seen ones, measured before this code was written.
ANCHORS = {
    "random": {
        "popularity": (320.3, 258.7),
        "Markov chain": (290.2, 235.1),
        "co-occurrence": (271.4, 217.2),
    },
    "time": {
        "popularity": (430.0, 313.9),
        "Markov chain": (396.4, 291.4),
        "co-occurrence": (382.3, 269.4),
    },
    "user": {
        "popularity": (301.4, 249.9),
        "Markov chain": (269.9, 224.7),
        "co-occurrence": (254.2, 210.5),
    },
}


@pytest.mark.parametrize(
    "split_by", [pytest.param(name, marks=[] if name == "time" else pytest.mark.nightly) for name in ANCHORS]
)
def test_measured_mean_ranks_of_movielens(split_by):
    if not (DATA / "ml-100k.zip").is_file():
        pytest.skip(f"needs ml-100k.zip in {DATA}; set CTRZOO_DATA to a folder that has it")
    _, table, ratings = read_tables(DATA / "ml-100k.zip")
    queries, _ = queries_of(sorted_ratings(ratings))
    movies = np.unique(table["movie"])
    assert len(queries) == 99_057 and round(queries.tied.mean(), 2) == 0.51
    test = divide(queries, split_by, seed=0) == 2
    if split_by == "user":  # the draw of the anchors; over 20 draws, the mean rank of popularity is 315.8 ± 10.9
        users = np.random.default_rng(0).permutation(np.unique(queries.users))
        test = np.isin(queries.users, users[: round(0.2 * len(users))])
    scorers = baselines(queries, movies, ~test)
    targets, seen = positions(movies, queries.targets), histories(queries, movies)
    for name, expected in ANCHORS[split_by].items():
        found = []
        for excluded in (False, True):
            chunks = [
                places_of(scorers[name](rows), targets[rows], seen[rows].toarray() > 0 if excluded else None)
                for rows in np.array_split(np.flatnonzero(test), 10)
            ]
            found.append(joined(chunks).metrics().mean_rank)
        np.testing.assert_allclose(found, expected, atol=0.06, err_msg=name)
