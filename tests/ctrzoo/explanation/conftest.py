"""What several tests of explanations need: a planted model and its rows."""

import numpy as np
import pytest

from ctrzoo.explanation import kinds
from tests.ctrzoo.explanation.planted import logits_by_hand, planted_model


@pytest.fixture(scope="session")
def planted():
    """An FM of site x ad and of hour alone, rows, and labels drawn from its probabilities."""
    random = np.random.default_rng(0)
    model, features, table, weights = planted_model(random)
    logits = logits_by_hand(table, weights, features["ids"])
    labels = (random.random(800) < 1 / (1 + np.exp(-logits))).astype(int)
    return model, features, labels, table, weights


@pytest.fixture
def own_kinds(monkeypatch):
    """A registry of kinds that a test may change."""
    monkeypatch.setattr(kinds, "KINDS", list(kinds.KINDS))
