"""The texts that a field takes from cells that hold times: a part, such as the hour, or the whole time."""

from __future__ import annotations

import dataclasses
import typing

import numpy as np
import polars as pl

from ..errors import RowError, plain_cells
from .cell_types import CELL_TYPES, graph_time_texts, number_texts, time_texts
from .times import (
    EPOCHS,
    PARTS,
    SPACES,
    Moments,
    check_format,
    graph_in_zone,
    graph_moments,
    graph_of_numbers,
    has_clock,
    in_zone,
    moments,
    zone_changes,
)

if typing.TYPE_CHECKING:
    import tensorflow as tf

    from ctrzoo.types import Tensor

SUCH_AS = "such as 2024-06-20 12:00:00"


@dataclasses.dataclass(frozen=True)
class Clock:
    """Turns cells that hold times into texts.

    Args:
        column: The column, for messages.
        part: A key of `PARTS`, which becomes the text of a whole number; by default the whole time, in UTC.
        format: How cells write times; see `moments`. By default as 2024-06-20T12:00:00+02:00, or a part of that.
        zone: The IANA time zone of the parts, by default UTC. Times with an offset from UTC and numbers since 1970 are
            converted to it; other times are taken as they are written.
        missing_texts: Texts that stand for a missing cell.

    Raises:
        ValueError: If an argument is none of these.

    >>> cells = pl.Series(["2024-06-01T23:30:00Z", "2024-06-01 23:30", ""])
    >>> Clock("at", "hour", zone="Europe/Berlin").texts(cells).to_list()
    ['1', '23', None]
    """

    column: str
    part: str | None = None
    format: str | None = None
    zone: str | None = None
    missing_texts: tuple[str, ...] = ()

    def __post_init__(self):
        if self.format is not None:
            check_format(self.format)
        if self.part == "hour" and not has_clock(self.format):
            raise ValueError(f"the format {self.format!r} has no hour. Add %H, or take another part")
        if self.zone is not None:
            zone_changes(self.zone)

    def texts(self, cells: pl.Series) -> pl.Series:
        """Return the text of each cell, null where it is missing.

        Raises:
            RowError: If a cell is no time.
            ValueError: If the cells are of a type without times.
        """
        cells = plain_cells(cells)
        if cells.dtype == pl.Date and self.part == "hour":
            raise ValueError(f"Column '{self.column}' holds dates, which have no hour. Take another `part`.")
        if cells.dtype in (pl.Date, pl.Datetime):
            found = _typed(cells)
            return self._written(found, cells.is_null().to_numpy() | self._is_marker(found))
        texts = _plain(cells, self.column, self.format)
        # Each different text is read once.
        uniques = texts.unique()
        found = moments(uniques, self.format)
        missing = self._is_missing(uniques, found)
        wrong = uniques.filter(~(found.is_time | missing))
        if len(wrong):
            rows = texts.is_in(wrong.implode()).arg_true().to_numpy()
            raise self._error(rows, texts[int(rows[0])])
        written = self._written(found, missing)
        table = pl.DataFrame({"text": uniques, "written": written})
        joined = texts.to_frame("text").join(table, on="text", how="left", nulls_equal=True, maintain_order="left")
        return joined["written"].alias(self.column)

    def _is_missing(self, texts, found):
        """Return which texts stand for a missing cell, as they are written or by the moment that they mean."""
        stripped = texts.str.replace_all(SPACES, "")
        missing = (stripped.is_null() | (stripped == "") | stripped.is_in(list(self.missing_texts))).fill_null(True)
        return missing.to_numpy() | self._is_marker(found)

    def _is_marker(self, found):
        markers = self._markers
        same = np.isin(in_zone(found, self.zone), in_zone(markers, self.zone)[markers.is_time])
        return same & found.is_time

    @property
    def _markers(self):
        return moments(pl.Series(self.missing_texts, dtype=pl.String), self.format)

    def _written(self, found, missing):
        present = np.flatnonzero(~missing)
        found = Moments(*(array[present] for array in found))
        if self.part is None:
            times = pl.Series(found.micros).cast(pl.Datetime("us"))
            texts = CELL_TYPES["time"].canonical(time_texts(times))
        else:
            texts = pl.Series(PARTS[self.part](in_zone(found, self.zone)), dtype=pl.Int64).cast(pl.String)
        places = np.full(len(missing), len(texts))
        places[present] = np.arange(len(texts))
        return pl.concat([texts, pl.Series([None], dtype=pl.String)]).gather(places).alias(self.column)

    def _error(self, rows, cell):
        error = RowError(rows, f"column '{self.column}' must hold times {self._such_as}, not {cell!r}")
        error.advice = (
            f"Say in the schema how they are written, time_format: '%d.%m.%Y' or the like, or that the text stands for "
            f"a missing cell, missing_texts: [{cell!r}]"
        )
        return error

    @property
    def _such_as(self):
        return SUCH_AS if self.format is None else f"in the format '{self.format}' or {SUCH_AS}"

    def graph(self, cells: tf.Tensor) -> Tensor:
        """Do what `texts` does in a TensorFlow graph; the empty text is a missing cell.

        Args:
            cells: `(batch,)`, texts, or numbers if the format is of numbers.

        Raises:
            ValueError: If the cells are numbers and the format is not, or if they have too few digits for times.
            InvalidArgumentError: If a cell is no time; TensorFlow raises this at run time.
        """
        import tensorflow as tf

        if cells.dtype != tf.string and self.format not in EPOCHS:
            if self.format is None or not cells.dtype.is_integer:
                raise ValueError(_numbers(self.column))
            cells = tf.strings.as_string(cells)
        if cells.dtype == tf.string:
            stripped = tf.strings.regex_replace(cells, SPACES, "")
            found, missing = graph_moments(cells, self.format), stripped == ""
            for marker in self.missing_texts:
                missing |= stripped == marker
        else:
            assert self.format is not None
            if cells.dtype.is_floating and cells.dtype != tf.float64:
                raise ValueError(
                    f"Column '{self.column}': {cells.dtype.name} does not hold times since 1970 exactly. Pass float64."
                )
            numbers = tf.cast(cells, tf.float64)
            found, missing = graph_of_numbers(numbers, self.format), tf.math.is_nan(numbers)
        shown, markers = graph_in_zone(found, self.zone), self._markers
        for marker in in_zone(markers, self.zone)[markers.is_time].tolist():
            missing |= found.is_time & (shown == marker)
        message = f"column '{self.column}' must hold times {self._such_as}"
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(found.is_time | missing), [message])]):
            written = (
                graph_time_texts(found.micros) if self.part is None else tf.strings.as_string(PARTS[self.part](shown))
            )
            return tf.where(missing, "", written)


def utc_times(cells: pl.Series, format: str | None) -> pl.Series:
    """Return cells as times in UTC, microseconds; null where a cell is no time of the format.

    Args:
        cells: Times, dates, texts, or numbers with a format of `EPOCHS`.
        format: As in `moments`.

    >>> utc_times(pl.Series(["2024-06-01T02:00+02:00", "31.12.2024"]), None).to_list()
    [datetime.datetime(2024, 6, 1, 0, 0), None]
    """
    cells = plain_cells(cells)
    found = _typed(cells) if cells.dtype in (pl.Date, pl.Datetime) else moments(_plain(cells, "", format), format)
    times = pl.Series(cells.name, found.micros).cast(pl.Datetime("us"))
    return times.set(pl.Series(~found.is_time), None)


def time_cells(cells: pl.Series) -> pl.Series:
    """Return cells as the texts that `Clock.graph` reads as the same times; null is a missing cell.

    >>> time_cells(pl.Series([1717200000.0, None])).to_list()
    ['1717200000', None]
    """
    cells = plain_cells(cells)
    if cells.dtype not in (pl.Date, pl.Datetime):
        return _plain(cells, cells.name, next(iter(EPOCHS)))
    times = cells.cast(pl.Datetime("us")) if cells.dtype == pl.Date else cells
    return time_texts(times) + ("Z" if getattr(times.dtype, "time_zone", None) else "")


def _typed(cells):
    """Return times of a column of times or dates; null is a time as any other."""
    is_aware = bool(getattr(cells.dtype, "time_zone", None))
    micros = cells.cast(pl.Datetime("us", "UTC" if is_aware else None)).to_physical().fill_null(0).to_numpy()
    return Moments(micros, np.full(len(cells), is_aware), cells.is_not_null().to_numpy())


def _plain(cells, column, format):
    """Return texts, or numbers as texts if the format is declared."""
    if cells.dtype == pl.String:
        return cells
    if not cells.dtype.is_numeric() and cells.dtype != pl.Null:
        raise ValueError(
            f"Column '{column}' holds {cells.dtype}, not times. Write them {SUCH_AS}, or leave the field out."
        )
    if format is None and cells.drop_nulls().len():
        raise ValueError(_numbers(column))
    return number_texts(cells.cast(pl.Float64)) if cells.dtype.is_float() else cells.cast(pl.String)


def _numbers(column):
    return (
        f"Column '{column}' holds numbers, not times. If they count seconds since 1970, write "
        "time_format: epoch_seconds (or epoch_milliseconds) into the field."
    )
