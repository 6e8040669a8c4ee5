"""The table of the next movie against loops over a small log, and through the preparation."""

import numpy as np
import pandas as pd
import pytest

from ctrzoo.data_pipelines import load, prepare
from ctrzoo.data_pipelines.datasets.movielens_100k import GENRES
from ctrzoo.data_pipelines.datasets.next_movie import read_names
from ctrzoo.data_pipelines.datasets.next_movie_table import next_movie_plan, next_movie_table

OPTIONS = {
    "split_by": "random",
    "split_seed": 1,
    "num_negatives": 2,
    "negative_sampling": "uniform",
    "max_history": 3,
    "genre_profile": "pooled",
}


def tables(num_users=12, num_movies=25, seed=0):
    """Return users, movies and ratings as GroupLens has them; 15 to 20 ratings per user."""
    random = np.random.default_rng(seed)
    genres = (random.random((num_movies, len(GENRES))) < 0.15).astype(int)
    genres[:, 0] = genres.sum(axis=1) == 0
    movies = pd.DataFrame({"movie": np.arange(1, num_movies + 1), "title": "x"})
    movies["released"] = [f"01-Jan-{1950 + 2 * number}" for number in range(num_movies)]
    movies.loc[0, "released"] = np.nan
    movies = pd.concat([movies, pd.DataFrame(genres, columns=[*GENRES])], axis=1)
    users = pd.DataFrame({"user": np.arange(1, num_users + 1), "age": random.integers(10, 70, num_users)})
    users["gender"], users["occupation"], users["zip_code"] = random.choice(["F", "M"], num_users), "artist", "1"
    rows = [
        (user, movie, random.integers(1, 6), 1000 * user + random.integers(0, 9) * 3600)
        for user in users["user"]
        for movie in random.permutation(num_movies)[: random.integers(15, 21)] + 1
    ]
    ratings = pd.DataFrame(rows, columns=["user", "movie", "rating", "timestamp"])
    return users, movies, ratings.sample(frac=1, random_state=1, ignore_index=True)


def write_raw(folder, users, movies, ratings):
    movies = movies.assign(video_released="", url="")[["movie", "title", "released", "video_released", "url", *GENRES]]
    for name, table, separator in (("u.user", users, "|"), ("u.item", movies, "|"), ("u.data", ratings, "\t")):
        table.to_csv(folder / name, sep=separator, header=False, index=False)
    return folder


def earlier(ratings, user, place):
    """Return the first ratings of a user, by time, then by line."""
    lines = [row for row in ratings.itertuples(index=True) if row.user == user]
    return sorted(lines, key=lambda row: (row.timestamp, row.Index))[:place]


def test_fields_use_earlier_ratings_only():
    users, movies, ratings = tables()
    frame = next_movie_table(users, movies, ratings, GENRES, **OPTIONS)
    queries, candidates = read_names(frame["row"].to_list())
    genres = {row["movie"]: [name for name in GENRES if row[name]] for row in movies.to_dict("records")}
    assert len(frame) == 3 * (len(ratings) - 12) and frame["next"].sum() == len(ratings) - 12
    for index, row in enumerate(frame.iter_rows(named=True)):
        seen = earlier(ratings, queries.users[index], queries.places[index])
        following = earlier(ratings, queries.users[index], queries.places[index] + 1)[-1]
        assert row["next"] == (row["movie"] == following.movie) and candidates[index] == row["movie"]
        assert row["history"] == [rating.movie for rating in seen][-3:] and row["last_movie"] == seen[-1].movie
        assert row["time"] == seen[-1].timestamp and row["num_rated"] == len(seen)
        assert queries.tied[index] == (seen[-1].timestamp == following.timestamp)
        mean = np.mean([rating.rating for rating in seen])
        np.testing.assert_allclose(row["mean_rating"], mean)
        stars = {name: [rating.rating for rating in seen if name in genres[rating.movie]] for name in GENRES}
        expected = {name: np.mean(found) - mean for name, found in stars.items() if found}
        shares = {name: len(found) / len(seen) for name, found in stars.items() if found}
        for field, numbers in (("genre_ratings", expected), ("genre_shares", shares)):
            written = dict(part.split(":") for part in row[field].split("|"))
            assert list(written) == list(numbers)
            np.testing.assert_allclose([float(text) for text in written.values()], list(numbers.values()), atol=6e-5)
        assert row["genres"] == "|".join(genres[row["movie"]])
        assert row["user"] == queries.users[index] and row["age"] == users["age"][row["user"] - 1]


def test_a_later_rating_changes_no_earlier_row():
    users, movies, ratings = tables()
    last = ratings.groupby("user")["timestamp"].transform("max") == ratings["timestamp"]
    changed = ratings.assign(rating=np.where(last, 1, ratings["rating"]))
    first, second = (next_movie_table(users, movies, each, GENRES, **OPTIONS) for each in (ratings, changed))
    queries, _ = read_names(first["row"].to_list())
    pairs = zip(queries.users, queries.places, strict=True)
    after = [bool(last[earlier(ratings, user, place)[-1].Index]) for user, place in pairs]
    assert 0 < sum(after) < len(after)
    same = ~np.array(after)
    assert first.filter(same).equals(second.filter(same)) and not first.equals(second)


def test_numerical_profiles_are_fields_of_their_own():
    users, movies, ratings = tables()
    pooled, single = (
        next_movie_table(users, movies, ratings, GENRES, **{**OPTIONS, "genre_profile": profile})
        for profile in ("pooled", "numerical")
    )
    for row, other in zip(pooled.iter_rows(named=True), single.iter_rows(named=True), strict=True):
        ratings_of, shares = (
            dict(part.split(":") for part in row[key].split("|")) for key in ("genre_ratings", "genre_shares")
        )
        for name in GENRES:
            if name in ratings_of:
                np.testing.assert_allclose(
                    other[f"rating {name}"], float(ratings_of[name]) + row["mean_rating"], atol=6e-5
                )
            else:
                assert other[f"rating {name}"] is None
            np.testing.assert_allclose(other[f"share {name}"], float(shares.get(name, 0)), atol=6e-5)


@pytest.mark.parametrize("options", [{}, {"genre_profile": "numerical"}, {"split_by": "time", "num_negatives": 3}])
def test_prepared_rows_are_those_of_the_table(tmp_path, options):
    users, movies, ratings = tables()
    chosen = {**OPTIONS, **options}
    folder = prepare(
        "movielens_100k",
        tmp_path / "data",
        raw=write_raw(tmp_path, users, movies, ratings),
        protocol="next_movie",
        **chosen,
    )
    data = load(folder)
    rows = next_movie_table(users, movies, ratings, GENRES, **chosen)
    table = {row["row"]: row for row in rows.iter_rows(named=True)}
    shared = {field.name: field.share for field in data.schema.fields if field.share}
    assert shared == {"history": "movie", "last_movie": "movie"} and data.keep_groups
    found = 0
    for split in ("train", "valid", "test"):
        frame = data.frame(split)
        for row in frame.to_dict("records"):
            expected = table[row["row"]]
            found += 1
            assert expected["split"] == split and bool(row["next"]) == bool(expected["next"])
            assert str(row["movie"]) == str(expected["movie"]) and str(row["last_movie"]) == str(expected["last_movie"])
            assert [str(movie) for movie in row["history"]] == [str(movie) for movie in expected["history"]]
    assert found == len(rows)


def test_wrong_options_are_refused(tmp_path):
    raw = write_raw(tmp_path, *tables())
    with pytest.raises(ValueError, match="`max_history` is for the protocol 'next_movie'"):
        prepare("movielens_100k", tmp_path / "data", raw=raw, max_history=3)
    with pytest.raises(ValueError, match="genre_profile"):
        next_movie_plan(GENRES, 3, "weighted")
