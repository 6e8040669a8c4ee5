"""What a model says of pairs against what shuffling says, worked by hand and on a planted model."""

import itertools

import numpy as np
import pytest

from ctrzoo import models
from ctrzoo.explanation.analysis import METHODS, Analysis, analyse
from ctrzoo.explanation.explainer import EdgeStatistics
from ctrzoo.explanation.permutation import PermutationImportance
from tests.ctrzoo.explanation.planted import AD, HOUR, SCHEMA, SITE, USER, logits_by_hand, planted_model


@pytest.fixture
def by_hand():
    """Three fields, of which two pairs were shuffled twice."""
    mean = np.array([[0, 3, 1], [3, 0, 2], [1, 2, 0]], float)
    importance = PermutationImportance(
        value=0.75,
        fields=np.array([[0.1, 0.2, 0.0], [0.3, 0.2, 0.0]]),
        pairs=[(0, 1), (1, 2)],
        together=np.array([[0.25, 0.2], [0.35, 0.2]]),
        interaction=np.array([[0.05, 0.0], [0.15, 0.0]]),
        logit_interaction=np.array([[1.0, 0.0], [2.0, 0.0]]),
    )
    return Analysis(("a", "b", "c"), EdgeStatistics(mean, mean / 10, mean / 3, top=3), importance, planted=((1, 2),))


def test_the_table_by_hand(by_hand):
    strongest, second, untested = by_hand.table()
    assert strongest == {
        "field": "a",
        "other_field": "b",
        "mean": 3,
        "deviation": pytest.approx(0.3),
        "top_share": 1,
        "auc_lost_field": pytest.approx(0.2),
        "auc_lost_other_field": pytest.approx(0.2),
        "auc_lost_together": pytest.approx(0.3),
        "interaction": pytest.approx(0.1),
        "interaction_deviation": pytest.approx(0.05),
        "logit_interaction": 1.5,
        "planted": 0,
    }
    assert (second["field"], second["other_field"], second["planted"], second["interaction"]) == ("b", "c", 1, 0)
    assert (untested["field"], untested["other_field"], untested["mean"]) == ("a", "c", 1)
    shuffled = ("auc_lost_together", "interaction", "interaction_deviation", "logit_interaction")
    assert [untested[key] for key in shuffled] == [None] * 4 and list(untested) == list(strongest)


def test_without_edges_the_table_holds_the_shuffled_pairs_alone(by_hand):
    first, second = by_hand._replace(edges=None, planted=()).table()
    assert [row["logit_interaction"] for row in (first, second)] == [1.5, 0]
    assert first["mean"] is None and "planted" not in first


def test_rankings_agreement_and_precision_by_hand(by_hand):
    rankings = by_hand.rankings()
    assert list(rankings) == ["explanation", "AUC interaction", "logit difference"]
    assert [by_hand.called(method) for method in METHODS] == list(rankings)
    np.testing.assert_allclose(list(rankings.values()), [[3, 2], [0.1, 0], [1.5, 0]])
    assert by_hand.agreement() == {method: pytest.approx((1, 1)) for method in ("AUC interaction", "logit difference")}
    # The one strongest pair is (0, 1) by every method, but (1, 2) is planted.
    assert by_hand.precision() == dict.fromkeys(rankings, 0)
    assert by_hand._replace(planted=((0, 1),)).precision() == dict.fromkeys(rankings, 1)


def test_a_new_method_ranks_beside_the_others(by_hand, monkeypatch):
    monkeypatch.setitem(METHODS, "AUC lost", lambda analysis: analysis.importance.together.mean(axis=0))
    np.testing.assert_allclose(by_hand.rankings()["AUC lost"], [0.3, 0.2])
    assert by_hand.agreement()["AUC lost"] == pytest.approx((1, 1)) and by_hand.precision()["AUC lost"] == 0


def test_every_method_finds_the_planted_pair(planted):
    model, features, labels, *_ = planted
    analysis = analyse(model, features, labels, planted=[("ad", "site")], repeats=1)
    assert analysis.planted == ((SITE, AD),)
    assert analysis.precision() == {"explanation": 1, "AUC interaction": 1, "logit difference": 1}
    strongest, *others = analysis.table()
    assert (strongest["field"], strongest["other_field"], strongest["planted"]) == ("site", "ad", 1)
    assert strongest["logit_interaction"] > 0.5
    assert max(row["logit_interaction"] for row in others) < 1e-5
    assert analysis.importance.fields[0, USER] == 0 < analysis.importance.fields[0, HOUR]


@pytest.mark.parametrize(
    ("task", "loss", "methods"),
    [
        ("regression", None, {"explanation", "MSE interaction", "prediction difference"}),
        ("regression", "poisson", {"explanation", "MSE interaction", "log prediction difference"}),
        ("ranking", None, {"explanation", "NDCG@10 interaction", "score difference"}),
    ],
)
def test_every_method_finds_the_planted_pair_of_every_task(task, loss, methods):
    random = np.random.default_rng(1)
    model, features, table, weights = planted_model(random, task=task, loss=loss)
    noisy = logits_by_hand(table, weights, features["ids"]) + random.normal(size=800) / 2
    labels = np.digitize(noisy, [0, 1]) if task == "ranking" else random.poisson(np.exp(noisy)) if loss else noisy
    groups = np.arange(800) // 8 if task == "ranking" else None
    analysis = analyse(model, features, labels, [("ad", "site")], repeats=1, groups=groups)
    assert analysis.precision() == dict.fromkeys(methods, 1)
    strongest, *others = analysis.table()
    assert (strongest["field"], strongest["other_field"], strongest["planted"]) == ("site", "ad", 1)
    assert max(row["logit_interaction"] for row in others) < 1e-5
    assert {f"{analysis.lost}_field", f"{analysis.lost}_together"} < set(strongest)


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


@pytest.mark.parametrize(
    ("change", "message"),
    [({"labels": np.ones(800)}, "one kind"), ({"repeats": 0}, "at least 1"), ({"planted": [("site", "x")]}, "'x'")],
)
def test_what_is_refused(planted, change, message):
    model, features, labels, *_ = planted
    with pytest.raises(ValueError, match=message):
        analyse(model, features, **{"labels": labels, **change})
