"""The table of the next movie: a row for each query and candidate, with fields that use earlier ratings only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from ctrzoo.suggest import unknown

from ..encoding.field import FieldEncoding
from ..encoding.roles import Roles
from ..preparation.plan import TablePlan
from ..preparation.splits import ByName
from .movielens_1m import year_groups
from .next_movie import Queries, divide, queries_of, sample_negatives, sorted_ratings

PROFILES = ("pooled", "numerical")
SPLIT_NAMES = np.array(["train", "valid", "test"])


def next_movie_plan(genres: tuple[str, ...], max_history: int, genre_profile: str) -> TablePlan:
    """Return the `TablePlan`; see `prepare_movielens_100k`.

    Args:
        genres: Names of the genres.
        max_history: The most movies of a user's history, the latest ones.
        genre_profile: `"pooled"` or `"numerical"`.

    Raises:
        ValueError: If the profile is unknown.
    """
    if genre_profile not in PROFILES:
        raise ValueError(unknown("`genre_profile`", genre_profile, PROFILES))
    if genre_profile == "pooled":
        weighted: dict[str, Any] = {
            "kind": "multivalued",
            "weight_separator": ":",
            "max_values": len(genres),
            "pooling": "sum",
        }
        profile = [FieldEncoding(name, **weighted) for name in ("genre_ratings", "genre_shares")]
    else:
        profile = [
            FieldEncoding(f"{what} {genre}", "numerical", transform="min_max")
            for what in ("rating", "share")
            for genre in genres
        ]
    clock: dict[str, Any] = {"column": "time", "time_format": "epoch_seconds"}
    fields = [
        FieldEncoding("user"),
        FieldEncoding("age", "numerical", transform="min_max"),
        FieldEncoding("gender"),
        FieldEncoding("occupation"),
        FieldEncoding("num_rated", "numerical", transform="log1p"),
        FieldEncoding("mean_rating", "numerical", transform="min_max"),
        *profile,
        FieldEncoding("history", "multivalued", max_values=max_history, keep="last", share="movie"),
        FieldEncoding("last_movie", share="movie"),
        FieldEncoding("hour", part="hour", **clock),
        FieldEncoding("weekday", part="weekday", **clock),
        FieldEncoding("movie"),
        FieldEncoding("genres", "multivalued", max_values=6),
        FieldEncoding("year", missing="category"),
    ]
    # The values of the fields are a catalogue that is known in advance, such as all movies.
    return TablePlan(fields, Roles("next", group="query", id="row", keep_groups=True), ByName("split"), "all")


def next_movie_table(
    users: pd.DataFrame,
    movies: pd.DataFrame,
    ratings: pd.DataFrame,
    genres: tuple[str, ...],
    split_by: str,
    split_seed: int,
    num_negatives: int,
    negative_sampling: str,
    max_history: int,
    genre_profile: str,
) -> pl.DataFrame:
    """Return the rows: the target of each query, then its negatives.

    Args:
        users: The columns `user`, `age`, `gender` and `occupation`.
        movies: The columns `movie`, `released`, and one for each genre, 0 or 1.
        ratings: The columns `user`, `movie`, `rating` and `timestamp`, in the order of the file.
        genres: Names of the genres.
        split_by: How queries are divided, see `divide`.
        split_seed: Seed of the division and of the negatives.
        num_negatives: Negatives of each query.
        negative_sampling: How they are drawn, see `sample_negatives`.
        max_history: The most movies of a user's history, the latest ones.
        genre_profile: `"pooled"` or `"numerical"`.
    """
    ratings = sorted_ratings(ratings)
    queries, rows = queries_of(ratings)
    splits = divide(queries, split_by, split_seed)
    known = np.unique(movies["movie"])
    negatives = sample_negatives(queries, known, num_negatives, negative_sampling, splits == 0, split_seed)
    candidates = np.column_stack([queries.targets, negatives])
    query_side = pl.concat(
        [
            pl.from_pandas(users.set_index("user")[["age", "gender", "occupation"]].loc[queries.users]),
            _so_far(queries, rows, ratings, movies.set_index("movie")[[*genres]], max_history, genre_profile),
            pl.DataFrame({"user": queries.users, "last_movie": queries.last, "split": SPLIT_NAMES[splits]}),
            pl.DataFrame({"time": ratings["timestamp"].to_numpy()[rows], "query": np.arange(len(queries))}),
        ],
        how="horizontal",
    )
    each = np.repeat(np.arange(len(queries)), candidates.shape[1])
    chosen = candidates.ravel()
    row_side = pl.DataFrame({"movie": chosen, "row": queries.rows(each).names(chosen)})
    label = pl.Series("next", (chosen == queries.targets[each]).astype(np.uint8))
    sides = [query_side[each], row_side, _catalogue(movies, genres)[np.searchsorted(known, chosen)]]
    return pl.concat([*sides, label.to_frame()], how="horizontal")


def _catalogue(movies, genres):
    """Return genres and year of the movies, sorted by movie."""
    movies = movies.sort_values("movie")
    years = year_groups(pd.Series(pd.to_numeric(movies["released"].str[-4:]))).astype("Int64").astype("string")
    texts = ["|".join(name for name, has in zip(genres, row, strict=True) if has) for row in movies[[*genres]].values]
    return pl.DataFrame({"genres": texts, "year": pl.Series(years.fillna("").tolist(), dtype=pl.String)})


def _so_far(queries: Queries, rows, ratings, genres_of_movies, max_history, genre_profile):
    """Return what each query knows of the earlier ratings of its user, the last one included."""
    stars = ratings["rating"].to_numpy(np.float64)
    genres = genres_of_movies.loc[ratings["movie"]].to_numpy(np.float64)
    starts = rows - queries.places + 1  # the first rating of the user
    total, counts, sums = (
        _sums(column)[rows + 1] - _sums(column)[starts] for column in (stars, genres, genres * stars[:, None])
    )
    mean = total / queries.places
    with np.errstate(invalid="ignore"):  # of a genre that the user has not rated
        means, shares = sums / counts, counts / queries.places[:, None]
    movies = ratings["movie"].to_numpy()
    history = [movies[max(start, row + 1 - max_history) : row + 1] for start, row in zip(starts, rows, strict=True)]
    names = list(genres_of_movies.columns)
    if genre_profile == "pooled":
        profile = {
            "genre_ratings": _weighted(names, means - mean[:, None], counts > 0),
            "genre_shares": _weighted(names, shares, counts > 0),
        }
    else:
        profile = {f"rating {name}": means[:, index] for index, name in enumerate(names)}
        profile |= {f"share {name}": shares[:, index] for index, name in enumerate(names)}
    frame = pl.DataFrame({"num_rated": queries.places, "mean_rating": mean, **profile}, nan_to_null=True)
    return frame.with_columns(pl.Series("history", history, dtype=pl.List(pl.Int64)))


def _sums(column):
    """Return the sums of the first 0, 1, 2, ... rows."""
    return np.concatenate([np.zeros((1, *column.shape[1:])), np.cumsum(column, axis=0)])


def _weighted(names, numbers, present):
    """Write the numbers of genres as multi-valued cells, such as "Drama:0.25|War:0.5"."""
    return [
        "|".join(f"{name}:{number:.4f}" for name, number, has in zip(names, row, mask, strict=True) if has)
        for row, mask in zip(numbers.tolist(), present.tolist(), strict=True)
    ]
