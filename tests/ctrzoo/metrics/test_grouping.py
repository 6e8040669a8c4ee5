"""Blocks of whole groups against sorting by group, also where groups become alike and where one is large."""

import numpy as np
import pytest

from ctrzoo.metrics import auc, grouped_auc, grouped_metrics, grouping
from ctrzoo.metrics import rows as metric_rows
from ctrzoo.metrics.grouping import MULTIPLIER, by_group_and_score, whole_groups

NUMBERS = np.random.default_rng(0).integers(0, 40, 500)
# The products of these groups with the multiplier are 0, 1, 2, ...: their upper bits are the same.
ALIKE = (np.arange(40, dtype=np.uint64) * np.uint64(pow(int(MULTIPLIER), -1, 2**64))).view(np.int64)
APART = np.arange(40) * (2**63 // 41)
KINDS = {
    "numbers": NUMBERS,
    "bytes": NUMBERS.astype(np.int8) - 20,
    "texts": np.array([f"user {number}" for number in NUMBERS]),
    "wide": APART[NUMBERS],
    "alike": ALIKE[NUMBERS],
    "some alike": np.where(np.arange(40) < 30, APART, ALIKE)[NUMBERS],
    "unsigned": ALIKE.view(np.uint64)[NUMBERS],
    "two": NUMBERS > 20,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1 << 16, 50, 3])
@pytest.mark.parametrize("piece", [1 << 18, 100, 2])
def test_blocks_hold_each_group_once_and_whole(kind, size, piece, monkeypatch):
    monkeypatch.setattr(metric_rows, "BLOCK", size)
    monkeypatch.setattr(grouping, "PIECE", piece)
    groups, values = KINDS[kind], np.arange(500, dtype=np.uint64)
    seen, rows = set(), []
    for block in whole_groups(groups, values.__getitem__):
        found = groups[block.values.astype(np.int64)]
        first = found[block.firsts].tolist()
        assert len(set(first)) == len(first) and not seen & set(first)
        np.testing.assert_array_equal(np.array(first)[block.groups], found)
        np.testing.assert_array_equal(np.searchsorted(block.groups, np.arange(len(first))), block.firsts)
        seen |= set(first)
        rows += block.values.tolist()
    assert sorted(rows) == list(range(500))


def test_blocks_have_about_the_size_that_is_set(monkeypatch):
    monkeypatch.setattr(metric_rows, "BLOCK", 50)
    assert (
        max(len(block.values) for block in whole_groups(KINDS["wide"], np.arange(500, dtype=np.uint64).__getitem__))
        <= 50
    )


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_rows_are_ordered_by_group_and_falling_score(dtype):
    groups, scores = np.sort(NUMBERS), np.random.default_rng(1).integers(-9, 9, 500).astype(dtype)
    order, is_new = by_group_and_score(groups, scores)
    assert sorted(order.tolist()) == list(range(500))
    pairs = list(zip(groups[order].tolist(), (-scores[order]).tolist(), strict=True))
    assert pairs == sorted(pairs)
    assert is_new.tolist() == [row == 0 or pairs[row] != pairs[row - 1] for row in range(500)]


@pytest.mark.parametrize("weighted", [False, True])
def test_one_group_larger_than_a_block_has_the_auc_of_its_rows(weighted):
    random = np.random.default_rng(2)
    labels, scores = random.integers(0, 2, 150_000), random.random(150_000, dtype=np.float32).round(4)
    weights = random.random(150_000, dtype=np.float32) if weighted else None
    for groups in (np.zeros(150_000, np.int64), np.where(np.arange(150_000) < 149_000, 2**62, -(2**62))):
        in_first = groups == groups[0]
        sizes, aucs = [], []
        for rows in (in_first, ~in_first):
            if rows.any():
                of_rows = None if weights is None else weights[rows]
                sizes.append(rows.sum() if of_rows is None else of_rows.sum(dtype=np.float64))
                aucs.append(auc(labels[rows], scores[rows], of_rows))
        expected = np.average(aucs, weights=sizes)
        assert grouped_auc(labels, scores, groups, weights) == pytest.approx(expected, rel=1e-12)
        assert grouped_metrics(labels, scores, groups, weights).grouped_auc == pytest.approx(expected, rel=1e-12)
