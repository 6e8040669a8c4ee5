"""Raw cells as numbers, texts and the values of multi-valued cells; missing, empty and NaN are alike."""

from __future__ import annotations

import typing

import numpy as np
import polars as pl

from ..errors import RowError, plain_cells
from .cell_types import SPACES, number_texts, time_texts

if typing.TYPE_CHECKING:
    import pyarrow as pa

    from .field import FieldEncoding
    from .specification import FieldSpecification


def present(field: FieldSpecification, cells: pl.Series) -> pl.Series:
    """Return cells with null for each that holds one of the field's texts for a missing cell.

    A number is compared as a number: `"-1"` stands for -1 and -1.0. Of multi-valued cells only whole ones are compared.

    >>> from ctrzoo.data_pipelines.encoding.specification import FieldSpecification
    >>> present(FieldSpecification("price", "numerical", missing_texts=("-1",)), pl.Series([2.5, -1.0])).to_list()
    [2.5, None]
    """
    if not field.missing_texts or cells.dtype.is_nested():
        return cells
    cells = plain_cells(cells)
    texts = pl.Series(field.missing_texts, dtype=pl.String)
    is_missing = plain_texts(cells).is_in(texts.implode()).fill_null(False)
    if cells.dtype.is_numeric() or field.reads_numbers:
        markers = texts.cast(pl.Float64, strict=False).drop_nulls()
        is_missing |= cells.cast(pl.Float64, strict=False).is_in(markers.implode()).fill_null(False)
    return cells.set(is_missing, None)


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
    if field.reads_times:
        return field.clock.texts(cells)
    cells = present(field, cells)
    if field.transform:
        buckets = field.transformer.transform(numbers_of(cells))
        return pl.Series(buckets).fill_nan(None).cast(pl.Int64).cast(pl.String)
    return written_texts(field, cells)


def written_texts(field: FieldSpecification, cells: pl.Series) -> pl.Series:
    """Return cells as text. Times are written in UTC, unless the field takes texts as they are written."""
    if field.type is not None and cells.dtype == pl.Datetime:
        return time_texts(cells.dt.cast_time_unit("us"))
    return plain_texts(cells)


def plain_texts(cells: pl.Series) -> pl.Series:
    """Write cells as text, whole numbers without a point: columns with gaps hold 7 as 7.0, decimals as 7.00."""
    cells = plain_cells(cells)
    if cells.dtype.is_decimal():
        return cells.cast(pl.String).str.replace(r"(\.\d*?)0+$", "$1").str.strip_suffix(".")
    if cells.dtype == pl.String:
        return cells.replace("", None)
    if cells.dtype.is_float():
        return number_texts(cells)
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
        their weights (float32, None if the field has none). Empty values are left out, but those of a sequence are
        null, unless they are all that the cell has.

    Raises:
        RowError: If a value is not text, or a weight not a finite number.
        ValueError: If a value is a list or structure itself.
    """
    is_text = not isinstance(cells.dtype, (pl.List, pl.Array))
    if isinstance(cells.dtype, (pl.List, pl.Array)):
        lists = cells.cast(pl.List(cells.dtype.inner))
    else:
        lists = split_texts(field, written_texts(field, present(field, cells)))
    rows = pl.DataFrame({"row": np.arange(len(lists), dtype=np.int64), "token": lists})
    rows = rows.explode("token")
    try:
        tokens = written_texts(field, rows["token"].alias(cells.name))
        if is_text and field.type is not None:
            tokens = tokens.str.replace_all(SPACES, "").replace("", None)
        rows = rows.with_columns(tokens.alias("token"))
        if field.kind == "sequence":
            rows = rows.filter(pl.col("token").is_not_null() | (pl.len().over("row") > 1))
        else:
            rows = rows.drop_nulls("token")
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


# A cell that is written as a list, such as by pandas or JSON; its ends; what is between two values of which one is in
# quotes; the quotes at the ends. A serving graph takes the same steps.
LIST = r"(?s)^[\s\p{Z}]*\[.*\][\s\p{Z}]*$"
LIST_ENDS = r"^[\s\p{Z}]*\[[\s\p{Z}]*|[\s\p{Z}]*\][\s\p{Z}]*$"
BETWEEN_QUOTED = r"""['"][\s\p{Z}]*,[\s\p{Z}]*['"]?|,[\s\p{Z}]*['"]"""
QUOTES = r"""^['"]|['"]$"""
# Separates values where the separator may be a part of a value.
UNIT = "\x1f"


def split_texts(field: FieldSpecification, texts: pl.Series) -> pl.Series:
    """Split multi-valued cells of text into lists of values.

    A cell in square brackets is the list that it looks like: `[1, 2]` and `['a', 'b']` hold two values each. A field
    without a `type` is split at its separator only, as in version 0.1.

    >>> from ctrzoo.data_pipelines.encoding.specification import FieldSpecification
    >>> tags = FieldSpecification("tags", "multivalued", separator=";", type="text")
    >>> split_texts(tags, pl.Series(["a;b", "['c', 'd, e']", "[1,2]"])).to_list()
    [['a', 'b'], ['c', 'd, e'], ['1', '2']]
    """
    is_list = texts.str.contains(LIST).fill_null(False)
    if field.type is None or not is_list.any():
        return texts.str.split(field.separator)
    inside = texts.str.replace_all(LIST_ENDS, "")
    quoted = inside.str.replace_all(BETWEEN_QUOTED, UNIT).str.replace_all(QUOTES, "")
    listed = quoted.zip_with(inside.str.contains("['\"]"), inside.str.replace_all(",", UNIT, literal=True))
    return listed.zip_with(is_list, texts.str.replace_all(field.separator, UNIT, literal=True)).str.split(UNIT)
