"""What is wrong with rows of a table, so that the row can be named or left out."""

import numpy as np
import polars as pl


class RowError(ValueError):
    """Rows that cannot be used.

    Args:
        rows: Indices of the rows within the table at hand, rising.
        reason: What is wrong with the first of them, with its column.
    """

    def __init__(self, rows, reason):
        super().__init__(f"Row {rows[0]}: {reason}")
        self.rows, self.reason = np.asarray(rows), reason


def check_labels(cells):
    """Return labels as uint8 `(rows,)`.

    Raises:
        RowError: If a label is not 0 or 1.

    >>> check_labels(pl.Series("click", ["1", "0"]))
    array([1, 0], dtype=uint8)
    """
    numbers = cells.cast(pl.Float64, strict=False).fill_null(-1).to_numpy()
    wrong = np.flatnonzero((numbers != 0) & (numbers != 1))
    if len(wrong):
        cell = cells[int(wrong[0])]
        hint = " (a header in the wrong place?)" if cell == cells.name else ""
        cell = f"{cell:g}" if isinstance(cell, float) else repr(cell)
        raise RowError(wrong, f"the label '{cells.name}' must be 0 or 1, not {cell}{hint}")
    return numbers.astype(np.uint8)
