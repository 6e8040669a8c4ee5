"""Shuffling, against loops over rows, fields and pairs."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import log_loss, mean_squared_error, ndcg_score, roc_auc_score

from ctrzoo.explanation.permutation import permutation_importance
from tests.ctrzoo.explanation.planted import HOUR, USER, logits_by_hand, planted_model


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


GROUPS = np.arange(800) // 8
WEIGHTS = np.random.default_rng(7).integers(1, 4, 800)


def mean_ndcg(labels, logits):
    """NDCG@10 of lists of eight rows, by scikit-learn."""
    gains, scores = (2.0**labels - 1).reshape(100, 8), logits.reshape(100, 8)
    keep = gains.any(axis=1)
    return ndcg_score(gains[keep], scores[keep], k=10)


def grouped(labels, logits):
    """AUC of lists of eight rows, by scikit-learn; each counts by the weight of its rows."""
    lists = [slice(start, start + 8) for start in range(0, 800, 8)]
    lists = [rows for rows in lists if len(np.unique(labels[rows])) > 1]
    aucs = [roc_auc_score(labels[rows], logits[rows], sample_weight=WEIGHTS[rows]) for rows in lists]
    return np.average(aucs, weights=[WEIGHTS[rows].sum() for rows in lists])


# Task, loss, metric, what is passed as metric, weights, the metric by scikit-learn, and 1 if high is good.
CASES = {
    "mse": ("regression", None, None, None, mean_squared_error, -1),
    "weighted mse": (
        *("regression", None, None, WEIGHTS),
        lambda labels, logits: mean_squared_error(labels, logits, sample_weight=WEIGHTS),
        -1,
    ),
    "poisson": (
        *("regression", "poisson", None, WEIGHTS),
        lambda labels, logits: mean_squared_error(labels, np.exp(logits), sample_weight=WEIGHTS),
        -1,
    ),
    "mae": ("regression", None, "mae", None, lambda labels, logits: np.abs(labels - logits).mean(), -1),
    "ndcg": ("ranking", None, None, None, mean_ndcg, 1),
    "grouped auc": ("ranking", None, "grouped_auc", WEIGHTS, grouped, 1),
    "weighted auc": (
        *("classification", None, None, WEIGHTS),
        lambda labels, logits: roc_auc_score(labels, logits, sample_weight=WEIGHTS),
        1,
    ),
    "log loss": (
        *("classification", None, "log_loss", WEIGHTS),
        lambda labels, logits: log_loss(labels, 1 / (1 + np.exp(-logits)), sample_weight=WEIGHTS),
        -1,
    ),
}


def planted_labels(task, loss, metric, logits, random):
    noisy = logits + random.normal(size=800) / 2
    if task == "classification" or metric == "grouped_auc":
        return (noisy > 0).astype(float)
    if task == "ranking":
        return np.digitize(noisy, [0.5, 1.5]).astype(float)
    return random.poisson(np.exp(logits)).astype(float) if loss else noisy


@pytest.mark.parametrize("case", CASES)
def test_what_each_task_loses_is_that_of_loops(case):
    task, loss, metric, weights, measure, sign = CASES[case]
    random = np.random.default_rng(11)
    model, features, table, linear = planted_model(random, task=task, loss=loss)
    labels = planted_labels(task, loss, metric, logits_by_hand(table, linear, features["ids"]), random)
    options = {"weights": weights, "groups": GROUPS if task == "ranking" else None, "metric": metric}
    found = permutation_importance(model, features, labels, [(0, 2), (2, 3)], repeats=1, seed=5, **options)
    order = np.random.default_rng(5).permutation(800)

    def logits(*fields):
        ids = features["ids"].copy()
        for field in fields:
            ids[:, field] = ids[order, field]
        return logits_by_hand(table, linear, ids)

    base = measure(labels, logits())
    np.testing.assert_allclose(found.value, base, rtol=1e-5)
    lost = [sign * (base - measure(labels, logits(field))) for field in range(4)]
    np.testing.assert_allclose(found.fields[0], lost, rtol=1e-4, atol=1e-5)
    assert found.fields[0, USER] == 0 < found.fields[0, HOUR]
    for index, (i, j) in enumerate(found.pairs):
        both = sign * (base - measure(labels, logits(i, j)))
        np.testing.assert_allclose(found.together[0, index], both, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.interaction[0, index], lost[i] + lost[j] - both, rtol=1e-4, atol=2e-4)
        mixed = (logits() - logits(i) - logits(j) + logits(i, j)) ** 2
        np.testing.assert_allclose(
            found.logit_interaction[0, index], np.sqrt(np.average(mixed, weights=weights)), rtol=1e-4, atol=1e-5
        )
    assert found.interaction[0, 0] > 3 * abs(found.interaction[0, 1])


def test_weights_of_one_change_nothing(planted):
    model, features, labels, *_ = planted
    plain = permutation_importance(model, features, labels, repeats=1)
    weighted = permutation_importance(model, features, labels, repeats=1, weights=np.ones(800))
    for name in ("value", "fields", "together", "interaction", "logit_interaction"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(plain, name), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "calibration"}, "better high or better low. Received: calibration"),
        ({"metric": "ndgc@10"}, "ndcg@10"),
        ({"metric": "ndcg@10"}, r"NDCG@10 needs the group of each row. Pass them as `groups`"),
    ],
)
def test_metrics_that_do_not_fit_are_refused(planted, options, message):
    model, features, labels, *_ = planted
    with pytest.raises(ValueError, match=message):
        permutation_importance(model, features, labels, **options)


def test_groups_without_an_order_to_measure_are_refused():
    model, features, *_ = planted_model(np.random.default_rng(0), task="ranking")
    with pytest.raises(ValueError, match="NDCG@10 is not defined on these 800 rows: no group has a row with a label"):
        permutation_importance(model, features, np.zeros(800), groups=GROUPS)
    with pytest.raises(ValueError, match="grouped AUC is not defined .* no group has rows of different labels"):
        permutation_importance(model, features, GROUPS % 3, groups=GROUPS, metric="grouped_auc")


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
