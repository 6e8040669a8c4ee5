"""What several tests of explanations need: a planted model and its rows."""

import numpy as np
import pytest

from ctrzoo import models
from ctrzoo.explanation import kinds
from tests.ctrzoo.explanation.planted import SCHEMA, logits_by_hand


@pytest.fixture(scope="session")
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


@pytest.fixture
def own_kinds(monkeypatch):
    """A registry of kinds that a test may change."""
    monkeypatch.setattr(kinds, "KINDS", list(kinds.KINDS))
