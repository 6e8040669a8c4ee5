"""Queries and candidates of prepared data of the next movie."""

from __future__ import annotations

import dataclasses

import numpy as np

from ctrzoo.ranking import Places

from ...data_pipelines import PreparedData
from ...data_pipelines.datasets.next_movie import Queries, read_names
from ...data_pipelines.storage.writing import SPLITS
from .baselines import histories, positions

CANDIDATE_FIELDS = ("movie", "genres", "year")
ROWS = 32_768


@dataclasses.dataclass(frozen=True, eq=False)
class RankingData:
    """All queries, all candidates, and the features of some queries.

    Args:
        queries: All `Queries`, sorted by user and place.
        splits: The split of each query, an index into train, valid and test.
        movies: All movies, sorted.
        candidates: The features of the movies, in this order.
        chosen: The numbers of the queries that are ranked.
        features: Their features.
    """

    queries: Queries
    splits: np.ndarray
    movies: np.ndarray
    candidates: dict[str, np.ndarray]
    chosen: np.ndarray
    features: dict[str, np.ndarray]

    def targets(self) -> np.ndarray:
        """Return the index of each chosen query's target among the movies."""
        return positions(self.movies, self.queries.targets[self.chosen])

    def seen(self) -> list[np.ndarray]:
        """Return the indices of the movies that the user of each chosen query has rated so far."""
        table = histories(self.queries, self.movies)[self.chosen]
        return np.split(table.indices, table.indptr[1:-1])

    def summary(self, everything: Places, unseen: Places) -> dict[str, dict[str, float]]:
        """Return metrics of the chosen queries' places.

        Args:
            everything: Places among all movies.
            unseen: Places among those that the user has not rated.

        Returns:
            Metrics by name, for `all` and `unseen` movies, and for both without `tied` queries (`all_untied`,
            `unseen_untied`): those whose order of ratings is only that of the file.
        """
        untied = ~self.queries.tied[self.chosen]
        parts = {"all": everything, "unseen": unseen}
        parts |= {f"{name}_untied": places.rows(untied) for name, places in parts.items()}
        return {name: places.metrics()._asdict() for name, places in parts.items()}


def read_ranking_data(data: PreparedData, split: str = "test", most: int | None = None, seed: int = 0) -> RankingData:
    """Read the queries and candidates of prepared data.

    Args:
        data: Data of the protocol `"next_movie"`.
        split: The split whose queries are ranked.
        most: How many of them, drawn at random; None for all.
        seed: Seed of the draw.

    Raises:
        ValueError: If the data are of another protocol, or lack a movie.
    """
    if "id" not in data.columns or any(name not in data.schema.names for name in CANDIDATE_FIELDS):
        raise ValueError(f"{data.folder} was not prepared for the next movie. Set protocol='next_movie'.")
    names, splits, features, candidates = [], [], [], {}
    for index, each in enumerate(SPLITS):
        for rows, labels, _, columns in data.dataset(each, ROWS, shuffle=False, columns=("id",)).as_numpy_iterator():
            positive = labels[:, 0] > 0
            found = columns["id"][positive]
            names += found.tolist()
            splits += [index] * len(found)
            if each == split:
                features.append({name: array[positive] for name, array in rows.items()})
            movies = np.array([int(text.rpartition(b" ")[2]) for text in columns["id"].tolist()])
            for movie, row in zip(*np.unique(movies, return_index=True), strict=True):
                if movie not in candidates:
                    candidates[int(movie)] = {name: array[row] for name, array in rows.items()}
    wanted = data.schema.fields[data.schema.names.index("movie")].vocabulary_size
    if len(candidates) != wanted:
        raise ValueError(f"{data.folder} has rows of {len(candidates):,} of {wanted:,} movies. Prepare it again.")
    return _sorted(names, np.array(splits), features, candidates, split, most, seed)


def _sorted(names, splits, features, candidates, split, most, seed):
    queries, _ = read_names(names)
    order = np.lexsort((queries.places, queries.users))
    own = np.flatnonzero(splits == SPLITS.index(split))
    row_of = np.full(len(splits), -1)
    row_of[own] = np.arange(len(own))
    queries, splits, row_of = queries.rows(order), splits[order], row_of[order]
    chosen = np.flatnonzero(row_of >= 0)
    if most is not None and most < len(chosen):
        chosen = np.sort(np.random.default_rng(seed).choice(chosen, most, replace=False))
    rows = {name: np.concatenate([part[name] for part in features])[row_of[chosen]] for name in ("ids", "values")}
    movies = np.array(sorted(candidates))
    catalogue = {name: np.stack([candidates[movie][name] for movie in movies.tolist()]) for name in ("ids", "values")}
    return RankingData(queries, splits, movies, catalogue, chosen, rows)
