"""Which movie does a user rate next? The queries of MovieLens, their division into splits, and sampled negatives.

Each rating of a user but the last is a query, and the movie that the user rates next is its target. Equal times of a
user stay in the order of the file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ctrzoo.suggest import unknown

SPLITS_BY = ("random", "time", "user")
SAMPLINGS = ("uniform", "popularity")
# Shares of the queries (or users) that are for test, and of the remaining ones that are for validation.
TEST, VALID = 0.2, 0.1


@dataclasses.dataclass(frozen=True, eq=False)
class Queries:
    """Queries, each an array entry, sorted by user and place.

    Args:
        users: The user, int64 `(queries,)`.
        places: How many movies the user has rated so far, from 1.
        last: The movie that the user rated last.
        targets: The movie that the user rates next.
        tied: Whether both ratings have the same time, so that only the file says which comes first.
    """

    users: np.ndarray
    places: np.ndarray
    last: np.ndarray
    targets: np.ndarray
    tied: np.ndarray

    def __len__(self) -> int:
        return len(self.users)

    def names(self, movies: np.ndarray) -> list[str]:
        """Return a text for each query and candidate, from which `read_names` gets both.

        Args:
            movies: A candidate of each query.
        """
        columns = (self.users, self.places, self.last, self.targets, self.tied.astype(int), movies)
        return [" ".join(map(str, row)) for row in zip(*(column.tolist() for column in columns), strict=True)]

    def rows(self, chosen: np.ndarray) -> Queries:
        """Return some of the queries."""
        return Queries(*(getattr(self, field.name)[chosen] for field in dataclasses.fields(self)))


def read_names(names: Sequence[str | bytes]) -> tuple[Queries, np.ndarray]:
    """Return the queries and candidates of what `Queries.names` returned.

    >>> queries, movies = read_names(["196 1 242 302 0 51"])
    >>> queries.targets.tolist(), movies.tolist()
    ([302], [51])
    """
    columns = np.array([name.split() for name in names], dtype=np.int64).reshape(-1, 6).T
    users, places, last, targets, tied, movies = columns
    return Queries(users, places, last, targets, tied.astype(bool)), movies


def sorted_ratings(ratings: pd.DataFrame) -> pd.DataFrame:
    """Sort ratings by user and time; equal times of a user stay in the order of the file."""
    return ratings.sort_values(["user", "timestamp"], kind="stable", ignore_index=True)


def queries_of(ratings: pd.DataFrame) -> tuple[Queries, np.ndarray]:
    """Return the queries of sorted ratings.

    Args:
        ratings: The columns `user`, `movie` and `timestamp`, sorted by `sorted_ratings`.

    Returns:
        The `Queries` and the row of each query's last rating.

    >>> ratings = pd.DataFrame({"user": [1, 1, 1, 2], "movie": [7, 5, 9, 7], "timestamp": [10, 10, 12, 3]})
    >>> queries, rows = queries_of(ratings)
    >>> queries.last.tolist(), queries.targets.tolist(), queries.tied.tolist(), rows.tolist()
    ([7, 5], [5, 9], [True, False], [0, 1])
    """
    users, movies, times = (ratings[name].to_numpy() for name in ("user", "movie", "timestamp"))
    rows = np.flatnonzero(users[1:] == users[:-1])
    places = rows - np.searchsorted(users, users[rows]) + 1
    return Queries(users[rows], places, movies[rows], movies[rows + 1], times[rows] == times[rows + 1]), rows


def divide(queries: Queries, split_by: str, seed: int) -> np.ndarray:
    """Return the split of each query, 0 for training, 1 for validation, 2 for test, uint8 `(queries,)`.

    Args:
        queries: All `Queries`.
        split_by: `"random"`: a random fifth of the queries is for test, so that later ratings of a user may be trained
            on. `"time"`: the last fifth of each user. `"user"`: a random fifth of the users. Of the others, a tenth is
            for validation, by the same rule.
        seed: Seed for the random rules.

    Raises:
        ValueError: If the rule is unknown.
    """
    if split_by not in SPLITS_BY:
        raise ValueError(unknown("rule of `split_by`", split_by, SPLITS_BY))
    if split_by == "time":
        known, numbers = np.unique(queries.users, return_inverse=True)
        tests = np.floor((1 - TEST) * np.bincount(numbers)).astype(int)
        valids = np.floor((1 - VALID) * tests).astype(int)
        before = queries.places - 1
        return ((before >= valids[numbers]).astype(np.uint8) + (before >= tests[numbers])).astype(np.uint8)
    known, numbers = (
        (queries.users, np.arange(len(queries)))
        if split_by == "random"
        else np.unique(queries.users, return_inverse=True)
    )
    order = np.random.default_rng(seed).permutation(len(known))
    test = int((1 - TEST) * len(known))
    splits = np.zeros(len(known), np.uint8)
    splits[order[int((1 - VALID) * test) : test]] = 1
    splits[order[test:]] = 2
    return splits[numbers]


def sample_negatives(
    queries: Queries, movies: np.ndarray, number: int, sampling: str, fit: np.ndarray, seed: int
) -> np.ndarray:
    """Draw movies other than the target for each query, `(queries, number)`, with replacement.

    Movies that the user has rated before may be drawn, as they are candidates too. A movie that would be in no row is
    put in the place of a random negative, so that every movie is in some row.

    Args:
        queries: The `Queries`.
        movies: All movies, sorted.
        number: Negatives of each query, at least 1.
        sampling: `"uniform"`, or `"popularity"`: in proportion to 1 + the targets among the queries in `fit`.
        fit: Whether a query is for training, `(queries,)`.
        seed: Seed of the draws.

    Raises:
        ValueError: If the sampling is unknown, or the number is less than 1 or too small for a row of each movie.
    """
    if sampling not in SAMPLINGS:
        raise ValueError(unknown("`negative_sampling`", sampling, SAMPLINGS))
    if number < 1:
        raise ValueError(f"`num_negatives` must be at least 1. Received: {number}.")
    generator = np.random.default_rng((seed, 1))
    targets = np.searchsorted(movies, queries.targets)
    shares = np.ones(len(movies))
    if sampling == "popularity":
        shares += np.bincount(targets[fit], minlength=len(movies))
    shares /= shares.sum()
    drawn = generator.choice(len(movies), (len(queries), number), p=shares)
    again = drawn == targets[:, None]
    while again.any():
        drawn[again] = generator.choice(len(movies), int(again.sum()), p=shares)
        again = drawn == targets[:, None]
    return movies[_with_all(drawn, targets, len(movies), fit, generator)]


def _with_all(drawn, targets, size, fit, generator):
    """Put movies that are in no row in the place of training rows' negatives that other rows have too."""
    missing = np.setdiff1d(np.arange(size), np.concatenate([drawn.ravel(), targets]))
    once = np.unique(drawn, return_index=True)[1]
    spare = np.setdiff1d(np.flatnonzero(np.repeat(fit, drawn.shape[1])), once)
    if len(missing) > len(spare):
        raise ValueError(f"{len(targets):,} queries cannot hold all {size:,} movies. Set a higher `num_negatives`.")
    drawn = drawn.copy()
    drawn.flat[generator.choice(spare, len(missing), replace=False)] = missing
    return drawn
