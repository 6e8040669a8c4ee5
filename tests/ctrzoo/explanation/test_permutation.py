"""Shuffling, against loops over rows, fields and pairs."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ctrzoo.explanation.permutation import permutation_importance
from tests.ctrzoo.explanation.planted import logits_by_hand


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
        np.testing.assert_allclose(found.value, base, atol=1e-6)
        lost = [base - roc_auc_score(labels, logits(field)) for field in range(4)]
        np.testing.assert_allclose(found.fields[repeat], lost, atol=1e-5)
        for index, (i, j) in enumerate(found.pairs):
            both = base - roc_auc_score(labels, logits(i, j))
            np.testing.assert_allclose(found.together[repeat, index], both, atol=1e-5)
            np.testing.assert_allclose(found.interaction[repeat, index], lost[i] + lost[j] - both, atol=2e-5)
            mixed = logits() - logits(i) - logits(j) + logits(i, j)
            np.testing.assert_allclose(found.logit_interaction[repeat, index], np.sqrt((mixed**2).mean()), atol=1e-5)


def test_only_the_asked_pairs_are_shuffled(planted):
    model, features, labels, *_ = planted
    every = permutation_importance(model, features, labels, repeats=1, seed=3)
    some = permutation_importance(model, features, labels, pairs=[(2, 3), (0, 2)], repeats=1, seed=3)
    assert some.pairs == [(2, 3), (0, 2)]
    chosen = [every.pairs.index(pair) for pair in some.pairs]
    np.testing.assert_allclose(some.together, every.together[:, chosen], atol=1e-6)
    np.testing.assert_allclose(some.logit_interaction, every.logit_interaction[:, chosen], atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.ones(800)}, "one kind"),
        ({"labels": np.arange(800) / 2}, "needs clicks, 0 or 1. Received: the label 0.5"),
        ({"repeats": 0}, "at least 1"),
    ],
)
def test_what_is_refused(planted, change, message):
    model, features, labels, *_ = planted
    with pytest.raises(ValueError, match=message):
        permutation_importance(model, features, **{"labels": labels, **change})
