"""Raw cells as numbers, texts and the values of multi-valued cells; missing, empty and NaN are alike."""

from __future__ import annotations

import typing

import numpy as np
import polars as pl

from ..errors import RowError, plain_cells

if typing.TYPE_CHECKING:
    import pyarrow as pa

    from .field import FieldEncoding


def numbers_of(cells: pl.Series) -> np.ndarray:
    """Return cells as float64, NaN where a cell is missing, empty or NaN.

    Raises:
        RowError: If a cell is not a finite number.
        ValueError: If the cells are lists or structures.
    """
    cells = plain_cells(cells)
    if cells.dtype == pl.String:
        cells = cells.str.strip_chars().replace("", None)
    numbers = cells.cast(pl.Float64, strict=False)
    values = numbers.fill_null(np.nan).to_numpy()
    wrong = np.isinf(values)
    if cells.null_count() < numbers.null_count():
        wrong |= (numbers.is_null() & cells.is_not_null()).to_numpy()
    if wrong.any():
        rows = np.flatnonzero(wrong)
        raise RowError(rows, f"column '{cells.name}' must hold finite numbers, not {cells[int(rows[0])]!r}")
    return values


def _finite(weights):
    """Return weights as float32; unlike a number, a weight cannot be missing."""
    with np.errstate(over="ignore"):
        numbers = numbers_of(weights).astype(np.float32)
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        raise RowError(wrong, f"column '{weights.name}' must hold finite numbers, not {weights[int(wrong[0])]!r}")
    return numbers


def texts_of(field: FieldEncoding, cells: pl.Series) -> pl.Series:
    """Return the categories of a categorical field as text, null where a cell is missing."""
    if field.transform:
        buckets = field.transformer.transform(numbers_of(cells))
        return pl.Series(buckets).fill_nan(None).cast(pl.Int64).cast(pl.String)
    return plain_texts(cells)


def plain_texts(cells: pl.Series) -> pl.Series:
    """Write cells as text, whole numbers without a point: columns with gaps hold 7 as 7.0, decimals as 7.00."""
    cells = plain_cells(cells)
    if cells.dtype.is_decimal():
        return cells.cast(pl.String).str.replace(r"(\.\d*?)0+$", "$1").str.strip_suffix(".")
    if cells.dtype == pl.String:
        return cells.replace("", None)
    if cells.dtype.is_float():
        whole = cells.is_finite() & (cells == cells.round()) & (cells.abs() < 2**63)
        numbers = cells.fill_nan(None)
        frame = pl.DataFrame({"whole": whole, "number": numbers})
        as_integer = pl.col("number").cast(pl.Int64, strict=False).cast(pl.String)
        text = pl.when("whole").then(as_integer).otherwise(pl.col("number").cast(pl.String))
        return frame.select(text.alias("text"))["text"]
    return cells.cast(pl.String).replace("", None)


def codes_of(texts: pl.Series | pa.Array) -> tuple[np.ndarray, pl.Series]:
    """Return `(codes, uniques)`: each text's index in a series of the different ones, null among them.

    Args:
        texts: A polars series or a `pyarrow.Array`.
    """
    encoded = (texts.to_arrow() if isinstance(texts, pl.Series) else texts).dictionary_encode(null_encoding="encode")
    return encoded.indices.to_numpy(zero_copy_only=False), pl.Series(encoded.dictionary, dtype=pl.String)


def tokens_of(field: FieldEncoding, cells: pl.Series) -> tuple[np.ndarray, pl.Series, np.ndarray | None]:
    """Split multi-valued cells.

    Returns:
        The number of values of each row `(rows,)`, the texts of all rows one after the other, and
        their weights (float32, None if the field has none). Empty values are left out.

    Raises:
        RowError: If a value is not text, or a weight not a finite number.
        ValueError: If a value is a list or structure itself.
    """
    if isinstance(cells.dtype, (pl.List, pl.Array)):
        lists = cells.cast(pl.List(cells.dtype.inner))
    else:
        lists = plain_texts(cells).str.split(field.separator)
    rows = pl.DataFrame({"row": np.arange(len(lists), dtype=np.int64), "token": lists})
    rows = rows.explode("token")
    try:
        rows = rows.with_columns(plain_texts(rows["token"].alias(cells.name)).alias("token")).drop_nulls("token")
    except RowError as error:
        raise RowError(np.unique(rows["row"].to_numpy()[error.rows]), error.reason) from None
    weights = None
    if field.is_weighted:
        parts = rows["token"].str.split_exact(field.weight_separator, 1).struct.unnest()
        rows = rows.with_columns(parts["field_0"].alias("token"))
        weights = parts["field_1"].alias(cells.name).fill_null("1")
        try:
            weights = _finite(weights)
        except RowError as error:
            raise RowError(np.unique(rows["row"].to_numpy()[error.rows]), f"weights: {error.reason}") from None
    lengths = np.bincount(rows["row"].to_numpy(), minlength=len(lists))
    return lengths, rows["token"], weights
