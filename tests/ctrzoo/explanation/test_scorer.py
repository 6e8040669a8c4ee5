"""What other logits cost: as scikit-learn's metrics say."""

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from ctrzoo.explanation.scorer import Scorer
from tests.ctrzoo.explanation.planted_history import logits_by_hand, planted_history


@pytest.mark.parametrize("metric", ["auc", "log_loss"])
def test_what_is_lost_is_the_difference_of_the_metric(metric):
    model, features, labels = planted_history()
    weights = np.random.default_rng(1).uniform(0.5, 2, len(labels))
    scorer, before = Scorer(model, features, labels, weights=weights, metric=metric), logits_by_hand(features)
    np.testing.assert_allclose(scorer.base, before, atol=1e-6)
    after = before + np.random.default_rng(2).normal(size=len(labels))
    if metric == "auc":
        expected = [roc_auc_score(labels, logits, sample_weight=weights) for logits in (before, after)]
        lost = expected[0] - expected[1]
    else:
        probabilities = [1 / (1 + np.exp(-logits)) for logits in (before, after)]
        expected = [log_loss(labels, each, sample_weight=weights) for each in probabilities]
        lost = expected[1] - expected[0]
    assert scorer.value == pytest.approx(expected[0], rel=1e-5)
    assert scorer.lost(after) == pytest.approx(lost, rel=1e-4)


def test_rows_of_one_kind_are_refused():
    model, features, labels = planted_history()
    with pytest.raises(ValueError, match="AUC needs rows with and without a click"):
        Scorer(model, features, np.ones_like(labels))
