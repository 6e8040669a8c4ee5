"""Every model by every way that it allows: the scores are those of a loop over pairs."""

import numpy as np
import pytest

from ctrzoo.models import MODELS, build
from ctrzoo.ranking import score_candidates
from ctrzoo.ranking.scoring import METHODS, FactoredScorer, PairScorer, SharedScorer, scorer_of
from tests.ctrzoo.ranking.catalogue import CANDIDATE_FIELDS, SCHEMA, random_model, sides, slow_scores, with_maximum

FACTORED = {"lr", "fm", "ffm", "hofm"}
PAIRS_ONLY = {"poly2", "din", "dien", "bst"}
IS_CANDIDATE = np.array([name in CANDIDATE_FIELDS for name in SCHEMA.names])


CHOSEN = {*FACTORED, *PAIRS_ONLY, "deepfm", "graphfm", "xdeepfm", "dcn_v2", "wukong"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in CHOSEN else pytest.mark.nightly) for name in MODELS]
)
def test_scores_equal_those_of_pairs(name):
    model = random_model(name)
    queries, candidates = sides(7, 5)
    expected = slow_scores(model, queries, candidates)
    method = "factored" if name in FACTORED else "pairs" if name in PAIRS_ONLY else "shared"
    methods = METHODS if name in FACTORED else [method]
    assert scorer_of(model, candidates, IS_CANDIDATE).method == method
    for method in methods:
        found = list(score_candidates(model, queries, candidates, CANDIDATE_FIELDS, method=method, batch_size=15))
        scale = np.abs(expected).max()
        np.testing.assert_allclose(np.concatenate(found), expected, rtol=2e-5, atol=2e-5 * scale, err_msg=method)
    assert len(np.unique(expected.round(6), axis=0)) == 7 and len(np.unique(expected.round(6), axis=1).T) == 5


@pytest.mark.parametrize("name", ["fm", "hofm", "deepfm"])
def test_maxima_are_of_one_side(name):
    model = random_model(name, schema=with_maximum())
    queries, candidates = sides(4, 3)
    found = next(score_candidates(model, queries, candidates, CANDIDATE_FIELDS))
    np.testing.assert_allclose(found, slow_scores(model, queries, candidates), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_what_both_sides_have_counts_once(method):
    built = random_model("fm", negative_rate=0.1)
    queries, candidates = sides(4, 3)
    found = next(score_candidates(built, queries, candidates, CANDIDATE_FIELDS, method=method))
    np.testing.assert_allclose(found, slow_scores(built, queries, candidates), rtol=1e-4, atol=1e-5)


def test_higher_orders_take_fields_of_both_sides():
    model = random_model("hofm", order=5)
    queries, candidates = sides(4, 3)
    found = next(score_candidates(model, queries, candidates, CANDIDATE_FIELDS))
    np.testing.assert_allclose(found, slow_scores(model, queries, candidates), rtol=1e-4, atol=1e-5)


def test_a_method_that_the_model_does_not_allow_is_refused():
    _, candidates = sides(4, 3)
    with pytest.raises(ValueError, match="not a sum of pair terms. Use the method 'shared'"):
        FactoredScorer(build("nfm", SCHEMA), candidates, IS_CANDIDATE)
    for model in (build("poly2", SCHEMA), build("ffm", SCHEMA, normalize=True)):
        with pytest.raises(ValueError, match="Use the method 'pairs'"):
            scorer_of(model, candidates, IS_CANDIDATE, "shared")
        assert isinstance(scorer_of(model, candidates, IS_CANDIDATE), PairScorer)
    with pytest.raises(ValueError, match="method"):
        scorer_of(build("fm", SCHEMA), candidates, IS_CANDIDATE, "factorised")


@pytest.mark.parametrize("method", ["factored", "pairs"])
def test_xla_gives_the_same(method):
    model, (queries, candidates) = random_model("fm"), sides(4, 3)
    plain, compiled = (
        next(score_candidates(model, queries, candidates, CANDIDATE_FIELDS, method=method, jit_compile=jit))
        for jit in (False, True)
    )
    np.testing.assert_allclose(plain, compiled, rtol=1e-5, atol=1e-6)


def test_batches_hold_whole_queries():
    scorer = SharedScorer(build("fm", SCHEMA), sides(4, 3)[1], IS_CANDIDATE, batch_size=7)
    queries, _ = sides(5, 3)
    assert [scores.shape for scores in scorer.scores(queries)] == [(2, 3), (2, 3), (1, 3)]
