"""Ids of the values of a field, in the slots of its rows."""

from __future__ import annotations

import numpy as np


def to_global(local: np.ndarray, first_id: int) -> np.ndarray:
    """Turn local ids of a field into global ones; 0 stays 0."""
    return np.where(local > 0, local + np.int32(first_id - 1), 0).astype(np.int32, copy=False)


def composed(local: np.ndarray, first_id: int, quotients: int, remainders: int) -> np.ndarray:
    """Turn local ids of a compositional field into global ids of quotients and remainders; 0 stays 0.

    Args:
        local: Local ids, `(rows, values)`.
        first_id: The first global id of the field.
        quotients: Number of quotients, whose ids come first.
        remainders: Number of remainders.

    Returns:
        int32 `(rows, 2 * values)`: the ids of all quotients of a row, then those of all remainders.

    >>> composed(np.array([[1], [4], [6], [0]]), 10, quotients=2, remainders=3).tolist()
    [[10, 12], [11, 12], [11, 14], [0, 0]]
    """
    numbers = local.astype(np.int64) - 1
    ids = np.concatenate([first_id + numbers // remainders, first_id + quotients + numbers % remainders], axis=1)
    return np.where(np.tile(local, 2) > 0, ids, 0).astype(np.int32)


def decomposed(ids: np.ndarray, first_id: int, quotients: int, remainders: int) -> np.ndarray:
    """Invert `composed`: return local ids, int64 `(rows, values)`.

    >>> decomposed(np.array([[10, 12], [11, 12], [11, 14], [0, 0]]), 10, quotients=2, remainders=3).tolist()
    [[1], [4], [6], [0]]
    """
    above, below = np.split(np.asarray(ids, np.int64), 2, axis=1)
    local = 1 + (above - first_id) * remainders + below - (first_id + quotients)
    return np.where(above > 0, local, 0)


def pad(
    lengths: np.ndarray, ids: np.ndarray, weights: np.ndarray | None, num_slots: int, keep: str = "first"
) -> tuple[np.ndarray, np.ndarray | None]:
    """Put the ids of all rows, one after the other, into `(rows, num_slots)`, absent ones and the surplus left out.

    Args:
        lengths: Number of ids of each row, the absent among them.
        ids: The ids, int32 or int64; 0 is absent.
        weights: Their weights, if there are any.
        num_slots: The most ids kept of a row.
        keep: Whether to keep the `"first"` or the `"last"` of them.

    Returns:
        The ids `(rows, num_slots)` and the weights likewise, None if there are none.
    """
    rows = np.repeat(np.arange(len(lengths)), lengths)
    present = ids > 0
    rows, ids = rows[present], ids[present]
    # Position of each id among those of its row; rows are sorted.
    slots = np.arange(len(rows)) - np.searchsorted(rows, rows)
    if keep == "last":
        slots -= np.maximum(np.bincount(rows, minlength=len(lengths)) - num_slots, 0)[rows]
    kept = (slots >= 0) & (slots < num_slots)
    table = np.zeros((len(lengths), num_slots), ids.dtype)
    table[rows[kept], slots[kept]] = ids[kept]
    if weights is None:
        return table, None
    padded = np.zeros((len(lengths), num_slots), np.float32)
    padded[rows[kept], slots[kept]] = weights[present][kept]
    return table, padded
