"""Shuffling, on a model made by hand in which one pair of fields interacts and one field acts alone."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ctrzoo import models
from ctrzoo.explanation.analysis import analyse, correlation, rank_correlation
from ctrzoo.explanation.permutation import permutation_importance
from ctrzoo.schema import Field, Schema

SCHEMA = Schema([Field(name, vocabulary_size=6) for name in ("site", "user", "ad", "hour")])
SITE, USER, AD, HOUR = range(4)


@pytest.fixture(scope="module")
def planted():
    """An FM of site x ad and of hour alone, rows, and labels drawn from its probabilities."""
    random = np.random.default_rng(0)
    model = models.build("fm", SCHEMA, embedding_dim=2)
    table, weights = np.zeros((25, 2)), np.zeros((25, 1))
    table[1:7, 0], table[13:19, 0] = random.normal(size=(2, 6)) * 1.5  # the ids of site and of ad
    weights[19:25, 0] = random.normal(size=6)  # those of hour
    by_shape = {weight.shape: weight for weight in model.trainable_weights}
    by_shape[(25, 2)].assign(table)
    by_shape[(25, 1)].assign(weights)
    ids = (random.integers(1, 7, (800, 4)) + np.array([0, 6, 12, 18])).astype("int32")
    features = {"ids": ids, "values": np.ones((800, 4), "float32")}
    logits = logits_by_hand(table, weights, ids)
    labels = (random.random(800) < 1 / (1 + np.exp(-logits))).astype(int)
    return model, features, labels, table, weights


def logits_by_hand(table, weights, ids):
    return table[ids[:, SITE], 0] * table[ids[:, AD], 0] + weights[ids[:, HOUR], 0]


def test_numbers_are_those_of_loops(planted):
    model, features, labels, table, weights = planted
    found = permutation_importance(model, features, labels, repeats=2, seed=5, batch_size=300)
    assert found.pairs == list(itertools.combinations(range(4), 2))
    random = np.random.default_rng(5)
    for repeat in range(2):
        order = random.permutation(800)

        def logits(*fields, order=order):
            ids = features["ids"].copy()
            for field in fields:
                ids[:, field] = ids[order, field]
            return logits_by_hand(table, weights, ids)

        base = roc_auc_score(labels, logits())
        np.testing.assert_allclose(found.auc, base, atol=1e-6)
        lost = [base - roc_auc_score(labels, logits(field)) for field in range(4)]
        np.testing.assert_allclose(found.fields[repeat], lost, atol=1e-5)
        for index, (i, j) in enumerate(found.pairs):
            both = base - roc_auc_score(labels, logits(i, j))
            np.testing.assert_allclose(found.together[repeat, index], both, atol=1e-5)
            np.testing.assert_allclose(found.interaction[repeat, index], lost[i] + lost[j] - both, atol=2e-5)
            mixed = logits() - logits(i) - logits(j) + logits(i, j)
            np.testing.assert_allclose(found.logit_interaction[repeat, index], np.sqrt((mixed**2).mean()), atol=1e-5)


def test_the_planted_pair_is_found_by_every_way(planted):
    model, features, labels, *_ = planted
    analysis = analyse(model, features, labels, planted=[("ad", "site")], repeats=1)
    assert analysis.planted == ((SITE, AD),)
    assert analysis.precision() == {"explanation": 1, "AUC interaction": 1, "logit difference": 1}
    strongest, *others = analysis.table()
    assert (strongest["field"], strongest["other_field"], strongest["planted"]) == ("site", "ad", 1)
    assert strongest["logit_interaction"] > 0.5
    assert max(row["logit_interaction"] for row in others) < 1e-5
    assert analysis.importance.fields[0, USER] == 0 < analysis.importance.fields[0, HOUR]


def test_of_many_pairs_the_strongest_some_others_and_the_planted_are_shuffled(planted):
    model, features, labels, *_ = planted
    analysis = analyse(model, features, labels, planted=[("user", "hour")], most_pairs=2, repeats=1)
    assert {(SITE, AD), (USER, HOUR)} <= set(analysis.importance.pairs)
    assert 2 <= len(analysis.importance.pairs) <= 3
    untested = [row for row in analysis.table() if row["interaction"] is None]
    assert len(analysis.table()) == 6 and len(untested) == 6 - len(analysis.importance.pairs)


def test_a_model_without_explanations_is_told_of_by_shuffling_alone(planted):
    _, features, labels, *_ = planted
    analysis = analyse(models.build("dcn", SCHEMA, deep_units=(4,)), features, labels, [("site", "ad")], repeats=1)
    assert analysis.edges is None and analysis.agreement() == {}
    assert set(analysis.precision()) == {"AUC interaction", "logit difference"}


def test_a_model_that_adds_up_its_fields_finds_no_pair(planted):
    _, features, labels, *_ = planted
    model = models.build("lr", SCHEMA)
    for weight in model.trainable_weights:
        weight.assign(np.random.default_rng(2).normal(size=weight.shape))
    every = list(itertools.combinations(SCHEMA.names, 2))
    analysis = analyse(model, features, labels, planted=every, repeats=1)
    assert analysis.precision()["logit difference"] == 0


def test_correlations_with_ties():
    # Ranks of the first: 1, 2.5, 2.5, 4; of the second: 4, 1, 2, 3.
    ranks = np.corrcoef([1, 2.5, 2.5, 4], [4, 1, 2, 3])[0, 1]
    np.testing.assert_allclose(rank_correlation([0, 5, 5, 9], [9, 1, 2, 3]), ranks)
    assert np.isnan(correlation([1, 1], [1, 2]))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"labels": np.ones(800)}, "one kind"), ({"repeats": 0}, "at least 1"), ({"planted": [("site", "x")]}, "'x'")],
)
def test_what_is_refused(planted, change, message):
    model, features, labels, *_ = planted
    with pytest.raises(ValueError, match=message):
        analyse(model, features, **{"labels": labels, **change})
