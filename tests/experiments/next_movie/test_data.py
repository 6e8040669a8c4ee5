"""Queries and candidates of prepared data are those of the log."""

import numpy as np
import pytest

from ctrzoo.data_pipelines import load, prepare
from ctrzoo.data_pipelines.datasets.movielens_100k import read_tables
from ctrzoo.data_pipelines.datasets.next_movie import divide, queries_of, sorted_ratings
from ctrzoo.experiments.next_movie.data import CANDIDATE_FIELDS, read_ranking_data
from ctrzoo.ranking import Places
from tests.experiments.next_movie.log import prepared


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    data, raw = prepared(tmp_path_factory.mktemp("log"))
    return data, read_tables(raw)


def test_queries_are_those_of_the_ratings(log):
    data, (_, movies, ratings) = log
    queries, _ = queries_of(sorted_ratings(ratings))
    found = read_ranking_data(data)
    for name in ("users", "places", "last", "targets", "tied"):
        np.testing.assert_array_equal(getattr(found.queries, name), getattr(queries, name))
    np.testing.assert_array_equal(found.splits, divide(queries, "random", 2019))
    np.testing.assert_array_equal(found.movies, np.sort(movies["movie"]))
    np.testing.assert_array_equal(found.chosen, np.flatnonzero(found.splits == 2))
    np.testing.assert_array_equal(found.movies[found.targets()], queries.targets[found.chosen])
    for query, seen in zip(found.chosen, found.seen(), strict=True):
        own = (queries.users == queries.users[query]) & (queries.places <= queries.places[query])
        assert set(found.movies[seen]) == set(queries.last[own])


def test_features_are_those_of_query_and_candidate(log):
    data, (_, movies, _) = log
    found = read_ranking_data(data, most=9, seed=1)
    assert len(found.chosen) == 9 and (found.splits[found.chosen] == 2).all() and (np.diff(found.chosen) > 0).all()
    texts = data.texts(found.features)
    place = {name: data.schema.names.index(name) for name in ("user", "last_movie", "movie", "genres")}
    for row, query in zip(texts, found.chosen, strict=True):
        assert row[place["user"]] == str(found.queries.users[query])
        assert row[place["last_movie"]] == str(found.queries.last[query])
        assert row[place["movie"]] == str(found.queries.targets[query])  # its own row is the positive one
    for row, movie in zip(data.texts(found.candidates), found.movies, strict=True):
        assert row[place["movie"]] == str(movie)
    assert set(CANDIDATE_FIELDS) <= set(data.schema.names)
    other = read_ranking_data(data, most=9, seed=2)
    assert (other.chosen != found.chosen).any()


def test_the_summary_leaves_out_ties_of_time(log):
    data, _ = log
    found = read_ranking_data(data)
    places = Places(np.arange(1, len(found.chosen) + 1), np.arange(1, len(found.chosen) + 1))
    untied = ~found.queries.tied[found.chosen]
    summary = found.summary(places, places)
    assert summary["all"]["mean_rank"] == np.mean(places.best) and summary["all"]["queries"] == len(untied)
    assert summary["unseen_untied"]["mean_rank"] == pytest.approx(np.mean(places.best[untied]))
    assert 0 < untied.sum() < len(untied) and summary["all_untied"]["queries"] == untied.sum()


def test_other_data_are_refused(tmp_path):
    data = load(prepare("synthetic", tmp_path, num_rows=600))
    with pytest.raises(ValueError, match="not prepared for the next movie"):
        read_ranking_data(data)
