"""MovieLens-100K, prepared like MovieLens-1M (the same fields, a tenth of the rows), or for a user's next movie."""

from __future__ import annotations

import pathlib
import typing

import pandas as pd
import polars as pl

from ctrzoo.stores import local_path

from ..preparation.engine import Engine, prepare_table
from ..raw.sources import FrameSource
from .movielens_1m import check_references, content_of, movielens_plan, read_table, year_groups
from .next_movie_table import next_movie_plan, next_movie_table

if typing.TYPE_CHECKING:
    from ctrzoo.types import Path

GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
TABLES = {
    "u.user": ("|", ["user", "age", "gender", "occupation", "zip_code"]),
    "u.item": ("|", ["movie", "title", "released", "video_released", "url", *GENRES]),
    "u.data": ("\t", ["user", "movie", "rating", "timestamp"]),
}
# MovieLens-1M's age groups, by their lowest age.
AGES = (1, 18, 25, 35, 45, 50, 56)


NEXT_MOVIE = "next_movie"


def prepare_movielens_100k(
    folder: Path,
    raw: Path | None = None,
    engine: Engine = prepare_table,
    *,
    protocol: str = "reference",
    split_seed: int = 2019,
    split_by: str = "random",
    num_negatives: int = 4,
    negative_sampling: str = "uniform",
    max_history: int = 50,
    genre_profile: str = "pooled",
) -> None:
    """Prepare MovieLens-100K into a folder.

    The papers did not use this data set, so `"reference"` applies their preparation of MovieLens-1M: it leaves out
    ratings of 3, groups ages in the same way, and fits everything to all rows. `"clean"` fits only to training rows.
    For films without a year, the year is missing.

    With `"next_movie"`, a row is a query and a candidate, and the label says whether the user rates the candidate
    next. Each of the 99,057 ratings that is not a user's last is a query. Its fields are the user, age, gender,
    occupation, the number of rated movies, their mean rating, mean ratings and shares of the genres, the movies rated
    so far and the last one, hour and weekday of the last rating (UTC). The fields of the candidate are movie, genres
    and year. A query is a group, its target is positive, and its negatives are drawn from all movies. The id of a row
    is read by `ctrzoo.data_pipelines.datasets.next_movie.read_names`. Fields use earlier ratings of the user only. Ids
    and scalings are fitted to all rows, as movies and users are known in advance; embeddings of users that training
    does not see stay as they were initialized.

    Args:
        folder: The folder to create.
        raw: GroupLens' `ml-100k.zip` or the unpacked folder.
        engine: What prepares the table: `prepare_table`, or the same on Spark.
        protocol: `"reference"`, `"clean"` or `"next_movie"`.
        split_seed: Seed for the split into train, valid and test, and for the negatives.
        split_by: How `"next_movie"` divides queries, as the options below: `"random"`, `"time"` (the last fifth of
            each user is for test) or `"user"` (a fifth of the users is).
        num_negatives: Negatives of each query.
        negative_sampling: `"uniform"`, or `"popularity"`: in proportion to 1 + the times a movie is a target.
        max_history: The most movies of the history, the latest ones.
        genre_profile: `"pooled"` makes mean ratings of genres, minus the mean of all, and shares of genres two
            multi-valued fields with weights; `"numerical"` makes a field of each number, 38 in all.

    Raises:
        ValueError: If the raw files are damaged or not the expected ones, or an option is wrong.
        FileNotFoundError: If `raw` is missing.
    """
    chosen = {
        "split_by": split_by,
        "num_negatives": num_negatives,
        "negative_sampling": negative_sampling,
        "max_history": max_history,
        "genre_profile": genre_profile,
    }
    if protocol == NEXT_MOVIE:
        plan = next_movie_plan(GENRES, max_history, genre_profile)
    else:
        _refuse_idle(chosen, protocol)
        plan = movielens_plan(protocol, split_seed)
    if raw is None or not local_path(raw, "`raw`").exists():
        raise FileNotFoundError(f"{raw} does not exist. Pass GroupLens' ml-100k.zip or its unpacked folder as `raw`.")
    raw = pathlib.Path(raw)
    tables = read_tables(raw)
    options = {"protocol": protocol, "split_seed": split_seed}
    if protocol == NEXT_MOVIE:
        options |= chosen
        frame = next_movie_table(*tables, GENRES, split_seed=split_seed, **chosen)
    else:
        frame = pl.from_pandas(_frame(*tables))
    source = FrameSource(raw, frame)
    engine(folder, "movielens_100k", plan, source, options=options, shuffle_seed=split_seed)


def read_tables(raw: pathlib.Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return users, movies and ratings.

    Args:
        raw: GroupLens' `ml-100k.zip` or the unpacked folder.

    Raises:
        ValueError: If the raw files are damaged or not the expected ones.
    """
    users, movies, ratings = (
        read_table(raw, filename, columns, separator, content_of(raw, filename, "ml-100k"), "ml-100k.zip")
        for filename, (separator, columns) in TABLES.items()
    )
    check_references(users, movies, ratings)
    return users, movies, ratings


def _refuse_idle(chosen, protocol):
    defaults = prepare_movielens_100k.__kwdefaults__ or {}
    for option, value in chosen.items():
        if value != defaults[option]:
            raise ValueError(
                f"The option `{option}` is for the protocol 'next_movie'. Received: {protocol!r}. Remove the option."
            )


def _frame(users, movies, ratings):
    ratings = ratings[ratings["rating"] != 3]
    users = users.assign(
        age=pd.Series(pd.cut(users["age"], [*AGES, 200], right=False, labels=AGES)).astype(int)
    ).set_index("user")
    years = pd.Series(pd.to_numeric(movies["released"].str[-4:]))
    movies = movies.assign(
        release_year=year_groups(years),
        genres=["|".join(g for g, has in zip(GENRES, row, strict=True) if has) for row in movies[[*GENRES]].to_numpy()],
    ).set_index("movie")
    parts = [
        users[["gender", "age", "occupation", "zip_code"]].reindex(ratings["user"]).reset_index(drop=True),
        movies[["release_year", "genres"]].reindex(ratings["movie"]).reset_index(drop=True),
        ratings["timestamp"].reset_index(drop=True),
    ]
    frame = pd.concat(parts, axis=1)
    frame["liked"] = (ratings["rating"] > 3).to_numpy()
    return frame
