"""The rows of a split group by group, in blocks of whole groups: sorted without `argsort`, which is many times slower.

What is sorted are integers that hold a group, or a group and a score, and the number of the row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ctrzoo.metrics import rows as rows_of
from ctrzoo.metrics.rows import sortable

# 2^64 divided by the golden ratio, odd: the upper bits of a product with it differ for nearly all groups.
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class GroupedRows(NamedTuple):
    """Rows of some whole groups, group by group.

    Args:
        rows: Their numbers, `(rows,)`.
        groups: The number of each one's group within the block, from 0.
        flags: Whether each one is flagged.
    """

    rows: np.ndarray
    groups: np.ndarray
    flags: np.ndarray


def whole_groups(groups: np.ndarray, flags: np.ndarray | None = None) -> Iterator[GroupedRows]:
    """Yield the rows of some whole groups at a time, about `BLOCK` rows or one larger group.

    Args:
        groups: The group of each row, whole numbers or text, `(rows,)`.
        flags: A boolean for each row, which this sorts along: looking up millions of rows takes longer than sorting.

    >>> [(block.rows.tolist(), block.groups.tolist()) for block in whole_groups(np.array(["b", "a", "b"]))]
    [([1, 0, 2], [0, 1, 1])]
    """
    if groups.dtype.kind not in "iub":
        groups = np.unique(groups, return_inverse=True)[1]
    for_rows = (len(groups) - 1).bit_length()
    lower = np.uint64(2 ** (for_rows + 1) - 1)  # the bits of an integer that hold flag and row, the others the group
    packed, shared = _packed(groups, flags, for_rows)
    packed.sort()
    start = 0
    while start < len(packed):
        stop = _end_of_groups(packed, start, lower)
        part = packed[start:stop]
        rows, flag = part & (lower >> np.uint64(1)), (part >> np.uint64(for_rows) & np.uint64(1)).astype(bool)
        group = part & ~lower
        if len(shared) and np.searchsorted(shared, group[0]) < np.searchsorted(shared, group[-1], "right"):
            group = groups[rows]
            order = np.argsort(group)
            rows, flag, group = rows[order], flag[order], group[order]
        number = np.zeros(len(rows), np.int64)
        np.cumsum(group[1:] != group[:-1], out=number[1:])
        yield GroupedRows(rows, number, flag)
        start = stop


def _packed(groups, flags, for_rows):
    """Return integers of group, flag and row, and a sorted array of those of groups that share one with another."""
    lowest, highest = int(groups.min()), int(groups.max())
    free = np.uint64(for_rows + 1)
    is_exact = highest - lowest < 2 ** (63 - for_rows)
    shared = np.empty(0, np.uint64) if is_exact else _shared(groups, free)
    packed = np.empty(len(groups), np.uint64)
    start = 0
    for piece in rows_of.blocks(packed):
        block = groups[start : start + len(piece)]
        piece[:] = block.astype(np.uint64)  # modulo 2^64
        if is_exact:
            piece -= np.uint64(lowest % 2**64)
            piece <<= free
        else:
            _hash(piece, free)
        if flags is not None:
            piece |= flags[start : start + len(piece)].astype(np.uint64) << np.uint64(for_rows)
        piece |= np.arange(start, start + len(piece), dtype=np.uint64)
        start += len(piece)
    return packed, shared


def _hash(groups, free):
    """Replace groups, uint64, by upper bits that differ for nearly all of them; the lower ones stay free."""
    groups *= MULTIPLIER
    groups >>= free
    groups <<= free


def _shared(groups, free):
    """Return what several groups become alike by `_hash`, sorted."""
    distinct = groups.astype(np.uint64)
    distinct.sort()
    is_new = np.ones(len(distinct), bool)
    np.not_equal(distinct[1:], distinct[:-1], out=is_new[1:])
    distinct = distinct[is_new]
    _hash(distinct, free)
    distinct.sort()
    return np.unique(distinct[1:][distinct[1:] == distinct[:-1]])


def _end_of_groups(packed, start, lower):
    """Return where a block ends that begins at a group: before a group, at most `BLOCK` rows later if possible."""
    stop = start + rows_of.BLOCK
    if stop >= len(packed):
        return len(packed)
    first = int(np.searchsorted(packed, packed[stop] & ~lower))  # of the group that the block would cut
    return first if first > start else int(np.searchsorted(packed, packed[start] | lower, "right"))


def by_group_and_score(groups: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the order by group and then by falling score.

    Args:
        groups: The number of each row's group, from 0, rising.
        scores: The score of each row.

    >>> by_group_and_score(np.array([0, 0, 1]), np.array([0.5, 2.0, 1.0], np.float32)).tolist()
    [1, 0, 2]
    """
    for_rows = (len(scores) - 1).bit_length()
    if scores.dtype != np.float32 or int(groups[-1]).bit_length() + for_rows > 32:
        return np.lexsort((-scores.astype(np.float64), groups))
    packed = groups.astype(np.uint64)
    packed <<= np.uint64(32)
    packed |= sortable(-scores)
    packed <<= np.uint64(for_rows)
    packed |= np.arange(len(scores), dtype=np.uint64)
    packed.sort()
    return packed & np.uint64(2**for_rows - 1)
