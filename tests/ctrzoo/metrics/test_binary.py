"""Exact metrics of clicks equal their definitions and scikit-learn, with weights and without."""

import tracemalloc

import numpy as np
import pytest

from ctrzoo.metrics import auc, log_loss, normalized_entropy, pr_auc
from ctrzoo.metrics import rows as metric_rows

FUNCTIONS = [auc, pr_auc, log_loss, normalized_entropy]


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    """The type of scores and weights; float32 is sorted in another way."""
    return request.param


@pytest.fixture
def rows(dtype):
    random = np.random.default_rng(5)
    labels = random.integers(0, 2, 400)
    return labels, np.round(random.random(400) * 0.6 + labels * 0.3, 2).astype(dtype)  # many ties


@pytest.fixture
def weights(dtype):
    weights = np.random.default_rng(6).integers(0, 4, 400)
    return weights.astype(dtype) if dtype == "float32" else weights


def test_auc_counts_pairs_and_half_of_the_ties(rows):
    labels, scores = rows
    pairs = [(p > n) + 0.5 * (p == n) for p in scores[labels == 1] for n in scores[labels == 0]]
    assert auc(labels, scores) == pytest.approx(np.mean(pairs), abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_equal_scikit_learn(rows, weights, weighted):
    sklearn = pytest.importorskip("sklearn.metrics")
    labels, scores = rows
    weights = weights if weighted else None
    for function, theirs, within in (
        (auc, sklearn.roc_auc_score, 1e-12),
        (pr_auc, sklearn.average_precision_score, 1e-12),
        (log_loss, sklearn.log_loss, 2e-6),  # they clip less
    ):
        assert function(labels, scores, weights) == pytest.approx(
            theirs(labels, scores, sample_weight=weights), abs=within
        )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_row_of_weight_two_counts_as_two_rows(function, rows, weights):
    repeated = [np.repeat(column, weights.astype(int)) for column in rows]
    assert function(*rows, weights) == pytest.approx(function(*repeated), abs=1e-12)
    assert function(
        *rows, np.full(400, 0.25, weights.dtype) if weights.dtype.kind == "f" else np.full(400, 2)
    ) == pytest.approx(function(*rows), abs=1e-12)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_blocks_of_rows_give_the_same(function, weighted, rows, weights, monkeypatch):
    weights = weights if weighted else None
    whole = function(*rows, weights)
    for size in (1, 7, 399):
        monkeypatch.setattr(metric_rows, "BLOCK", size)
        assert function(*rows, weights) == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize(("function", "copies"), [(auc, 2), (log_loss, 2), (normalized_entropy, 2), (pr_auc, 3)])
def test_metrics_need_little_beside_the_scores(function, copies, monkeypatch):
    monkeypatch.setattr(metric_rows, "BLOCK", 1000)
    random = np.random.default_rng(3)
    scores = random.random(400_000, dtype=np.float32)
    labels = random.random(400_000) < scores
    tracemalloc.start()
    function(labels, scores)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < copies * scores.nbytes


def test_negative_scores_and_both_zeros_keep_their_order():
    scores = np.array([-3.5, -0.0, 0.0, 2.0, -1.0], np.float32)
    labels, weights = np.array([0, 1, 0, 1, 0]), np.ones(5, np.float32)
    assert auc(labels, scores, weights) == auc(labels, scores) == pytest.approx((2.5 + 3) / 6)


def test_shape_and_order_of_rows_do_not_matter(rows):
    labels, scores = rows
    order = np.random.default_rng(1).permutation(len(labels))
    assert auc(labels[order][:, None], scores[order].astype("float64")[:, None]) == auc(labels, scores)


def test_auc_by_hand():
    assert auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) == 0.75
    assert auc([0, 1], [0.5, 0.5]) == 0.5
    assert auc([1, 0], [1, 0]) == 1.0
    # Pairs (0.8, 0.1), (0.8, 0.5), (0.3, 0.1), (0.3, 0.5) of weights 2, 6, 1, 3: the first three are won.
    assert auc([1, 0, 0, 1], [0.8, 0.1, 0.5, 0.3], [2, 1, 3, 1]) == 0.75


def test_log_loss_by_hand_and_at_the_ends():
    assert log_loss([1, 1, 0], [0.5, 0.25, 0.0]) == pytest.approx((np.log(2) + np.log(4)) / 3, abs=1e-6)
    assert log_loss([1, 0], [0.5, 0.25], [3, 1]) == pytest.approx((3 * np.log(2) - np.log(0.75)) / 4, abs=1e-6)
    assert np.isfinite(log_loss([1, 0], [0.0, 1.0]))


def test_normalized_entropy_is_one_without_a_model_and_below_with_one():
    assert normalized_entropy([1, 0, 0, 0], [0.25] * 4) == pytest.approx(1)
    entropy = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    assert normalized_entropy([1, 0, 0, 0], [0.7, 0.1, 0.1, 0.1]) == pytest.approx(
        -(np.log(0.7) + 3 * np.log(0.9)) / 4 / entropy
    )


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("weights", [None, [1, 2]])
def test_one_class_gives_nan_and_a_warning(label, weights):
    for function in (auc, normalized_entropy):
        with pytest.warns(UserWarning, match="not defined"):
            assert np.isnan(function([label, label], [0.1, 0.2], weights))


def test_one_class_without_the_rows_of_weight_0_gives_nan():
    for function in (auc, normalized_entropy):
        with pytest.warns(UserWarning, match="weight 0"):
            assert np.isnan(function([0, 1], [0.1, 0.2], [1, 0]))
    with pytest.warns(UserWarning, match="not defined"):
        assert np.isnan(pr_auc([0, 1], [0.1, 0.2], [1, 0]))


@pytest.mark.parametrize(
    ("labels", "scores", "weights", "message"),
    [
        ([1, 0], [0.5], None, "One score"),
        ([], [], None, "at least one row"),
        ([1, 2], [0.5, 0.5], None, "Labels must be 0 or 1"),
        ([1, 0], [0.5, np.nan], None, "NaN"),
        ([1, 0], [0.5, 0.5], [1], "One weight"),
        ([1, 0], [0.5, 0.5], [1, -1], "Weights must be finite, at least 0, .* Received: -1"),
        ([1, 0], [0.5, 0.5], [1, np.nan], "Weights must be finite"),
        ([1, 0], [0.5, 0.5], [0, 0], "only 0"),
    ],
)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_bad_rows_are_refused(function, labels, scores, weights, message):
    with pytest.raises(ValueError, match=message):
        function(labels, scores, weights)


@pytest.mark.parametrize("function", [log_loss, normalized_entropy])
def test_logits_are_no_probabilities(function):
    with pytest.raises(ValueError, match="sigmoid"):
        function([1, 0], [2.0, -1.0])
