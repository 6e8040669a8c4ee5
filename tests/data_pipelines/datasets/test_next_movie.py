"""Queries of the next movie on logs that can be checked by hand."""

import collections

import numpy as np
import pandas as pd
import pytest

from ctrzoo.data_pipelines.datasets.next_movie import (
    Queries,
    divide,
    queries_of,
    read_names,
    sample_negatives,
    sorted_ratings,
)

RATINGS = pd.DataFrame(
    [(2, 9, 30), (1, 4, 20), (2, 8, 10), (1, 6, 20), (1, 5, 19), (2, 7, 30), (3, 1, 5)],
    columns=["user", "movie", "timestamp"],
)


def many(num_users=40, seed=0):
    """Return queries of users with 10 to 30 queries each."""
    random = np.random.default_rng(seed)
    rows = [
        (user, movie, time)
        for user in range(1, num_users + 1)
        for time, movie in enumerate(random.permutation(60)[: random.integers(11, 32)])
    ]
    return queries_of(pd.DataFrame(rows, columns=["user", "movie", "timestamp"]))[0]


def test_queries_follow_time_and_equal_times_the_file():
    ratings = sorted_ratings(RATINGS)
    assert ratings["movie"].tolist() == [5, 4, 6, 8, 9, 7, 1]
    queries, rows = queries_of(ratings)
    pairs = zip(queries.users, queries.places, queries.last, queries.targets, queries.tied, rows, strict=True)
    assert [tuple(int(number) for number in pair) for pair in pairs] == [
        (1, 1, 5, 4, 0, 0),
        (1, 2, 4, 6, 1, 1),
        (2, 1, 8, 9, 0, 3),
        (2, 2, 9, 7, 1, 4),
    ]


def test_names_hold_everything():
    queries, _ = queries_of(sorted_ratings(RATINGS))
    names = queries.names(np.array([4, 1, 1, 2]))
    assert names[1] == "1 2 4 6 1 1"
    found, movies = read_names([name.encode() for name in names])
    assert movies.tolist() == [4, 1, 1, 2]
    for field in ("users", "places", "last", "targets", "tied"):
        np.testing.assert_array_equal(getattr(found, field), getattr(queries, field))
    assert len(found) == 4


def test_a_random_division_has_the_shares():
    queries = many()
    splits = divide(queries, "random", seed=3)
    total = len(queries)
    assert abs(np.mean(splits == 2) - 0.2) < 2 / total and abs(np.mean(splits == 1) - 0.08) < 2 / total
    np.testing.assert_array_equal(splits, divide(queries, "random", seed=3))
    assert (splits != divide(queries, "random", seed=4)).any()


def test_a_division_by_time_keeps_each_users_last_queries_for_test():
    queries = many()
    splits = divide(queries, "time", seed=0)
    assert (np.diff(splits.astype(int))[np.diff(queries.users) == 0] >= 0).all()  # train, valid, test
    for user in np.unique(queries.users):
        count = int((queries.users == user).sum())
        tests = int((splits[queries.users == user] == 2).sum())
        assert tests == count - int(np.floor(0.8 * count))
    assert 0.05 < np.mean(splits == 1) < 0.12


def test_a_division_by_user_holds_out_users():
    queries = many()
    splits = divide(queries, "user", seed=0)
    of_user = {user: set(splits[queries.users == user]) for user in np.unique(queries.users)}
    assert all(len(found) == 1 for found in of_user.values())
    assert collections.Counter(found.pop() for found in of_user.values()) == {0: 28, 1: 4, 2: 8}


def test_negatives_are_other_movies_drawn_in_proportion():
    queries, movies = many(400), np.arange(60)
    fit = divide(queries, "random", 0) == 0
    uniform = sample_negatives(queries, movies, 8, "uniform", fit, seed=1)
    assert uniform.shape == (len(queries), 8) and (uniform != queries.targets[:, None]).all()
    np.testing.assert_allclose(np.bincount(uniform.ravel()) / uniform.size, 1 / 60, rtol=0.15)
    skewed = Queries(queries.users, queries.places, queries.last, queries.targets // 20, queries.tied)  # 0, 1 or 2
    popular = sample_negatives(skewed, movies, 8, "popularity", fit, seed=1)
    assert (popular != skewed.targets[:, None]).all()
    counts = 1 + np.bincount(skewed.targets[fit], minlength=60)
    # A movie is drawn by its share of the others than the target.
    expected = np.mean(
        [np.where(movies == target, 0, counts) / (counts.sum() - counts[target]) for target in skewed.targets], axis=0
    )
    found = np.bincount(popular.ravel(), minlength=60) / popular.size
    np.testing.assert_allclose(found[:3], expected[:3], rtol=0.03)
    assert abs(found[3:].sum() - expected[3:].sum()) < 0.005


def test_every_movie_is_in_some_row():
    queries = many(5)
    movies = np.arange(150)
    fit = divide(queries, "random", 0) == 0
    negatives = sample_negatives(queries, movies, 4, "uniform", fit, seed=0)
    assert set(negatives.ravel()) | set(queries.targets) == set(movies)
    assert (negatives != queries.targets[:, None]).all()
    with pytest.raises(ValueError, match="cannot hold all 150 movies"):
        sample_negatives(queries, movies, 1, "uniform", fit, seed=0)


def test_wrong_options_are_refused():
    queries = many(5)
    with pytest.raises(ValueError, match="split_by"):
        divide(queries, "timed", 0)
    with pytest.raises(ValueError, match="negative_sampling"):
        sample_negatives(queries, np.arange(60), 1, "popular", queries.tied, 0)
    with pytest.raises(ValueError, match="at least 1. Received: 0"):
        sample_negatives(queries, np.arange(60), 0, "uniform", queries.tied, 0)
