"""The rows of a split group by group, in blocks of whole groups: sorted without `argsort`, which is many times slower.

What is sorted are integers that hold a group, or a group and a score, and the number of the row.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ctrzoo.metrics import rows as rows_of
from ctrzoo.metrics.rows import sortable

HALF = np.uint64(32)
LOW = np.uint64(2**32 - 1)
# 2^64 divided by the golden ratio, odd: the upper half of a product with it differs for nearly all groups.
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def whole_groups(groups: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the rows of some whole groups at a time, about `BLOCK` rows or one larger group.

    Args:
        groups: The group of each row, whole numbers or text, `(rows,)`.

    Yields:
        The numbers of the rows, group by group, and the number of each one's group within the block, from 0.

    Raises:
        ValueError: If there are 2^32 rows or more.

    >>> [(rows.tolist(), number.tolist()) for rows, number in whole_groups(np.array(["b", "a", "b"]))]
    [([1, 0, 2], [0, 1, 1])]
    """
    if len(groups) > LOW:
        raise ValueError(f"Metrics of groups take less than 2^32 rows. Received: {len(groups):,}.")
    if groups.dtype.kind not in "iub":
        groups = np.unique(groups, return_inverse=True)[1]
    packed, is_exact = _sorted_by_group(groups)
    start = 0
    while start < len(packed):
        stop = _end_of_groups(packed, start)
        upper, rows = packed[start:stop] >> HALF, packed[start:stop] & LOW
        if not is_exact:
            own = groups[rows]
            is_other = own[1:] != own[:-1]
            if (is_other & (upper[1:] == upper[:-1])).any():  # groups that share the upper half
                order = np.lexsort((own, upper))
                rows, own = rows[order], own[order]
                is_other = own[1:] != own[:-1]
        else:
            is_other = upper[1:] != upper[:-1]
        number = np.zeros(len(rows), np.int64)
        np.cumsum(is_other, out=number[1:])
        yield rows, number
        start = stop


def _sorted_by_group(groups):
    """Return `group << 32 | row`, sorted, and whether the upper halves are the groups, or else some may share one."""
    lowest, highest = int(groups.min()), int(groups.max())
    is_exact = highest - lowest < 2**32
    packed = np.empty(len(groups), np.uint64)
    start = 0
    for piece, block in zip(rows_of.blocks(packed), rows_of.blocks(groups), strict=True):
        piece[:] = block.astype(np.uint64)  # modulo 2^64
        if is_exact:
            piece -= np.uint64(lowest % 2**64)
            piece <<= HALF
        else:
            piece *= MULTIPLIER
            piece &= ~LOW
        piece |= np.arange(start, start + len(piece), dtype=np.uint64)
        start += len(piece)
    packed.sort()
    return packed, is_exact


def _end_of_groups(packed, start):
    """Return where a block ends that begins at a group: before a group, at most `BLOCK` rows later if possible."""
    stop = start + rows_of.BLOCK
    if stop >= len(packed):
        return len(packed)
    first = int(np.searchsorted(packed, packed[stop] & ~LOW))  # of the group that the block would cut
    return first if first > start else int(np.searchsorted(packed, packed[start] | LOW, "right"))


def by_group_and_score(number_of_group: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the order by group and then by falling score.

    Args:
        number_of_group: The number of each row's group, from 0, rising.
        scores: The score of each row.

    >>> by_group_and_score(np.array([0, 0, 1]), np.array([0.5, 2.0, 1.0], np.float32)).tolist()
    [1, 0, 2]
    """
    for_rows = (len(scores) - 1).bit_length()
    if scores.dtype != np.float32 or int(number_of_group[-1]).bit_length() + for_rows > 32:
        return np.lexsort((-scores, number_of_group))
    packed = number_of_group.astype(np.uint64)
    packed <<= HALF
    packed |= sortable(-scores)
    packed <<= np.uint64(for_rows)
    packed |= np.arange(len(scores), dtype=np.uint64)
    packed.sort()
    return packed & np.uint64(2**for_rows - 1)
