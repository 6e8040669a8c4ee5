"""Errors in columns and rows of a table that say which rows are wrong, so rows can be reported or skipped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl


class RowError(ValueError):
    """Rows that cannot be used.

    Args:
        rows: Indices of the rows within the current table, ascending.
        reason: What is wrong with the first row, and in which column.

    Attributes:
        advice: How to mend the table or its schema, if skipping rows is not the answer.
    """

    advice = ""

    def __init__(self, rows: Sequence[int] | np.ndarray, reason: str):
        super().__init__(f"Row {rows[0]}: {reason}")
        self.rows, self.reason = np.asarray(rows), reason


def unsupported(column: str, dtype: object) -> str:
    """Return the message for a column of a type that no field reads.

    >>> unsupported("month", "period")
    "Column 'month' holds period, which no field reads. Convert it to numbers or text, or leave the field out."
    """
    return (
        f"Column '{column}' holds {dtype}, which no field reads. Convert it to numbers or text, or leave the field out."
    )


def plain_cells(cells: pl.Series) -> pl.Series:
    """Return a column as numbers, times or text; codes and bytes become text.

    Times and durations are in microseconds, so texts and numbers do not depend on which library wrote the file: pandas
    2 counts nanoseconds, pandas 3 and polars microseconds.

    Raises:
        RowError: If bytes are not UTF-8 text.
        ValueError: If the cells are lists or structures.

    >>> plain_cells(pl.Series("site", ["a", None], dtype=pl.Categorical)).to_list()
    ['a', None]
    """
    if isinstance(cells.dtype, pl.BaseExtension):
        raise ValueError(unsupported(cells.name, cells.dtype.ext_name()))
    if cells.dtype.is_nested() or cells.dtype == pl.Object:
        raise ValueError(
            f"Column '{cells.name}' must hold one number or text per cell, not {cells.dtype}. Make lists of numbers or "
            "texts a field of the kind 'multivalued'. Leave other columns out, or unpack them."
        )
    if cells.dtype in (pl.Datetime, pl.Duration):
        cells = cells.dt.cast_time_unit("us")
        return cells.to_physical() if cells.dtype == pl.Duration else cells
    if cells.dtype not in (pl.Categorical, pl.Enum, pl.Binary):
        return cells
    try:
        return cells.cast(pl.String)
    except pl.exceptions.ComputeError:
        wrong = [row for row, cell in enumerate(cells) if cell and cell.decode(errors="ignore").encode() != cell]
        raise RowError(wrong, f"column '{cells.name}' is not UTF-8 text") from None
