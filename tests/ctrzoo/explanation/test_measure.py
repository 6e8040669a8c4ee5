"""What shuffling is measured by: names, directions and words."""

import numpy as np
import pytest

from ctrzoo import models
from ctrzoo.explanation.measure import (
    default_metric,
    logit_in_words,
    lost,
    lost_in_words,
    lost_key,
    measured,
    with_words_of,
)
from ctrzoo.metrics import Scored
from ctrzoo.schema import Field, Schema

SCHEMA = Schema([Field("user", vocabulary_size=2), Field("ad", vocabulary_size=2)])
LOGITS, LABELS = np.array([-1.0, 0.0, 2.0]), np.array([0.0, 1.0, 1.0])


def test_the_metric_is_what_training_watches_but_for_clicks():
    assert default_metric("classification") == default_metric("classification", "log_loss") == "auc"
    assert default_metric("regression") == default_metric("regression", "rmse") == "mse"
    assert (default_metric("regression", "mae"), default_metric("ranking")) == ("mae", "ndcg@10")


@pytest.mark.parametrize(
    ("metric", "words", "key", "worse"),
    [
        ("auc", "AUC lost", "auc_lost", -1),
        ("log_loss", "rise in log loss", "log_loss_rise", 1),
        ("mean_rank", "rise in mean rank", "mean_rank_rise", 1),
        ("ndcg@3", "NDCG@3 lost", "ndcg@3_lost", -1),
    ],
)
def test_what_is_lost_is_positive_if_the_metric_becomes_worse(metric, words, key, worse):
    assert (lost_in_words(metric), lost_key(metric)) == (words, key)
    assert lost(metric, 3.0, 3.0 + worse) == 1


@pytest.mark.parametrize(
    ("task", "loss", "metric", "expected"),
    [
        ("regression", None, "mse", np.mean((LOGITS - LABELS) ** 2)),
        ("regression", "poisson", "mae", np.mean(np.abs(np.exp(LOGITS) - LABELS))),
        ("classification", None, "log_loss", np.mean(np.log1p(np.exp(np.where(LABELS, -LOGITS, LOGITS))))),
        ("classification", None, "auc", 1.0),
    ],
)
def test_errors_are_those_of_predictions(task, loss, metric, expected):
    model = models.build("lr", SCHEMA, task=task, loss=loss)
    assert measured(model, LOGITS, Scored(LABELS, LABELS), metric) == pytest.approx(expected, rel=1e-6)


def test_the_order_is_that_of_logits_that_round_to_one_probability():
    logits = np.array([40.0, 41.0])
    model = models.build("lr", SCHEMA)
    assert measured(model, logits, Scored(np.array([0, 1]), logits), "auc") == 1


@pytest.mark.parametrize(
    ("task", "loss", "words"),
    [
        ("classification", None, "logit"),
        ("regression", None, "prediction"),
        ("regression", "poisson", "log prediction"),
        ("ranking", "bpr", "score"),
    ],
)
def test_contributions_add_up_to_what_the_task_calls_the_logit(task, loss, words):
    model = models.build("lr", SCHEMA, task=task, loss=loss)
    assert logit_in_words(model) == words
    assert (
        with_words_of(model, "what each field adds to the logit, logits")
        == f"what each field adds to the {words}, logits"
    )
