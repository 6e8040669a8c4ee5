"""Errors of predicted numbers equal their definitions and scikit-learn."""

import numpy as np
import pytest

from ctrzoo.metrics import mae, rmse
from ctrzoo.metrics import rows as metric_rows


@pytest.mark.parametrize("weighted", [False, True])
def test_errors_equal_scikit_learn_in_any_blocks(weighted, monkeypatch):
    sklearn = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(2)
    labels, predictions = random.normal(size=(2, 300))
    weights = random.integers(0, 3, 300) if weighted else None
    for size in (1 << 20, 7):
        monkeypatch.setattr(metric_rows, "BLOCK", size)
        assert rmse(labels, predictions, weights) == pytest.approx(
            sklearn.root_mean_squared_error(labels, predictions, sample_weight=weights), rel=1e-12
        )
        assert mae(labels, predictions, weights) == pytest.approx(
            sklearn.mean_absolute_error(labels, predictions, sample_weight=weights), rel=1e-12
        )


def test_errors_by_hand():
    assert rmse([1, 3], [2, 5]) == pytest.approx(np.sqrt(2.5))
    assert mae([1, 3], [2, 5], [3, 1]) == 1.25


def test_large_float32_numbers_keep_their_digits():
    labels = np.array([1e8, 1e8], np.float32)
    assert rmse(labels, labels + np.float32(8)) == 8


@pytest.mark.parametrize("function", [rmse, mae])
def test_labels_must_be_finite(function):
    with pytest.raises(ValueError, match="Labels must be finite numbers. Received: nan"):
        function([np.nan, 1], [1, 1])
