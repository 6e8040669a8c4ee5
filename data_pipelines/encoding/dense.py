"""Cells of dense vectors as matrices of numbers, from lists, from text, or from several columns."""

from __future__ import annotations

import re
import typing
from collections.abc import Sequence

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from ..errors import RowError, plain_cells
from .cell_types import SPACES
from .cells import LIST, LIST_ENDS, UNIT, numbers_of, present

if typing.TYPE_CHECKING:
    from .specification import FieldSpecification

# What is between two numbers of a list, as pandas, NumPy or JSON writes it.
BETWEEN_NUMBERS = r"[\s\p{Z}]*,[\s\p{Z}]*|[\s\p{Z}]+"
NUMBERS = pa.large_list(pa.float64())


def matrix_of(field: FieldSpecification, columns: Sequence[pl.Series]) -> np.ndarray:
    """Return the numbers of a vector field, float64 `(rows, length)`; a row of NaN is a missing cell.

    The length is the field's, otherwise that of most cells; it is 0 if all cells are missing.

    Args:
        field: The field.
        columns: Its raw columns: one of lists or texts, or several of numbers.

    Raises:
        RowError: If a number is missing or not finite, or a cell has another number of them.
        ValueError: If a cell is neither a list nor text.

    >>> from ctrzoo.data_pipelines.encoding.specification import FieldSpecification
    >>> field = FieldSpecification("emb", "vector", separator=";")
    >>> matrix_of(field, [pl.Series("emb", ["0.5;1", "[2, 3]", ""])]).tolist()
    [[0.5, 1.0], [2.0, 3.0], [nan, nan]]
    """
    return _side_by_side(field, columns) if field.columns else _of_lists(field, columns[0])


def between_numbers(separator: str) -> str:
    """Return a regular expression of what is between two numbers of a text, spaces among it."""
    return rf"[\s\p{{Z}}]*{re.escape(separator)}[\s\p{{Z}}]*" if separator.strip() else r"[\s\p{Z}]+"


def length_of(field: FieldSpecification, lengths: Sequence[int]) -> int:
    """Return the length of a field's vectors, of which parts were read.

    Args:
        field: The field.
        lengths: The length in each part, 0 where all cells are missing.

    Raises:
        ValueError: If no part has a vector, or they differ.
    """
    if field.length or field.columns:
        return field.length or len(field.columns)
    found = sorted(set(lengths) - {0})
    if not found:
        raise ValueError(f"Field '{field.name}': no cell holds a vector. Set `length`, or leave the field out.")
    if len(found) > 1:
        raise ValueError(f"Field '{field.name}': vectors have {found[0]} or {found[1]} numbers. Set `length` to one.")
    return found[0]


def _side_by_side(field, columns):
    numbers = np.stack([numbers_of(present(field, cells)) for cells in columns], axis=1)
    is_missing = np.isnan(numbers)
    partly = np.flatnonzero(is_missing.any(axis=1) & ~is_missing.all(axis=1))
    if len(partly):
        which = columns[int(np.argmax(is_missing[partly[0]]))].name
        raise RowError(partly, f"column '{which}' is empty, but other `columns` of field '{field.name}' are not")
    return _storable(numbers, [str(cells.name) for cells in columns])


def _of_lists(field, cells):
    lists = _lists(field, cells)
    lengths = lists.list.len().fill_null(0).to_numpy().astype(np.int64)
    values = plain_cells(lists.filter(pl.Series(lengths > 0)).explode().alias(cells.name))
    rows = np.repeat(np.arange(len(lengths)), lengths)
    numbers = values.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        example = values[int(wrong[0])]
        # A cell of one text may mark a missing one, as `NULL` does.
        what = "vectors of finite numbers" if lengths[rows[wrong[0]]] > 1 else "finite numbers"
        raise RowError(np.unique(rows[wrong]), f"column '{cells.name}' must hold {what}, not {example!r}")
    length = field.length or int(np.bincount(lengths[lengths > 0]).argmax() if len(values) else 0)
    wrong = np.flatnonzero((lengths > 0) & (lengths != length))
    if len(wrong):
        has = lengths[wrong[0]]
        raise RowError(wrong, f"column '{cells.name}' must hold vectors of {length} numbers, not of {has}")
    matrix = np.full((len(lengths), length), np.nan)
    matrix[lengths > 0] = numbers.reshape(-1, length) if length else 0
    return _storable(matrix, [str(cells.name)] * length)


def _lists(field, cells):
    """Return the numbers of each cell as a list; null or empty if the cell is missing."""
    if isinstance(cells.dtype, (pl.List, pl.Array)):
        return cells.cast(pl.List(cells.dtype.inner))
    texts = plain_cells(cells)
    if texts.dtype not in (pl.String, pl.Null):
        raise ValueError(
            f"Column '{cells.name}' must hold vectors, which are lists of numbers or text such as '0.1{field.separator}"
            f"0.2', not {cells.dtype}. Set `kind: numerical` for single numbers, or name several `columns`."
        )
    texts = present(field, texts.cast(pl.String)).str.replace_all(SPACES, "").replace("", None)
    is_list = texts.str.contains(LIST).fill_null(False)
    listed = texts.str.replace_all(LIST_ENDS, "").str.replace_all(BETWEEN_NUMBERS, UNIT).replace("", None)
    return listed.zip_with(is_list, texts.str.replace_all(between_numbers(field.separator), UNIT)).str.split(UNIT)


def _storable(numbers, names):
    """Return numbers that float32 can hold."""
    wrong = np.argwhere(np.abs(numbers) > np.finfo(np.float32).max)
    if len(wrong):
        row, place = wrong[0]
        most = f"numbers of at most {np.finfo(np.float32).max:.2g}, not {numbers[row, place]:g}"
        raise RowError(np.unique(wrong[:, 0]), f"column '{names[place]}' must hold {most}")
    return numbers


def stored_matrix(numbers: np.ndarray, length: int) -> np.ndarray:
    """Return the numbers of vectors as the model takes them, float32 `(rows, length)`, zeros where one is missing.

    Args:
        numbers: What `matrix_of` returned.
        length: The length of the field.
    """
    if not numbers.shape[1]:
        return np.zeros((len(numbers), length), np.float32)
    return np.where(np.isnan(numbers), 0, numbers).astype(np.float32)


def vectors_of(name: str, cells: pd.Series | np.ndarray | Sequence) -> pl.Series:
    """Convert a column of lists, arrays or texts to a series of lists or texts; None and NaN are null.

    Args:
        name: Name of the series.
        cells: A pandas series, a list, or a matrix `(rows, length)`, in which a row of NaN is missing.

    Raises:
        RowError: If a cell is neither of these.

    >>> vectors_of("emb", [[0.5, 1], None]).to_list()
    [[0.5, 1.0], None]
    """
    if isinstance(cells, np.ndarray) and cells.ndim == 2 and cells.dtype.kind in "fiub":
        rows = [None if np.isnan(row).all() else row for row in cells.astype(np.float64)]
        return pl.Series(name, pa.array(rows, NUMBERS))
    lists = []
    for row, cell in enumerate(cells):
        if cell is None or cell is pd.NA or isinstance(cell, float) and cell != cell:
            lists.append(None)
        elif isinstance(cell, (str, bytes)):
            lists.append(cell if isinstance(cell, str) else cell.decode(errors="replace"))
        elif np.ndim(cell) == 1:
            lists.append(cell)
        else:
            raise RowError([row], f"column '{name}' must hold vectors, which are lists of numbers, not {cell!r}")
    are_texts = [isinstance(cell, str) for cell in lists if cell is not None]
    if any(are_texts) and not all(are_texts):
        raise ValueError(f"Column '{name}' must hold lists or texts, not both. Write all cells in one way.")
    if all(are_texts):
        return pl.Series(name, lists, dtype=pl.String)
    try:
        numbers = [None if cell is None else np.asarray(cell, np.float64) for cell in lists]
        return pl.Series(name, pa.array(numbers, NUMBERS))
    except (TypeError, ValueError):  # texts among the numbers, which are named by whoever reads them
        texts = [None if cell is None else [str(number) for number in cell] for cell in lists]
        return pl.Series(name, texts, dtype=pl.List(pl.String))
