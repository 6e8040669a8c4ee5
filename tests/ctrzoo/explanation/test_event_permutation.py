"""What histories cost when they are shuffled and cut, compared with lists that are shuffled and cut by hand."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ctrzoo import models
from ctrzoo.explanation.event_permutation import history_importance
from ctrzoo.explanation.scorer import Scorer
from tests.ctrzoo.explanation.planted_history import (
    KIND,
    SCHEMA,
    Planted,
    events_of,
    logit_by_hand,
    logits_by_hand,
    planted_history,
)


@pytest.fixture(scope="module")
def rows():
    """The model, features, labels, the events of each row, newest first, and the candidates' kinds."""
    model, features, labels = planted_history()
    events = [events_of(features, row) for row in range(len(labels))]
    return model, features, labels, events, features["ids"][:, KIND]


def lost_by_hand(labels, before, events, kinds, **options):
    after = [logit_by_hand(own, kind) for own, kind in zip(events, kinds, strict=True)]
    return roc_auc_score(labels, before, **options) - roc_auc_score(labels, after, **options)


@pytest.mark.parametrize("weighted", [False, True])
def test_events_that_are_left_out(rows, weighted):
    model, features, labels, events, kinds = rows
    weights = np.random.default_rng(3).uniform(0.5, 2, len(labels)) if weighted else None
    found = history_importance(Scorer(model, features, labels, weights=weights), SCHEMA, features, "log", repeats=1)
    before = logits_by_hand(features)
    for place in range(4):
        without = [own[:place] + own[place + 1 :] for own in events]
        lost = lost_by_hand(labels, before, without, kinds, sample_weight=weights)
        assert found.events[place] == pytest.approx(lost, abs=1e-6)
        having = [row for row, own in enumerate(events) if len(own) > place]
        changes = [(logit_by_hand(without[row], kinds[row]) - before[row]) ** 2 for row in having]
        mean = np.average(changes, weights=None if weights is None else weights[having])
        assert found.event_logits[place] == pytest.approx(np.sqrt(mean), rel=1e-5)
        assert found.counts[place] == len(having)
    assert (np.diff(found.event_logits) < 0).all()  # the newest counts most


def test_shuffling_costs_as_much_as_shuffling_lists(rows):
    """Means over many shuffles of two random generators agree within four standard errors."""
    model, features, labels, events, kinds = rows
    found = history_importance(Scorer(model, features, labels), SCHEMA, features, "log", repeats=40)
    random, before = np.random.default_rng(9), logits_by_hand(features)
    between, order = [], []
    for _ in range(200):
        others = random.permutation(len(events))
        between.append(lost_by_hand(labels, before, [events[row] for row in others], kinds))
        mixed = [[own[place] for place in random.permutation(len(own))] for own in events]
        order.append(lost_by_hand(labels, before, mixed, kinds))
    for measured, expected in ((found.history, between), (found.order, order)):
        error = np.sqrt(np.var(measured) / len(measured) + np.var(expected) / len(expected))
        assert abs(np.mean(measured) - np.mean(expected)) < 4 * error
        assert np.mean(measured) > 20 * error  # so the comparison says something
        assert np.std(measured) == pytest.approx(np.std(expected), rel=0.5)


def test_a_model_that_does_not_read_the_order_loses_nothing_by_it(rows):
    _, features, labels, *_ = rows
    model = models.build("pooled", SCHEMA, deep_units=(4,))
    for weight in model.trainable_weights:
        weight.assign(np.random.default_rng(0).normal(size=weight.shape))
    found = history_importance(Scorer(model, features, labels), SCHEMA, features, "log", repeats=2)
    assert (found.order_logit < 1e-5).all() and abs(found.order).max() < 1e-3
    assert found.event_logits.min() > 0.01
    ignoring = Planted((0.0,) * 4)
    found = history_importance(Scorer(ignoring, features, labels), SCHEMA, features, "log", repeats=2)
    assert not found.history.any() and not found.order.any() and not found.events.any()


def test_a_place_that_no_row_has(rows):
    model, features, labels, events, _ = rows
    short = np.array([len(own) < 3 for own in events])
    features = {name: array[short] for name, array in features.items()}
    found = history_importance(Scorer(model, features, labels[short]), SCHEMA, features, "log", repeats=1)
    assert found.events[2:].tolist() == [0, 0] and np.isnan(found.event_logits[2:]).all()
    assert found.counts[2:].tolist() == [0, 0]
