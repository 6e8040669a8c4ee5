"""MovieLens-100K, prepared like MovieLens-1M: the same fields, a tenth of the rows."""

from __future__ import annotations

import pathlib
import typing

import pandas as pd
import polars as pl

from ..preparation.engine import prepare_table
from ..raw.sources import FrameSource
from .movielens_1m import check_references, content_of, movielens_plan, read_table, year_groups

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


def prepare_movielens_100k(
    folder: Path, raw: Path | None = None, *, protocol: str = "reference", split_seed: int = 2019
) -> None:
    """Prepare MovieLens-100K into a folder.

    The papers did not use this data set, so `"reference"` applies their preparation of MovieLens-1M: it leaves out
    ratings of 3, groups ages in the same way, and fits everything to all rows. `"clean"` fits only to training rows.
    For films without a year, the year is missing.

    Args:
        folder: The folder to create.
        raw: GroupLens' `ml-100k.zip` or the unpacked folder.
        protocol: `"reference"` or `"clean"`.
        split_seed: Seed for the split into train, valid and test.

    Raises:
        ValueError: If the raw files are damaged or not the expected ones.
        FileNotFoundError: If `raw` is missing.
    """
    plan = movielens_plan(protocol, split_seed)
    if raw is None or not pathlib.Path(raw).exists():
        raise FileNotFoundError(f"{raw} does not exist. Pass GroupLens' ml-100k.zip or its unpacked folder as `raw`.")
    raw = pathlib.Path(raw)
    tables = [
        read_table(raw, filename, columns, separator, content_of(raw, filename, "ml-100k"), "ml-100k.zip")
        for filename, (separator, columns) in TABLES.items()
    ]
    source = FrameSource(raw, pl.from_pandas(_frame(*tables)))
    options = {"protocol": protocol, "split_seed": split_seed}
    prepare_table(folder, "movielens_100k", plan, source, options=options, shuffle_seed=split_seed)


def _frame(users, movies, ratings):
    check_references(users, movies, ratings)
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
