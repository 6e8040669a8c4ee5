"""Metrics of a whole split, exact whatever the batches."""

import numpy as np
import pytest

from ctrzoo import models
from ctrzoo.metrics import auc, log_loss
from ctrzoo.training import set_seed
from ctrzoo.training.evaluation import Evaluator
from tests.small_data import SmallData


@pytest.fixture
def data(mixed_schema):
    return SmallData(mixed_schema)


def fresh_model(data, name="fm", seed=1):
    set_seed(seed)
    return models.build(name, data.schema, embedding_dim=4)


def test_metrics_are_those_of_the_whole_split(data):
    model = fresh_model(data)
    features, labels = data.arrays("test")
    scores = model.predict(features, verbose=0)
    whole = Evaluator(model).evaluate(data.dataset("test", 7, shuffle=False))
    assert whole["auc"] == pytest.approx(auc(labels, scores), abs=1e-6)
    assert whole["log_loss"] == pytest.approx(log_loss(labels, scores), abs=1e-6)


def test_labels_and_probabilities_keep_their_order_and_no_rows_are_refused(data):
    model = fresh_model(data)
    features, labels = data.arrays("test")
    found = Evaluator(model).predict(data.dataset("test", 7, shuffle=False))
    np.testing.assert_array_equal(found.labels, labels[:, 0])
    assert found.weights is None and found.groups is None
    np.testing.assert_allclose(found.scores, model.predict(features, verbose=0)[:, 0], rtol=1e-5)
    flat = [(batch, np.ravel(column)) for batch, column in data.dataset("test", 7, shuffle=False)]
    np.testing.assert_array_equal(Evaluator(model).predict(flat).labels, found.labels)
    with pytest.raises(ValueError, match="has no rows to evaluate"):
        Evaluator(model).predict(data.dataset("test", 7, shuffle=False).take(0))
