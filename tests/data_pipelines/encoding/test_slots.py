"""Ids of values in the slots of their rows."""

import numpy as np
import pytest

from ctrzoo.data_pipelines.encoding.slots import pad, to_global


def slow_pad(lengths, ids, weights, num_slots, keep):
    """Row by row: present ids first, the surplus left out, zeros at the end."""
    pairs, rows = iter(zip(ids, weights, strict=True)), []
    for length in lengths:
        present = [pair for pair in (next(pairs) for _ in range(length)) if pair[0] > 0]
        present = present[:num_slots] if keep == "first" else present[max(len(present) - num_slots, 0) :]
        rows.append(present + [(0, 0.0)] * (num_slots - len(present)))
    return [[[pair[part] for pair in row] for row in rows] for part in (0, 1)]


@pytest.mark.parametrize("keep", ["first", "last"])
@pytest.mark.parametrize("num_slots", [1, 2, 5])
def test_rows_of_any_length_are_those_of_a_slow_loop(num_slots, keep):
    random = np.random.default_rng(0)
    lengths = random.integers(0, 5, 60)
    ids = random.integers(0, 4, lengths.sum())  # a fourth of the values is unknown
    weights = random.integers(1, 9, lengths.sum()).astype(np.float32)
    expected = slow_pad(lengths.tolist(), ids.tolist(), weights.tolist(), num_slots, keep)
    table, padded = pad(lengths, ids, weights, num_slots, keep)
    np.testing.assert_array_equal(table, expected[0])
    np.testing.assert_array_equal(padded, expected[1])
    assert table.dtype == np.int32 and padded.dtype == np.float32
    table, padded = pad(lengths, ids, None, num_slots, keep)
    np.testing.assert_array_equal(table, expected[0])
    assert padded is None


def test_no_rows_and_rows_of_no_values():
    assert pad(np.array([], int), np.array([], int), None, 3)[0].shape == (0, 3)
    assert pad(np.array([0, 0]), np.array([], int), None, 2)[0].tolist() == [[0, 0], [0, 0]]


def test_global_ids_begin_at_the_first_id_and_zero_stays():
    found = to_global(np.array([[0, 1], [3, 0]], np.int32), 10)
    assert found.tolist() == [[0, 10], [12, 0]] and found.dtype == np.int32
    assert to_global(np.array([0, 1, 2]), 1).tolist() == [0, 1, 2]
