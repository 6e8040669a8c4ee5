"""Where the next movie does not depend on earlier ones, a model is no better than popularity: nothing leaks."""

import keras
import numpy as np
import pandas as pd
import pytest

from ctrzoo.data_pipelines import load, prepare
from ctrzoo.experiments.next_movie.baselines import baselines
from ctrzoo.experiments.next_movie.data import CANDIDATE_FIELDS, read_ranking_data
from ctrzoo.models import build
from ctrzoo.ranking import places_of, rank_candidates
from tests.data_pipelines.datasets.test_next_movie_table import tables, write_raw

NUM_USERS, NUM_MOVIES, NUM_RATINGS = 80, 40, 40


def chain(random):
    """Return ratings in which the next movie is one of the three after the last one, mostly the first."""
    rows = []
    for user in range(1, NUM_USERS + 1):
        movie = random.integers(NUM_MOVIES)
        for time in range(NUM_RATINGS):
            rows.append((user, movie + 1, random.integers(1, 6), 3600 * time))
            movie = (movie + random.choice([1, 2, 3], p=[0.8, 0.1, 0.1])) % NUM_MOVIES
    return pd.DataFrame(rows, columns=["user", "movie", "rating", "timestamp"])


def shuffled(random):
    """Return ratings of movies that are drawn by popularity, whatever came before."""
    ratings = chain(random)
    shares = 1 / np.arange(1, NUM_MOVIES + 1)
    drawn = random.choice(np.arange(1, NUM_MOVIES + 1), len(ratings), p=shares / shares.sum())
    return ratings.assign(movie=drawn)


@pytest.mark.parametrize(
    ("log", "split_by"),
    [
        (chain, "time"),
        (shuffled, "random"),
        (shuffled, "time"),
        pytest.param(chain, "random", marks=pytest.mark.nightly),
    ],
)
def test_only_what_came_before_tells_the_next_movie(tmp_path, log, split_by):
    keras.utils.set_random_seed(0)
    users, movies, _ = tables(NUM_USERS, NUM_MOVIES)
    raw = write_raw(tmp_path, users, movies, log(np.random.default_rng(0)))
    # Of a short history, one leaking movie would be a large part.
    options = {"protocol": "next_movie", "split_by": split_by, "max_history": 2}
    data = load(prepare("movielens_100k", tmp_path / "data", raw=raw, **options))
    ranking = read_ranking_data(data)
    model = build("fm", data.schema, embedding_dim=8)
    model.compile(keras.optimizers.Adam(0.02))
    model.fit(data.dataset("train", 256, seed=1), epochs=6, shuffle=False, verbose=0)
    found = rank_candidates(model, ranking.features, ranking.candidates, CANDIDATE_FIELDS, ranking.targets()).all.mean
    scorer = baselines(ranking.queries, ranking.movies, ranking.splits < 2)["popularity"]
    popularity = places_of(scorer(ranking.chosen), ranking.targets()).mean
    better = popularity - found
    error = better.std() / np.sqrt(len(better))
    if log is chain:  # there is something to learn
        assert better.mean() > 10
    else:
        assert better.mean() < 3 * error and found.mean() < 1.25 * popularity.mean()
