"""MovieLens-1M with histories: does a user like a film, given what the user rated before?

All 1,000,209 ratings are rows; 4 and 5 are positive. The last tenth of each user's ratings is for test, the tenth
before for validation. The fields are user, film, genres, and two histories of the last 50 films: those that the user
rated with 4 or 5, and the others. Vocabularies have the training rows' values; an unseen film has the unknown id.

Times only give the order. Many ratings of 1 to 3 have the time of another rating of the user, so that the number of
ratings at the same time reveals the label. Therefore no field is made of times, and a history has only ratings with a
strictly smaller time. The order still leaks labels: a rating with a copied time stands among films that the user rated
at another moment. The id of a row therefore says how many ratings have its time, and the sweep `movielens_history`
measures rows with a time of their own separately.

The history of a test row has the user's earlier validation and test rows, as a recommender that predicts the next
rating knows them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl

from ctrzoo.suggest import unknown

from ..encoding.field import FieldEncoding
from ..encoding.roles import Roles
from ..preparation.history import History
from ..preparation.plan import TablePlan
from ..preparation.splits import ByName

LENGTH, MAX_GENRES = 50, 6
LIKED = ("4", "5")
SHOWN = ("events", "nothing")


def history_plan(shown: str = "events") -> TablePlan:
    """Return the `TablePlan`.

    Args:
        shown: `"events"`, or `"nothing"` for the same rows without the two histories.

    Raises:
        ValueError: If `shown` is neither.

    >>> [field.name for field in history_plan().fields]
    ['user', 'movie', 'genres', 'liked_movies', 'other_movies']
    """
    if shown not in SHOWN:
        raise ValueError(unknown("shown", shown, SHOWN))
    histories = [
        History("movie", "user", "timestamp", LENGTH, name=name, where=("rating", stars))
        for name, stars in (("liked_movies", LIKED), ("other_movies", ("1", "2", "3")))
        if shown == "events"
    ]
    fields = [
        FieldEncoding("user", oov=True),
        FieldEncoding("movie", oov=True),
        FieldEncoding("genres", "multivalued", max_values=MAX_GENRES),
    ]
    for history in histories:
        fields.append(FieldEncoding(history.name, "sequence", max_values=LENGTH, share="movie", oov=True))
    return TablePlan(fields, Roles("liked", id="row"), ByName("split"), histories=histories)


def history_frame(movies: pd.DataFrame, ratings: pd.DataFrame) -> pl.DataFrame:
    """Return all ratings in the order of user, time and film, with their label, split and id.

    The id is three numbers: user, film, and how many ratings of the user have this time.

    Args:
        movies: Columns `movie` and `genres`.
        ratings: Columns `user`, `movie`, `rating` and `timestamp`.

    >>> movies = pd.DataFrame({"movie": [1, 2, 3], "genres": ["War", "Drama", "War|Drama"]})
    >>> ratings = pd.DataFrame({"user": 7, "movie": [3, 1, 2], "rating": [5, 3, 4], "timestamp": [20, 30, 10]})
    >>> history_frame(movies, ratings).select("movie", "liked", "split", "row").rows()
    [(2, True, 'train', '7 2 1'), (3, True, 'valid', '7 3 1'), (1, False, 'test', '7 1 1')]
    """
    columns = ("user", "movie", "rating", "timestamp")
    frame = pl.DataFrame({name: ratings[name].to_numpy() for name in columns}).sort("user", "timestamp", "movie")
    genres = pl.DataFrame({"movie": movies["movie"].to_numpy(), "genres": movies["genres"].to_list()})
    frame = frame.join(genres, on="movie", how="left", maintain_order="left")
    _, starts, counts = np.unique(frame["user"].to_numpy(), return_index=True, return_counts=True)
    tenths = np.maximum(1, np.rint(counts / 10).astype(int))
    # How many ratings of the user follow, in tenths of all.
    following = np.repeat(starts + counts, counts) - 1 - np.arange(len(frame))
    places = np.minimum(following // np.repeat(tenths, counts), 2)
    return frame.with_columns(
        (pl.col("rating") >= 4).alias("liked"),
        pl.Series("split", np.array(["test", "valid", "train"])[places]),
        pl.concat_str("user", "movie", pl.len().over("user", "timestamp"), separator=" ").alias("row"),
    )
