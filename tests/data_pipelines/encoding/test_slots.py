"""Ids of values in the slots of their rows."""

import numpy as np
import pytest

from ctrzoo.data_pipelines.encoding.slots import composed, decomposed, pad, to_global


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
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_rows_of_any_length_are_those_of_a_slow_loop(dtype, num_slots, keep):
    random = np.random.default_rng(0)
    lengths = random.integers(0, 5, 60)
    ids = random.integers(0, 4, lengths.sum()).astype(dtype)  # a fourth of the values is unknown
    weights = random.integers(1, 9, lengths.sum()).astype(np.float32)
    expected = slow_pad(lengths.tolist(), ids.tolist(), weights.tolist(), num_slots, keep)
    table, padded = pad(lengths, ids, weights, num_slots, keep)
    np.testing.assert_array_equal(table, expected[0])
    np.testing.assert_array_equal(padded, expected[1])
    assert table.dtype == dtype and padded.dtype == np.float32
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


@pytest.mark.parametrize(("values", "remainders"), [(1, 1), (10, 1), (10, 3), (12, 4), (13, 4), (5, 9), (97, 10)])
def test_each_value_has_a_pair_of_its_own(values, remainders):
    quotients = -(-values // remainders)
    local = np.arange(values + 1, dtype=np.int32)[:, None]
    ids = composed(local, 50, quotients, remainders)
    expected = [[0, 0]]
    for above in range(quotients):
        expected += [[50 + above, 50 + quotients + below] for below in range(remainders)]
    assert ids.tolist() == expected[: values + 1] and ids.dtype == np.int32
    assert decomposed(ids, 50, quotients, remainders).tolist() == local.tolist()


def test_local_ids_beyond_32_bits_do_not_wrap():
    local = np.array([[2**40, 0, 3], [2**40 - 1, 2**31 + 1, 0]])
    ids = composed(local, 1, 2**20, 2**20)
    assert ids.tolist() == [
        [2**20, 0, 1, 2**21, 0, 2**20 + 3],
        [2**20, 2**11 + 1, 0, 2**21 - 1, 2**20 + 1, 0],
    ]
    assert decomposed(ids, 1, 2**20, 2**20).tolist() == local.tolist()
