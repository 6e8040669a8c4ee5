"""Cells as times."""

from __future__ import annotations

import polars as pl

from .cell_types import CELL_TYPES, SPACES
from .cells import plain_texts

# Units of times that are numbers, in microseconds.
EPOCHS = {"epoch_seconds": 10**6, "epoch_milliseconds": 10**3}


def times_of(cells: pl.Series, format: str | None) -> pl.Series:
    """Return cells as times in UTC, microseconds; null where a cell is no time of the format.

    Args:
        cells: Times, dates, texts, or numbers with a format of `EPOCHS`.
        format: How texts and numbers write times: `"%m/%d/%Y"` and the like, `"epoch_seconds"` or
            `"epoch_milliseconds"` for numbers since 1970; None for texts in the order of ISO 8601.

    >>> times_of(pl.Series(["2024-06-01T02:00+02:00", "31.12.2024"]), None).to_list()
    [datetime.datetime(2024, 6, 1, 0, 0), None]
    """
    if format in EPOCHS:
        numbers = cells.cast(pl.Float64, strict=False)
        return (numbers * EPOCHS[format]).round().cast(pl.Int64, strict=False).cast(pl.Datetime("us"))
    if cells.dtype == pl.Date:
        return cells.cast(pl.Datetime("us"))
    if cells.dtype == pl.Datetime:
        in_utc = cells.dt.convert_time_zone("UTC") if getattr(cells.dtype, "time_zone", None) else cells
        return in_utc.dt.replace_time_zone(None).dt.cast_time_unit("us")
    texts = plain_texts(cells).str.replace_all(SPACES, "")
    if format is not None:
        return texts.str.to_datetime(format, time_unit="us", strict=False)
    kind = CELL_TYPES["time"]
    written = kind.canonical(texts).str.replace(r"^(.{10})$", "${1} 00:00:00")
    times = written.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
    return times.set(~kind.fits(texts).fill_null(False), None)
