"""Rank all candidates for each query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ctrzoo.model import CTRModel
from ctrzoo.ranking.places import Places, joined, places_of
from ctrzoo.ranking.scoring import scorer_of
from ctrzoo.schema import Schema
from ctrzoo.suggest import unknown
from ctrzoo.types import Features
from ctrzoo.validation import check_ids


class Ranking(NamedTuple):
    """The places of the targets of queries.

    Args:
        all: Among all candidates.
        unseen: Among the candidates without those that were excluded; None if none were.
        method: How scores were computed, see `ctrzoo.ranking.scoring`.
    """

    all: Places
    unseen: Places | None
    method: str


def rank_candidates(
    model: CTRModel,
    queries: Features,
    candidates: Features,
    candidate_fields: Sequence[str],
    targets: ArrayLike,
    excluded: Sequence[ArrayLike] | None = None,
    *,
    method: str = "auto",
    batch_size: int = 16_384,
    jit_compile: bool = False,
) -> Ranking:
    """Score all candidates for each query, and return the place of the query's target.

    Candidates of equal features have equal scores and share their places.

    Args:
        model: A `CTRModel`.
        queries: `{"ids": (queries, num_slots), "values": (queries, num_slots)}`; the slots of the candidates' fields
            are ignored.
        candidates: The same of candidates, of which the slots of all other fields are ignored.
        candidate_fields: Names of the fields of candidates; all others belong to queries.
        targets: The index of each query's target among the candidates, `(queries,)`.
        excluded: For each query, the indices of candidates to leave out in a second ranking, such as the items that a
            user knows.
        method: `"factored"` (models such as FM, of which a score is an inner product), `"shared"` (the embeddings of
            each side are looked up once), `"pairs"` (a row for each pair), or `"auto"` for the first of them that the
            model allows.
        batch_size: Pairs that are computed at a time.
        jit_compile: Whether XLA compiles the model.

    Raises:
        ValueError: If features do not fit the schema, a field is unknown, no field is left for queries or candidates, a
            target or an excluded index is outside the candidates, a target is excluded, the method does not fit the
            model, or a score is NaN.

    >>> from ctrzoo import models
    >>> from ctrzoo.schema import Field
    >>> model = models.build("fm", Schema([Field("user", vocabulary_size=2), Field("item", vocabulary_size=3)]))
    >>> queries = {"ids": np.array([[1, 0], [2, 0]]), "values": np.array([[1.0, 0], [1, 0]], "float32")}
    >>> items = {"ids": np.array([[0, 3], [0, 4], [0, 5]]), "values": np.array([[0, 1.0]] * 3, "float32")}
    >>> ranking = rank_candidates(model, queries, items, ["item"], targets=[0, 2], excluded=[[1], []])
    >>> ranking.all.metrics().queries, ranking.method
    (2, 'factored')
    """
    options = {"method": method, "batch_size": batch_size, "jit_compile": jit_compile}
    scorer, queries, places = _scorer(model, queries, candidates, candidate_fields, options)
    size, number = len(places), len(queries["ids"])
    targets = _indices(targets, size, "targets")
    if len(targets) != number or not number:
        raise ValueError(f"Each query needs a target. Received: {number} queries and {len(targets)} targets.")
    if excluded is not None and len(excluded) != number:
        raise ValueError(f"`excluded` needs an entry for each query. Received: {len(excluded)} for {number} queries.")
    parts, rest, start = [], [], 0
    for scores in scorer.scores(queries):
        scores = scores[:, places]
        stop = start + len(scores)
        parts.append(places_of(scores, targets[start:stop]))
        if excluded is not None:
            mask = np.zeros(scores.shape, bool)
            for row, indices in enumerate(excluded[start:stop]):
                mask[row, _indices(indices, size, "excluded")] = True
            rest.append(places_of(scores, targets[start:stop], mask))
        start = stop
    return Ranking(joined(parts), joined(rest) if rest else None, scorer.method)


def score_candidates(
    model: CTRModel,
    queries: Features,
    candidates: Features,
    candidate_fields: Sequence[str],
    *,
    method: str = "auto",
    batch_size: int = 16_384,
    jit_compile: bool = False,
) -> Iterator[np.ndarray]:
    """Yield the logits of all candidates for consecutive queries, `(some queries, candidates)`.

    The arguments are those of `rank_candidates`.

    Raises:
        ValueError: As in `rank_candidates`.
    """
    options = {"method": method, "batch_size": batch_size, "jit_compile": jit_compile}
    scorer, queries, places = _scorer(model, queries, candidates, candidate_fields, options)
    for scores in scorer.scores(queries):
        yield scores[:, places]


def _scorer(model, queries, candidates, candidate_fields, options):
    """Return the scorer of the different candidates, the queries, and which of them each candidate is."""
    is_candidate = candidate_mask(model.schema, candidate_fields)
    queries, candidates = _checked(queries, model.schema), _checked(candidates, model.schema)
    if not len(candidates["ids"]):
        raise ValueError("Ranking needs at least one candidate. Received: none.")
    different, places = _different(candidates, is_candidate[np.asarray(model.schema.slot_fields)])
    return scorer_of(model, different, is_candidate, **options), queries, places


def candidate_mask(schema: Schema, candidate_fields: Sequence[str]) -> np.ndarray:
    """Return whether each field of a schema belongs to candidates, `(fields,)`.

    Raises:
        ValueError: If a name is unknown, or no field is left for candidates or queries.
    """
    if isinstance(candidate_fields, str):
        raise ValueError(f"`candidate_fields` must be a list of names. Received: {candidate_fields!r}.")
    for name in candidate_fields:
        if name not in schema.names:
            raise ValueError(f"`candidate_fields`: {unknown('field', name, schema.names)}")
    mask = np.array([name in candidate_fields for name in schema.names])
    if mask.all() or not mask.any():
        raise ValueError(
            f"Queries and candidates need a field each. Received: the candidate fields {', '.join(candidate_fields)}, "
            f"of {', '.join(schema.names)}."
        )
    return mask


def _checked(features, schema):
    check_ids(features, schema)
    if "values" not in features:
        raise ValueError("Features must be 'ids' and 'values'. Received: 'ids' only.")
    return {name: np.asarray(features[name]) for name in ("ids", "values")}


def _indices(numbers, size, what):
    numbers = np.asarray(numbers).astype(np.int64) if len(np.ravel(numbers)) else np.zeros(0, np.int64)
    if numbers.size and (numbers.min() < 0 or numbers.max() >= size):
        wrong = numbers[(numbers < 0) | (numbers >= size)][0]
        raise ValueError(f"`{what}` must be indices of the {size:,} candidates. Received: {wrong}.")
    return numbers


def _different(candidates, slots):
    """Return the different candidates, and which of them each candidate is: rounding must not order equal ones."""
    ids, values = (np.ascontiguousarray(candidates[name][:, slots]) for name in ("ids", "values"))
    keys = np.concatenate([ids.astype(np.float64), values.astype(np.float64)], axis=1)
    _, first, places = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return {name: array[first] for name, array in candidates.items()}, places.ravel()
