"""MovieLens-1M in the order of time: the first half of the ratings, then eight periods of equally many."""

from __future__ import annotations

import pathlib
import zipfile

import polars as pl

from ctrzoo.types import Path

PERIODS = 8
COLUMNS = {
    "users.dat": ["user", "gender", "age", "occupation", "zip_code"],
    "movies.dat": ["movie", "title", "genres"],
    "ratings.dat": ["user", "movie", "rating", "timestamp"],
}
MOVIELENS = {
    "label": "liked",
    "fields": [
        {"name": "user", "min_count": 3},
        {"name": "movie", "min_count": 3},
        *("gender", "age", "occupation"),
        {"name": "genres", "kind": "multivalued", "max_values": 6},
    ],
}


def movielens_days(raw: Path) -> list[pl.DataFrame]:
    """Return the ratings of each period in the order of time; 4 and 5 stars are likes, and 3 stars are left out.

    Args:
        raw: GroupLens' `ml-1m.zip`.
    """
    with zipfile.ZipFile(pathlib.Path(raw)) as archive:
        users, movies, ratings = (
            _table(archive.read(f"ml-1m/{name}").decode("latin-1"), columns) for name, columns in COLUMNS.items()
        )
    ratings = ratings.with_columns(pl.col("rating").cast(pl.Int64), pl.col("timestamp").cast(pl.Int64))
    ratings = ratings.filter(pl.col("rating") != 3).sort("timestamp", "user", "movie")
    table = ratings.join(users, on="user", how="left", maintain_order="left")
    table = table.join(movies, on="movie", how="left", maintain_order="left")
    liked = (pl.col("rating") > 3).cast(pl.UInt8).alias("liked")
    table = table.select(liked, *("user", "movie", "gender", "age", "occupation", "genres"))
    half = len(table) // 2
    ends = [half, *(half + (len(table) - half) * period // PERIODS for period in range(1, PERIODS + 1))]
    return [table.slice(start, end - start) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _table(text, columns):
    rows = [line.split("::") for line in text.splitlines()]
    return pl.DataFrame(rows, schema=columns, orient="row")
