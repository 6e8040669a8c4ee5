"""What a column of times is drafted for: its parts as fields, and a split."""

from __future__ import annotations

import typing

import numpy as np
import polars as pl

from ..encoding.cell_types import CELL_TYPES, time_texts
from ..encoding.clock import utc_times
from ..encoding.times import PARTS, fits

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config

DATES = ("%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%m/%d/%y")
DATES = (*DATES, "%d-%m-%Y", "%m-%d-%Y", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y")
CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", " %H:%M:%S %z", "T%H:%M:%S")
# Of these, a column must fit exactly one.
FORMATS = (*(date + clock for date in DATES for clock in CLOCKS), "%d/%b/%Y:%H:%M:%S %z", "%a, %d %b %Y %H:%M:%S %z")
# Whole numbers that a column of times may hold.
NUMBERS = ("%Y%m%d%H", "%Y%m%d", "%y%m%d%H", "%Y%m%d%H%M%S")
# What most texts that are times have: digits with a mark between them.
LOOKS = r"[0-9][./ :-]([0-9]|[A-Za-z]{3})|^[A-Za-z]{3,}\.? [0-9]"
FEW = 100


class TimeDraft(typing.NamedTuple):
    """What a column of times is drafted for.

    Args:
        fields: Entries of a schema, for the parts that differ between rows.
        reason: Why.
        split: What splits the table by this column; None if its times are too few.
    """

    fields: tuple[Config, ...]
    reason: str
    split: Config | None = None


def draft_times(name: str, cells: pl.Series, format: str | None) -> TimeDraft:
    """Return the draft of a column whose cells are all times.

    Args:
        name: The column.
        cells: Times, dates, texts or numbers, none of them missing.
        format: How cells write times, as `time_format` of a field.

    >>> days = pl.Series(["2024-06-01", "2024-06-03"])
    >>> draft_times("day", days, None).fields
    ({'name': 'day_weekday', 'kind': 'categorical', 'column': 'day', 'part': 'weekday'},)
    """
    times = utc_times(cells, format)
    micros = times.to_physical().to_numpy()
    written = {} if format is None else {"time_format": format}
    fields = [
        {"name": f"{name}_{part}", "kind": "categorical", "column": name, "part": part, **written}
        for part in ("hour", "weekday")
        if len(np.unique(PARTS[part](micros))) > 1
    ]
    what = "times" if any(field["part"] == "hour" for field in fields) else "dates"
    reason = f"{what} do not recur in later rows, but this part of them does; a time_zone may be set"
    if not fields:
        reason = f"{what}, which do not recur in later rows"
    return TimeDraft(tuple(fields), reason, _split(name, times.sort(), format))


def _split(name, ordered, format):
    least, valid, test = (ordered[int(len(ordered) * share)] for share in (0, 0.8, 0.9))
    if not least < valid < test:
        return None
    texts = CELL_TYPES["time"].canonical(time_texts(pl.Series([valid, test])))
    bounds = {"column": name, "valid_from": texts[0], "test_from": texts[1]}
    return bounds if format is None else {**bounds, "format": format}


def format_of(texts: pl.Series) -> tuple[str | None, ...]:
    """Return the formats that all texts fit: `(None,)` for 2024-06-20 12:00:00, none if they are no times.

    >>> format_of(pl.Series(["6/1/2024", "6/13/2024"])), format_of(pl.Series(["6/1/2024"]))
    (('%m/%d/%Y',), ('%d/%m/%Y', '%m/%d/%Y'))
    """
    texts = texts.unique()
    first = texts.head(FEW)
    if not len(texts) or not first.str.contains(LOOKS).all():
        return ()
    found = (format for format in (None, *FORMATS) if fits(first, format))
    return tuple(format for format in found if fits(texts, format))


def number_format_of(texts: pl.Series) -> str | None:
    """Return the format of whole numbers that are times, such as 20240601; None if there is none.

    >>> number_format_of(pl.Series(["14102123", "14102200"])), number_format_of(pl.Series(["123"]))
    ('%y%m%d%H', None)
    """
    texts = texts.unique()
    return next((format for format in NUMBERS if fits(texts, format)), None)
