"""Rows are checked before any metric reads them."""

import numpy as np
import pytest

from ctrzoo.metrics.rows import blocks, checked, sortable, weight_blocks


def test_columns_become_rows():
    labels, scores, weights = checked([[1], [0]], [[0.5], [0.25]], [[2], [1]])
    assert (labels.tolist(), scores.tolist(), weights.tolist()) == ([True, False], [0.5, 0.25], [2, 1])


def test_numbers_stay_numbers():
    assert checked([1.5, -2], [0.5, 1], binary=False)[0].tolist() == [1.5, -2]
    with pytest.raises(ValueError, match="finite"):
        checked([np.inf, 1], [0.5, 1], binary=False)


def test_blocks_cover_all_rows(monkeypatch):
    monkeypatch.setattr("ctrzoo.metrics.rows.BLOCK", 3)
    assert [block.tolist() for block in blocks(np.arange(7))] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [block.tolist() for block in weight_blocks(None, 4)] == [[1, 1, 1], [1]]
    assert [block.dtype for block in weight_blocks(np.ones(2, int), 2)] == [np.float64]


def test_integers_have_the_order_of_the_numbers():
    numbers = np.array([-np.inf, -3e38, -2.5, -1e-45, -0.0, 0.0, 1e-45, 1.0, 3e38, np.inf], np.float32)
    assert [sorted(sortable(numbers).tolist()).index(code) for code in sortable(numbers).tolist()] == [
        *range(4), 4, 4, *range(6, 10)
    ]  # fmt: skip
