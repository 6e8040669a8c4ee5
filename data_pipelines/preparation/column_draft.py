"""What a column is drafted for, and why."""

from __future__ import annotations

import re
import typing

import numpy as np
import polars as pl

from ..encoding.cells import plain_texts
from ..encoding.dense import matrix_of
from ..encoding.specification import FieldSpecification
from ..errors import plain_cells
from .time_draft import draft_times, format_of, number_format_of

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config

# A column of numbers with fewer distinct values is treated as categorical.
FEW_VALUES = 30
# Larger whole numbers are hashes: a float does not hold them exactly.
LARGEST_NUMBER = 2.0**53
LARGEST_FLOAT = 3e38
# Texts that stand for a missing number.
MARKER = r"(?i)^(null|\(null\)|n/?a|#n/?a|<na>|nan|none|nil|undefined|missing|\\n|-|--|\?|\.|[-+]?inf(inity)?)$"
INDEX = r"^(\s*|Unnamed: \d+|__index_level_\d+__)$"
# A column is called an id if a word of its name is one of the first, or the last word is one of the others.
IDS = {"id", "ids", "uid", "uuid", "guid", "hash"}
NAMES_OF_IDS = set(
    "user users item items ad ads adgroup campaign creative advertiser publisher site app device query product sku "
    "category cat brand shop store seller city region country zip zipcode channel cookie session code movie gender "
    "type slot page position pos domain keyword segment cluster".split()
)
TIMES = {"timestamp", "ts", "date", "datetime", "day", "dt", "ds"}
# Seconds since 1970, in 2000 to 2040; also in thousandths, millionths and so on.
EPOCH = (9.4e8, 2.2e9)
EPOCH_FORMATS = {1: "epoch_seconds", 1000: "epoch_milliseconds"}
CLOCK = r"([T ]\d{1,2}:\d{2}.*)?$"
DATE = r"^(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})" + CLOCK
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
VECTOR = rf"^[\[\(]?\s*{NUMBER}(?:[\s,;|]+{NUMBER}){{2,}}\s*[\]\)]?$"
DECIMAL_COMMA = r"^[-+]?\d+,\d+$"
LIST = r"^\s*\[.*\]\s*$"
# Counts become rarer as they grow: the rank correlation of a value and its frequency is below this.
COUNTS_CORRELATION = -0.3
# Of a column that is left out, fewer rows hold a value that is frequent enough to be learned.
LEAST_LEARNABLE = 0.05


class ColumnDraft(typing.NamedTuple):
    """What a column is drafted for.

    Args:
        field: The entry of a schema; None if the column is left out.
        reason: Why.
        missing: Texts that mark a missing cell.
        split: What splits the table by this column, if it holds times.
        more: Further entries of the schema for the same column.
    """

    field: Config | None
    reason: str
    missing: tuple[str, ...] = ()
    split: Config | None = None
    more: tuple[Config, ...] = ()


def draft_column(cells: pl.Series, is_complete: bool = True) -> ColumnDraft:
    """Draft the field of a column.

    Whole numbers are categories if the column is called an id, if they are few or too large for a number, or if they
    repeat and large ones are as frequent as small ones: counts and amounts become rarer as they grow.

    Args:
        cells: Cells of the column.
        is_complete: Whether these are all cells.

    >>> draft_column(pl.Series("price", ["1.5", "NULL", "2.5"] * 99 + [str(n / 7) for n in range(99)])).missing
    ('NULL',)
    >>> draft_column(pl.Series("day", ["2024-06-01", "2024-06-02"])).field
    {'name': 'day_weekday', 'kind': 'categorical', 'column': 'day', 'part': 'weekday'}
    """
    name = {"name": cells.name}
    if re.match(INDEX, cells.name):
        return ColumnDraft(None, "pandas writes the index of a frame so")
    if isinstance(cells.dtype, (pl.List, pl.Array)):
        return _of_lists(name, cells)
    try:
        present = plain_cells(cells).drop_nulls()
    except ValueError:
        return ColumnDraft(None, f"no field takes cells of the type {cells.dtype}")
    if present.dtype == pl.String:
        present = present.str.strip_chars()
        present = present.filter(present != "")
    if not len(present):
        return ColumnDraft({**name, "kind": "categorical", "min_count": 2}, "all cells are empty")
    if present.dtype in (pl.Date, pl.Datetime):
        return _of_times(cells.name, present, None)
    if present.dtype == pl.String:
        markers = present.filter(present.str.contains(MARKER)).unique().sort()
        values = present.filter(~present.is_in(markers.implode()))
        numbers = values.cast(pl.Float64, strict=False)
        if len(values) and not numbers.null_count():
            draft = _of_numbers(name, values, numbers, len(cells), is_complete)
            refuses_texts = draft.field is not None and (draft.field["kind"] == "numerical" or "part" in draft.field)
            return draft._replace(missing=tuple(markers) if refuses_texts else ())
        formats = format_of(values)
        if len(formats) == 1:
            return _of_times(cells.name, values, formats[0], tuple(markers))
        if formats:
            either = " or ".join(repr(format) for format in formats)
            return ColumnDraft(None, f"times in more than one possible order; to use them, write time_format: {either}")
        draft = _of_texts(name, present, len(cells), is_complete)
        if draft.field is not None and draft.field["kind"] == "categorical":
            return draft._replace(reason=draft.reason + _but_numbers(name, values, numbers, len(cells), is_complete))
        return draft
    numbers = present.cast(pl.Float64, strict=False)
    if numbers.null_count():
        return _of_texts(name, present.cast(pl.String), len(cells), is_complete)
    numbers = numbers.fill_nan(None).drop_nulls()
    return _of_numbers(name, present, numbers, len(cells), is_complete)


def _of_lists(name, cells):
    values = cells.explode()
    try:
        plain = plain_cells(values).drop_nulls()
    except ValueError:
        return ColumnDraft(None, f"no field takes cells of the type {cells.dtype}")
    if plain.dtype.is_float() and not (plain == plain.round()).all():
        return _vector(name, cells)
    return ColumnDraft({**name, "kind": "multivalued"}, "cells are lists")


def _vector(name, cells, separator=None):
    """Draft a column of vectors, which must have one length."""
    field = {**name, "kind": "vector", **({} if separator is None else {"separator": separator})}
    try:
        length = matrix_of(FieldSpecification(**field), [cells]).shape[1]
    except ValueError as error:
        return ColumnDraft(None, f"cells look like vectors, but {getattr(error, 'reason', error)}")
    return ColumnDraft(field, f"cells are vectors of {length} numbers")


def _separator_of(texts):
    """Return what separates the numbers of vectors; None if they are in square brackets."""
    plain = texts.filter(~texts.str.contains(LIST))
    found = (one for one in ("|", ";", ",") if plain.str.contains(one, literal=True).any())
    return next(found, " ") if len(plain) else None


def _of_times(name, cells, format, missing=()):
    drafted = draft_times(name, cells, format)
    first, *more = drafted.fields or (None,)
    return ColumnDraft(first, drafted.reason, missing if first else (), drafted.split, tuple(more))


def _of_numbers(name, cells, numbers, rows, is_complete):
    """Draft a column of numbers; `cells` are the same as they are written."""
    if not len(numbers):
        return ColumnDraft({**name, "kind": "categorical", "min_count": 2}, "all cells are empty")
    values = numbers.to_numpy()
    if not np.isfinite(values).all() or np.abs(values).max() > LARGEST_FLOAT:
        return ColumnDraft(None, "it holds infinite numbers; replace them to use it")
    words = _words(name["name"])
    distinct = cells.n_unique()
    if not (values == np.round(values)).all():
        if distinct <= FEW_VALUES:
            return _category(name, cells, rows, is_complete, f"{distinct} different numbers")
        return _number(name, values, "numbers with decimals")
    if unit := _unit_of_times(words, values):
        whole = numbers.cast(pl.Int64)
        format = EPOCH_FORMATS.get(unit) or number_format_of(plain_texts(cells))
        if format:
            return _of_times(name["name"], whole, format)
        return ColumnDraft(None, "times, which do not recur in later rows", split=_split(name["name"], whole))
    if distinct == rows > FEW_VALUES and _is_row_number(values, is_complete):
        return ColumnDraft(None, "it numbers the rows")
    if words & IDS or words & {f"last {word}" for word in NAMES_OF_IDS}:
        return _category(name, cells, rows, is_complete, "whole numbers, called an id")
    if distinct <= FEW_VALUES:
        return _category(name, cells, rows, is_complete, f"{distinct} different whole numbers")
    if np.abs(values).max() > LARGEST_NUMBER:
        return _category(name, cells, rows, is_complete, "whole numbers too large for a number, such as hashes")
    if _repeats_like_ids(values):
        return _category(name, cells, rows, is_complete, "whole numbers that repeat, large as often as small")
    return _number(name, values, "whole numbers that count or measure")


def _words(name):
    """Return the words of a name in small letters, and its last word marked as such; "userId" has two."""
    words = re.findall(r"[^\W_]+", re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name))
    words = [word.lower() for word in words]
    ends_in_id = ["id"] if name.lower().endswith("id") else []
    return {*words, *ends_in_id, *(f"last {word}" for word in words[-1:])}


def _unit_of_times(words, values):
    """Return how many units a second of times has, if values count from 1970; 1e6 for other times; 0 for no times."""
    low, high = values.min(), values.max()
    if not words & IDS:
        for unit in (1, 1000, 10**6, 10**9):
            if EPOCH[0] * unit <= low and high <= EPOCH[1] * unit:
                return unit
    is_time = any(f"last {word}" in words for word in TIMES) or ("last hour" in words and high > 23)
    return 10**6 if is_time else 0


def _split(name, values):
    ordered = values.sort()
    least, valid, test = (ordered[int(len(ordered) * share)] for share in (0, 0.8, 0.9))
    return {"column": name, "valid_from": valid, "test_from": test} if least < valid < test else None


def _is_row_number(values, is_complete):
    steps = np.diff(values)
    return bool((steps == 1).all() if is_complete else (steps > 0).all())


def _repeats_like_ids(values):
    """Return whether whole numbers repeat, and large ones are as frequent as small ones."""
    different, counts = np.unique(values, return_counts=True)
    if different[0] < 0 or len(values) < 2 * len(different):
        return False
    ranks = np.argsort(np.argsort(counts + np.random.default_rng(0).random(len(counts)) * 0.5))
    correlation = np.corrcoef(np.arange(len(different)), ranks)[0, 1]
    return bool(correlation > COUNTS_CORRELATION)


def _number(name, values, reason):
    transform = "log1p" if np.abs(values).max() > 100 else "standard"
    return ColumnDraft({**name, "kind": "numerical", "transform": transform}, reason)


def _of_texts(name, texts, rows, is_complete):
    """Draft a column of texts that are not empty."""
    is_date = texts.str.contains(DATE)
    if is_date.mean() > 0.95:
        other = texts.filter(~is_date)
        but = f", but {other[0]!r} is none: list such texts in missing_texts" if len(other) else " of different orders"
        return ColumnDraft(None, f"dates{but} to use them with a part, such as weekday")
    is_vector = texts.str.contains(VECTOR)
    if is_vector.mean() > 0.9 and texts.filter(is_vector).str.contains(r"\d\.\d|e-").mean() > 0.9:
        return _vector(name, texts, _separator_of(texts))
    if texts.str.contains(LIST).mean() > 0.9:
        return ColumnDraft({**name, "kind": "multivalued", "separator": ","}, "cells are written as lists")
    if texts.str.contains(DECIMAL_COMMA).mean() > 0.95:
        return ColumnDraft(None, "numbers with a decimal comma; write a point to use them")
    for separator in ("|", ";", ","):
        share = texts.str.contains(separator, literal=True).mean()
        if share > 0.2:
            return ColumnDraft(
                {**name, "kind": "multivalued", "separator": separator}, f"{share:.0%} of the cells have '{separator}'"
            )
    return _category(name, texts, rows, is_complete, f"{texts.n_unique():,} different texts")


def _but_numbers(name, texts, numbers, rows, is_complete):
    """Return a hint if nearly all texts are numbers to compute with; the others hide that."""
    is_number = numbers.is_not_null()
    if not is_number.any() or is_number.mean() < 0.95:
        return ""
    draft = _of_numbers(name, texts.filter(is_number), numbers.filter(is_number), rows, is_complete)
    if draft.field is None or draft.field["kind"] != "numerical":
        return ""
    other = texts.filter(~is_number)[0]
    return (
        f", nearly all of them numbers, but {other!r} is none: to use numbers, list such texts in missing_texts and "
        "write kind: numerical"
    )


def _category(name, cells, rows, is_complete, reason):
    counts = cells.value_counts()["count"].to_numpy()
    if len(counts) == rows > FEW_VALUES:
        return ColumnDraft(None, "another value in each row, from which nothing can be learned")
    # A model learns little about values that occur in only a few rows.
    is_large = len(counts) > 1000 and counts[counts >= 10].sum() > rows / 2
    min_count = 10 if is_large or not is_complete and len(counts) > 1000 else 2
    if is_complete and len(counts) > FEW_VALUES and counts[counts >= min_count].sum() < LEAST_LEARNABLE * rows:
        return ColumnDraft(None, f"hardly a value occurs {min_count} times, so that nearly all would be rare")
    return ColumnDraft({**name, "kind": "categorical", "min_count": min_count}, reason)
