"""Exact metrics equal their definitions and scikit-learn."""

import tracemalloc

import numpy as np
import pytest

from ctrzoo import metrics
from ctrzoo.metrics import auc, calibration, evaluate_scores, log_loss


@pytest.fixture
def rows():
    random = np.random.default_rng(5)
    labels = random.integers(0, 2, 400)
    return labels, np.round(random.random(400) * 0.6 + labels * 0.3, 2)  # many ties


def test_auc_counts_pairs_and_half_of_the_ties(rows):
    labels, scores = rows
    pairs = [(p > n) + 0.5 * (p == n) for p in scores[labels == 1] for n in scores[labels == 0]]
    assert auc(labels, scores) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_metrics_equal_scikit_learn(rows):
    sklearn = pytest.importorskip("sklearn.metrics")
    labels, scores = rows
    assert auc(labels, scores) == pytest.approx(sklearn.roc_auc_score(labels, scores), abs=1e-12)
    assert log_loss(labels, scores) == pytest.approx(sklearn.log_loss(labels, scores), abs=1e-6)


def test_blocks_of_rows_give_the_same_and_need_little_beside_the_scores(rows, monkeypatch):
    whole = evaluate_scores(*rows)
    monkeypatch.setattr(metrics, "BLOCK", 7)
    assert evaluate_scores(*rows) == pytest.approx(whole, abs=1e-12)
    monkeypatch.setattr(metrics, "BLOCK", 1000)
    random = np.random.default_rng(3)
    scores = random.random(400_000, dtype=np.float32)
    labels = random.random(400_000) < scores
    tracemalloc.start()
    evaluate_scores(labels, scores)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * scores.nbytes


def test_shape_and_order_of_rows_do_not_matter(rows):
    labels, scores = rows
    order = np.random.default_rng(1).permutation(len(labels))
    assert auc(labels[order][:, None], scores[order].astype("float64")[:, None]) == auc(labels, scores)


def test_auc_by_hand():
    assert auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) == 0.75
    assert auc([0, 1], [0.5, 0.5]) == 0.5
    assert auc([1, 0], [1, 0]) == 1.0


def test_log_loss_by_hand_and_at_the_ends():
    assert log_loss([1, 1, 0], [0.5, 0.25, 0.0]) == pytest.approx((np.log(2) + np.log(4)) / 3, abs=1e-6)
    assert np.isfinite(log_loss([1, 0], [0.0, 1.0]))


def test_calibration_by_hand():
    assert calibration([1, 0, 0, 0], [0.5, 0.5, 0.5, 0.5]) == 2.0
    assert np.isnan(calibration([0], [0.5]))


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_gives_nan_and_a_warning(label):
    with pytest.warns(UserWarning, match="not defined"):
        assert np.isnan(auc([label, label], [0.1, 0.2]))


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([1, 0], [0.5], "One score"),
        ([], [], "at least one row"),
        ([1, 2], [0.5, 0.5], "Labels must be 0 or 1"),
        ([1, 0], [0.5, np.nan], "NaN"),
    ],
)
def test_bad_rows_are_refused(labels, scores, message):
    with pytest.raises(ValueError, match=message):
        auc(labels, scores)


def test_logits_are_no_probabilities():
    with pytest.raises(ValueError, match="sigmoid"):
        log_loss([1, 0], [2.0, -1.0])
