"""Scores of movies without a model: popularity, a Markov chain, and co-occurrence with the history."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse

from ...data_pipelines.datasets.next_movie import Queries

# From numbers of queries to the scores of all movies, `(queries, movies)`.
Scorer = Callable[[np.ndarray], np.ndarray]


def positions(movies: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return the index of each movie in a sorted array.

    Raises:
        ValueError: If a movie is not in the array.
    """
    at = np.minimum(np.searchsorted(movies, found), len(movies) - 1)
    if (movies[at] != found).any():
        raise ValueError(f"The movie {found[movies[at] != found][0]} is not among the {len(movies):,} movies.")
    return at


def histories(queries: Queries, movies: np.ndarray) -> sparse.csr_matrix:
    """Return which movies the user of each query has rated so far, 0 or 1, `(queries, movies)`.

    Args:
        queries: All `Queries`, sorted by user and place: the history of a query is what its user's queries up to
            itself have as their last movie.
        movies: All movies, sorted.

    Raises:
        ValueError: If a query is missing.
    """
    starts = np.arange(len(queries)) - queries.places + 1
    if (starts < 0).any() or (queries.users[starts] != queries.users).any() or (queries.places[starts] != 1).any():
        raise ValueError("Histories need all queries of each user, in order.")
    last = positions(movies, queries.last)
    rows = np.repeat(np.arange(len(queries)), queries.places)
    ends = np.cumsum(queries.places)
    within = np.arange(ends[-1]) - np.repeat(ends - queries.places, queries.places)
    columns = last[np.repeat(starts, queries.places) + within]
    shape = len(queries), len(movies)
    return sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape)


def baselines(queries: Queries, movies: np.ndarray, fit: np.ndarray) -> dict[str, Scorer]:
    """Return the scorers by name.

    `popularity`: how often a movie is the target of a query. `Markov chain`: how often it is the target after the same
    last movie; equal numbers are ordered by popularity. `co-occurrence`: how often it is the target after each movie of
    the history, summed over the history. `co-occurrence, shares`: the same, but of each movie of the history the share
    of the queries after it.

    Args:
        queries: All `Queries`, sorted by user and place.
        movies: All movies, sorted.
        fit: Which queries to count, `(queries,)`.
    """
    last, targets = positions(movies, queries.last), positions(movies, queries.targets)
    size, seen = len(movies), histories(queries, movies)
    fitted = np.flatnonzero(fit)
    popularity = np.bincount(targets[fitted], minlength=size).astype(np.float64)
    ones = np.ones(len(fitted))
    following = sparse.csr_matrix((ones, (last[fitted], targets[fitted])), (size, size))
    is_target = sparse.csr_matrix((ones, (np.arange(len(fitted)), targets[fitted])), (len(fitted), size))
    together = (seen[fitted].T @ is_target).toarray()
    times = np.maximum(seen[fitted].sum(axis=0).A1, 1)
    # Popularity orders equal numbers of the chain, and is too small to change the order of different ones.
    hint = popularity / (1 + popularity.max())
    return {
        "popularity": lambda chosen: np.broadcast_to(popularity, (len(chosen), size)),
        "Markov chain": lambda chosen: following[last[chosen]].toarray() + hint,
        "co-occurrence": lambda chosen: seen[chosen] @ together,
        "co-occurrence, shares": lambda chosen: seen[chosen] @ (together / times[:, None]),
    }
