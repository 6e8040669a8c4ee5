"""What a history is made of: which earlier rows of a log, in which order, and which of their columns."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from ctrzoo.suggest import unknown

from ..encoding.cell_types import AUTO
from ..encoding.cells import codes_of, plain_texts
from ..encoding.clock import utc_times
from ..encoding.field import FieldEncoding
from ..encoding.roles import group_hashes
from ..encoding.times import check_format
from ..errors import RowError

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config

KEYS = ("name", "of", "with", "by", "order", "format", "length", "where")
# What a field of events takes over from the field of the candidate, so that it can share its ids.
SAME = ("type", "min_count", "oov", "hash_buckets", "unused_ids", "missing_texts")


@dataclasses.dataclass(frozen=True)
class History:
    """The earlier rows of the same user, as columns of lists: the newest of them, the oldest first.

    The history of a row has the rows with the same `by` and a smaller `order`. Rows of equal order do not see each
    other, so neither a row itself nor what happened in the same second can reveal its label. All rows of the log are
    events, whatever their split: also validation rows before a test row, and rows that `negatives` leaves out.

    Args:
        of: The column that is listed, such as the item.
        by: The column that says whose history it is, such as the user. A row without it has no history.
        order: The column of the order: numbers or times.
        length: The most events of a history.
        name: Name of the column of lists, and so of the field.
        side: Further columns that are listed, `with` in a schema. Their lists are called `<name>_<column>`.
        where: A column and the values that an event has there, such as `("rating", ("4", "5"))`; None takes all rows.
        format: How the cells of `order` write times, as in `ByColumn`.

    Raises:
        ValueError: If an argument is of the wrong type or out of range.

    >>> History("movie", "user", "at", 50, side=("genre",)).columns
    {'history': 'movie', 'history_genre': 'genre'}
    """

    of: str
    by: str
    order: str
    length: int
    name: str = "history"
    side: tuple[str, ...] = ()
    where: tuple[str, tuple[str, ...]] | None = None
    format: str | None = None

    def __post_init__(self):
        for key in ("of", "by", "order", "name"):
            value = getattr(self, key)
            if not isinstance(value, str) or not value:
                raise ValueError(f"`{key}` of a history must be a text, in quotes. Received: {value!r}.")
        if not isinstance(self.length, int) or isinstance(self.length, bool) or self.length < 1:
            raise ValueError(f"`length` of a history must be a whole number of at least 1. Received: {self.length!r}.")
        if self.format is not None:
            check_format(self.format)
        listed = list(self.columns.values())
        if len(set(listed)) < 1 + len(self.side):
            raise ValueError(f"`of` and `with` of the history '{self.name}' must differ. Received: {listed}.")

    @classmethod
    def from_schema(cls, config: Any) -> History:
        """Return the history that a schema describes.

        Raises:
            ValueError: If a key is unknown or missing, or a value is wrong.

        >>> where = {"column": "stars", "is": [4, 5]}
        >>> History.from_schema({"of": "movie", "by": "user", "order": "at", "length": 9, "where": where}).where
        ('stars', ('4', '5'))
        """
        if not isinstance(config, Mapping):
            raise ValueError(
                "Schema: a history must be a mapping, such as {of: movie, by: user, order: time, length: 50}. "
                f"Received: {config!r}."
            )
        for key in config:
            if key not in KEYS:
                raise ValueError(f"Schema, history: {unknown('key', key, KEYS)}")
        missing = [key for key in ("of", "by", "order", "length") if config.get(key) is None]
        if missing:
            raise ValueError(
                f"Schema: a history needs the keys of, by, order and length. Missing: {', '.join(missing)}."
            )
        given = {key: value for key, value in config.items() if key not in ("with", "where") and value is not None}
        side = config.get("with") or ()
        if not isinstance(side, (list, tuple)) or not all(isinstance(column, str) and column for column in side):
            raise ValueError(f"`with` of a history must be a list of columns, such as [genre]. Received: {side!r}.")
        return cls(**given, side=tuple(side), where=_condition(config.get("where")))

    @property
    def columns(self) -> dict[str, str]:
        """The columns of lists, and the column of the log that each lists."""
        return {self.name: self.of} | {f"{self.name}_{column}": column for column in self.side}

    @property
    def needed(self) -> list[str]:
        """The columns of the log that are read."""
        needed = [*self.columns.values(), self.by, self.order, *([self.where[0]] if self.where else [])]
        return list(dict.fromkeys(needed))

    def fields(self, given: Sequence[FieldEncoding]) -> list[FieldEncoding]:
        """Return fields for the columns of lists that no given field reads.

        Each shares the ids of the first given field of the column that it lists, if that is a categorical one.

        Args:
            given: The fields of a schema.

        >>> found = History("movie", "user", "at", 50).fields([FieldEncoding("movie", min_count=3)])
        >>> found[0].share, found[0].max_values, found[0].min_count
        ('movie', 50, 3)
        """
        read = {column for field in given for column in field.raw_columns}
        fields = []
        for name, column in self.columns.items():
            if name in read:
                continue
            owner = next((field for field in given if field.column == column and _can_share(field)), None)
            config: Config = {key: getattr(owner, key) for key in SAME} if owner else {"type": AUTO}
            config |= {"share": owner.share or owner.name} if owner else {}
            config |= {} if name == self.name else {"events": self.name}
            fields.append(FieldEncoding(name, "sequence", max_values=self.length, **config))
        return fields

    def read(self, cells: Mapping[str, pl.Series]) -> tuple[pl.DataFrame, str]:
        """Return what a history needs of some rows of the log.

        Args:
            cells: The cells of each of the columns `needed`.

        Returns:
            The columns `by` (a hash, null where the cell is empty), `key` (the order), `is_event`, and the texts of the
            listed columns, `0`, `1`, ...; and the kind of the keys: `"integer"`, `"decimal"` or `"time"`.

        Raises:
            RowError: If an order is neither a number nor a time.
            ValueError: If cells are lists.
        """
        by = plain_texts(cells[self.by])
        codes, uniques = codes_of(by)
        values = [plain_texts(cells[column]).alias(str(place)) for place, column in enumerate(self.columns.values())]
        key, kind = self._keys(cells[self.order])
        frame = pl.DataFrame(values).with_columns(
            pl.Series("by", group_hashes(uniques)[codes] if len(codes) else [], dtype=pl.Int64).set(by.is_null(), None),
            key.alias("key"),
        )
        is_event = pl.any_horizontal(pl.col(value.name).is_not_null() for value in values)
        if self.where is not None:
            is_event &= _is_among(cells[self.where[0]], self.where[1])
        return frame.with_columns(is_event.alias("is_event")), kind

    def _keys(self, cells):
        """Return the order of rows as numbers, and their kind."""
        if self.format is None and not cells.dtype.is_temporal():
            written = plain_texts(cells)
            whole = written.str.strip_chars().cast(pl.Int64, strict=False)
            numbers = written.str.strip_chars().cast(pl.Float64, strict=False)
            if not len(cells) or whole.null_count() == 0:
                return whole, "integer"
            if 2 * numbers.null_count() < len(cells) or cells.dtype.is_numeric():  # a few cells are wrong
                wrong = np.flatnonzero(~np.isfinite(numbers.fill_null(np.nan).to_numpy()))
                if len(wrong):
                    raise self._wrong(wrong, cells, "a finite number")
                return numbers + 0.0, "decimal"  # -0.0 becomes 0.0
        times = utc_times(cells, self.format)
        times = times.set(cells.is_null(), None)
        wrong = times.is_null().arg_true().to_numpy()
        if len(wrong):
            how = "such as 2024-06-20 12:00:00" if self.format is None else f"in the format '{self.format}'"
            raise self._wrong(wrong, cells, f"a number or a time {how}" if self.format is None else f"a time {how}")
        return times.cast(pl.Int64), "time"

    def _wrong(self, rows, cells, what):
        return RowError(rows, f"the order '{self.order}' of a history must be {what}, not {str(cells[int(rows[0])])!r}")


def histories_from_schema(config: Any) -> tuple[History, ...]:
    """Return the histories that the key `history` of a schema describes: one, or a list of them.

    Raises:
        ValueError: If one is wrong, or two have the same name.
    """
    if config is None:
        return ()
    histories = tuple(map(History.from_schema, config if isinstance(config, (list, tuple)) else [config]))
    names = [name for history in histories for name in history.columns]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"Schema: two histories have the column '{twice}'. Give each a `name` of its own.")
    return histories


def described(histories: Sequence[History]) -> list[Config]:
    """Return what histories depend on, JSON-serializable."""
    return [dataclasses.asdict(history) for history in histories]


def _can_share(field):
    is_text = field.kind == "categorical" and not field.makes_ids and not field.reads_times
    plain = field.compositional is None and not field.assign_ids_online and field.missing == "absent"
    return is_text and plain


def _condition(where):
    """Return a condition as `(column, values)`."""
    if where is None:
        return None
    if not isinstance(where, Mapping) or set(where) != {"column", "is"} or not isinstance(where["column"], str):
        raise ValueError(
            "`where` of a history must be a column and its values, such as {column: rating, is: [4, 5]}. "
            f"Received: {where!r}."
        )
    values = where["is"] if isinstance(where["is"], (list, tuple)) else [where["is"]]
    if not values or any(value is None or isinstance(value, (Mapping, list)) for value in values):
        raise ValueError(f"`is` of a history's `where` must be one or several values. Received: {where['is']!r}.")
    texts = [str(value).lower() if isinstance(value, bool) else str(value) for value in values]
    return where["column"], tuple(texts)


def _is_among(cells, values):
    """Tell which cells are one of some values, as texts or as numbers; a missing cell is none."""
    texts = plain_texts(cells)
    found = texts.is_in(pl.Series(values, dtype=pl.String).implode())
    numbers = pl.Series(values, dtype=pl.String).cast(pl.Float64, strict=False).drop_nulls()
    found |= texts.cast(pl.Float64, strict=False).is_in(numbers.implode()).fill_null(False)
    return found.fill_null(False)
