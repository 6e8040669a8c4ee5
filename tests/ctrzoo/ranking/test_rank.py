"""Ranks equal those of a slow loop, ties and excluded candidates included."""

import numpy as np
import pytest

from ctrzoo.models import build
from ctrzoo.ranking import rank_candidates
from tests.ctrzoo.ranking.catalogue import CANDIDATE_FIELDS, SCHEMA, random_model, sides, slow_scores


def slow_places(scores, targets, excluded):
    """Return the best and the worst place of each target by sorting its competitors."""
    places = []
    for row, target, left_out in zip(scores, targets, excluded, strict=True):
        others = [score for index, score in enumerate(row) if index != target and index not in left_out]
        best = 1 + sum(score > row[target] for score in others)
        places.append((best, best + sum(score == row[target] for score in others)))
    return np.array(places)


@pytest.mark.parametrize("name", ["fm", "hofm", "deepfm", "autoint", "poly2"])
def test_ranks_equal_a_slow_loop(name):
    model = random_model(name)
    queries, candidates = sides(50, 24, seed=5)
    # Every other candidate has a twin, far away, so that rounding in a batch would show.
    candidates = {key: np.concatenate([array, array[::2]]) for key, array in candidates.items()}
    random = np.random.default_rng(0)
    targets = random.integers(0, 36, 50)
    excluded = [
        [index for index in random.permutation(36)[: random.integers(0, 20)] if index != target] for target in targets
    ]
    scores = slow_scores(model, queries, candidates).astype(np.float64)
    twins = np.r_[np.arange(24), np.arange(0, 24, 2)]
    scores = scores[:, twins]  # the loop may round twins differently
    found = rank_candidates(model, queries, candidates, CANDIDATE_FIELDS, targets, excluded, batch_size=100)
    for places, left_out in ((found.all, [[]] * 50), (found.unseen, excluded)):
        expected = slow_places(scores, targets, left_out)
        np.testing.assert_array_equal(np.stack([places.best, places.worst], axis=1), expected)
    assert (found.all.best < found.all.worst).any()


def test_values_of_the_other_side_change_nothing():
    model = random_model("nfm")
    queries, candidates = sides(6, 5)
    others, replaced = sides(6, 5, seed=9)
    slots = np.isin(np.array(SCHEMA.names)[list(SCHEMA.slot_fields)], CANDIDATE_FIELDS)
    mixed = {name: np.where(slots, others[name], queries[name]) for name in queries}
    also = {name: np.where(slots, candidates[name], replaced[name]) for name in queries}
    for method in ("shared", "pairs"):
        first, second = (
            rank_candidates(model, *features, CANDIDATE_FIELDS, [0, 1, 2, 3, 4, 0], method=method).all.mean
            for features in ((queries, candidates), (mixed, also))
        )
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"candidate_fields": ["items"]}, "Did you mean 'item'"),
        ({"candidate_fields": "item"}, "must be a list of names"),
        ({"candidate_fields": SCHEMA.names}, "need a field each"),
        ({"candidate_fields": []}, "need a field each"),
        ({"targets": [0, 1]}, "3 queries and 2 targets"),
        ({"targets": [0, 1, 4]}, "indices of the 4 candidates. Received: 4"),
        ({"excluded": [[0], [], []]}, "target of query 0 is excluded"),
        ({"excluded": [[]]}, "entry for each query. Received: 1 for 3"),
        ({"excluded": [[-1], [], []]}, "`excluded` must be indices"),
        ({"candidates": sides(1, 0)[1]}, "at least one candidate"),
        ({"queries": {"ids": np.zeros((3, 2), int), "values": np.zeros((3, 2))}}, "one per slot"),
    ],
)
def test_what_does_not_fit_is_refused(changed, message):
    queries, candidates = sides(3, 4)
    arguments = {"queries": queries, "candidates": candidates, "candidate_fields": ["item"], "targets": [0, 1, 2]}
    with pytest.raises(ValueError, match=message):
        rank_candidates(build("fm", SCHEMA), **{**arguments, **changed})
