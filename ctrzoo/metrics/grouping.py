"""The rows of a split group by group, in blocks of whole groups: sorted without `argsort`, which is many times slower.

Rows are divided by a hash of their group first. Each part then fits into the processor's cache, where rows are sorted
and moved several times faster than in memory. What is sorted are integers that hold a group, or a group and a score,
and the number of the row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ctrzoo.metrics import rows as rows_of
from ctrzoo.metrics.rows import sortable

# 2^64 divided by the golden ratio, odd: products of it with different groups differ, and nearly all in the upper bits.
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
MOST_PARTS = 256  # whose numbers, of 8 bits, NumPy sorts by counting
PIECE = 1 << 18  # rows that are divided at a time
# Rows are copied to be divided. Half of the parts at a time need half of the memory.
PASSES = 2


class GroupedRows(NamedTuple):
    """Rows of some whole groups, group by group.

    Args:
        groups: The number of each row's group within the block, from 0, `(rows,)`.
        firsts: The first row of each group, `(groups,)`.
        values: The value of each row, uint64 `(rows,)`.
    """

    groups: np.ndarray
    firsts: np.ndarray
    values: np.ndarray


def whole_groups(groups: np.ndarray, values: Callable[[slice], np.ndarray]) -> Iterator[GroupedRows]:
    """Yield the rows of some whole groups at a time, at most `BLOCK` rows or one larger group.

    Args:
        groups: The group of each row, whole numbers or text, `(rows,)`.
        values: Returns what to yield of some rows, uint64 `(rows,)`. It is called again for the same rows.

    >>> groups, values = np.array([7, 5, 7]), np.array([1, 2, 3], np.uint64)
    >>> [(block.groups.tolist(), block.values.tolist()) for block in whole_groups(groups, values.__getitem__)]
    [([0, 1, 1], [2, 1, 3])]
    """
    if groups.dtype.kind not in "iub":
        groups = np.unique(groups, return_inverse=True)[1]
    for keys, values_of_part in _parts(groups, values):
        order, keys = _by_key(keys)
        is_new = np.ones(len(keys), bool)
        np.not_equal(keys[1:], keys[:-1], out=is_new[1:])
        number, firsts = np.cumsum(is_new), np.flatnonzero(is_new)
        for first, last in _blocks(firsts, len(keys)):
            start, stop = firsts[first], firsts[last] if last < len(firsts) else len(keys)
            value = values_of_part.take(order[start:stop])
            yield GroupedRows(number[start:stop] - number[start], firsts[first:last] - start, value)


def _parts(groups, values):
    """Yield the keys and the values of rows in parts of whole groups. Groups of a part have different keys."""
    bits = min((len(groups) // PIECE).bit_length(), MOST_PARTS.bit_length() - 1)
    pieces = [slice(start, start + PIECE) for start in range(0, len(groups), PIECE)]
    part = np.zeros(len(groups), np.uint8)  # of each row
    if bits:
        for piece in pieces:
            part[piece] = _hashed(groups[piece]) >> np.uint64(64 - bits)
    counts = np.array([np.bincount(part[piece], minlength=1 << bits) for piece in pieces])
    passes = [wanted for wanted in np.array_split(np.arange(1 << bits), PASSES) if counts[:, wanted].any()]
    all_keys, all_values = np.empty((2, max(counts[:, wanted].sum() for wanted in passes)), np.uint64)
    for wanted in passes:
        counts_of_parts = counts[:, wanted]
        rows_of_parts = counts_of_parts.sum(axis=0)
        ends = np.cumsum(rows_of_parts)
        starts = (np.cumsum(counts_of_parts, axis=0) - counts_of_parts + ends - rows_of_parts).tolist()
        for piece, start, count in zip(pieces, starts, counts_of_parts, strict=True):
            part_of_row = part[piece]
            rows = np.flatnonzero((part_of_row >= wanted[0]) & (part_of_row <= wanted[-1]))
            rows = rows.take(np.argsort(part_of_row.take(rows), kind="stable"))
            keys = (_hashed(groups[piece]) << np.uint64(bits)).take(rows)
            moved = values(piece).take(rows)
            first = 0
            for to, number in zip(start, count.tolist(), strict=True):
                all_keys[to : to + number] = keys[first : first + number]
                all_values[to : to + number] = moved[first : first + number]
                first += number
        for start, end in zip((ends - rows_of_parts).tolist(), ends.tolist(), strict=True):
            if end > start:
                yield all_keys[start:end], all_values[start:end]


def _hashed(groups):
    """Return groups times `MULTIPLIER` modulo 2^64: the upper bits differ for nearly all, all bits for all of them."""
    return groups.astype(np.uint64) * MULTIPLIER


def _by_key(keys):
    """Return an order in which equal keys are neighbors, and the keys in it: upper bits and row numbers are sorted."""
    for_rows = np.uint64((len(keys) - 1).bit_length())
    upper = keys >> for_rows << for_rows
    packed = upper | np.arange(len(keys), dtype=np.uint64)
    packed.sort()
    order = (packed & (np.uint64(1) << for_rows) - np.uint64(1)).view(np.int64)  # `take` would copy others
    packed >>= for_rows
    in_order = keys.take(order)
    is_mixed = (packed[1:] == packed[:-1]) & (in_order[1:] != in_order[:-1])  # different keys with the same upper bits
    if is_mixed.any():
        order = np.argsort(keys)
        in_order = keys.take(order)
    return order, in_order


def _blocks(firsts, rows):
    """Yield the first group of each block and that of the next one, given the first row of each group."""
    first = 0
    while first < len(firsts):
        stop = firsts[first] + rows_of.BLOCK
        last = len(firsts) if stop >= rows else int(np.searchsorted(firsts, stop, "right")) - 1
        last = max(last, first + 1)  # a group may be larger than a block
        yield first, last
        first = last


def by_group_and_score(groups: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the order by group and then by falling score, and which rows in that order begin another score or group.

    Args:
        groups: The number of each row's group, from 0, rising.
        scores: The score of each row.

    >>> [part.tolist() for part in by_group_and_score(np.array([0, 0, 1]), np.array([0.5, 2.0, 1.0], np.float32))]
    [[1, 0, 2], [True, True, True]]
    """
    is_new = np.ones(len(scores), bool)
    for_rows = (len(scores) - 1).bit_length()
    if scores.dtype != np.float32 or int(groups[-1]).bit_length() + for_rows > 32:
        order = np.lexsort((-scores.astype(np.float64), groups))
        scores = scores.take(order)
        is_new[1:] = (groups[1:] != groups[:-1]) | (scores[1:] != scores[:-1])
        return order, is_new
    packed = groups.astype(np.uint64)
    packed <<= np.uint64(32)
    packed |= sortable(-scores)
    packed <<= np.uint64(for_rows)
    packed |= np.arange(len(scores), dtype=np.uint64)
    packed.sort()
    order = (packed & np.uint64(2**for_rows - 1)).view(np.int64)
    packed >>= np.uint64(for_rows)
    np.not_equal(packed[1:], packed[:-1], out=is_new[1:])
    return order, is_new
