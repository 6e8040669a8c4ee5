"""Ids of the values of a field, in the slots of its rows."""

from __future__ import annotations

import numpy as np


def to_global(local: np.ndarray, first_id: int) -> np.ndarray:
    """Turn local ids of a field into global ones; 0 stays 0."""
    return np.where(local > 0, local + np.int32(first_id - 1), 0).astype(np.int32, copy=False)


def pad(
    lengths: np.ndarray, ids: np.ndarray, weights: np.ndarray | None, num_slots: int, keep: str = "first"
) -> tuple[np.ndarray, np.ndarray | None]:
    """Put the ids of all rows, one after the other, into `(rows, num_slots)`, absent ones and the surplus left out.

    Args:
        lengths: Number of ids of each row, the absent among them.
        ids: The ids, int32; 0 is absent.
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
    table = np.zeros((len(lengths), num_slots), np.int32)
    table[rows[kept], slots[kept]] = ids[kept]
    if weights is None:
        return table, None
    padded = np.zeros((len(lengths), num_slots), np.float32)
    padded[rows[kept], slots[kept]] = weights[present][kept]
    return table, padded
