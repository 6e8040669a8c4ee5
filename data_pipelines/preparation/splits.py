"""Assign rows to training, validation and test.

If a split needs only one chunk of rows at a time, it is known while the raw file is read, so vocabularies can be fitted
to the training rows. `Folds` and `Shuffled`, which divided published data, first need all labels or the number of rows.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import random
import re
import typing
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from ctrzoo.suggest import unknown

from ..encoding.cells import codes_of, numbers_of, plain_texts
from ..encoding.clock import utc_times
from ..encoding.roles import group_hashes
from ..encoding.times import EPOCHS, check_format
from ..errors import RowError
from ..storage.shuffling import random_keys
from ..storage.writing import SPLITS

if typing.TYPE_CHECKING:
    import pyarrow as pa

# Shares are multiples of one part in this many.
GROUP = 100
# Tells the random numbers of `ByHash` from those of shards and orders with the same seed.
HASH_STREAM = 4


def _check_type(key, value, types, what):
    if not isinstance(value, types) or isinstance(value, bool):
        raise ValueError(f"`{key}` of a split must be {what}. Received: {value!r}.")


@dataclasses.dataclass(frozen=True)
class Fractions:
    """Split rows at random in given shares, the same for positives and negatives.

    Within a chunk, each ten consecutive rows of one label are divided exactly, in random order (each hundred, if the
    shares are not whole tenths).

    Args:
        train: Share of the training rows, in whole hundredths.
        valid: Share of the validation rows.
        test: Share of the test rows.
        seed: Seed for the division.

    >>> labels = np.array([0, 1] * 500)
    >>> np.bincount(Fractions(0.8, 0.1, 0.1).assign(0, labels, None, None)).tolist()
    [800, 100, 100]
    """

    train: float = 0.8
    valid: float = 0.1
    test: float = 0.1
    seed: int = 0
    needs_all_labels = False

    def __post_init__(self):
        for key in SPLITS:
            _check_type(key, getattr(self, key), (int, float), "a number")
        _check_type("seed", self.seed, int, "a whole number")
        shares = np.array([self.train, self.valid, self.test]) * GROUP
        are_whole = np.isfinite(shares).all() and np.allclose(shares, shares.round())
        if not are_whole or (shares < 0).any() or round(shares.sum()) != GROUP:
            raise ValueError(
                f"The shares of a split must be whole hundredths that add up to 1. Received: {self.train}, "
                f"{self.valid}, {self.test}."
            )
        if round(shares[0]) < 1:
            raise ValueError("The share of the training rows must not be 0.")

    def assign(self, chunk: int, labels: np.ndarray, table: pa.Table | None, source: str | None) -> np.ndarray:
        """Return each row's index in `SPLITS`, uint8 `(rows,)`."""
        generator = np.random.default_rng((self.seed, chunk))
        shares = np.rint(np.array([self.train, self.valid, self.test]) * GROUP).astype(int)
        group = np.repeat(np.arange(3, dtype=np.uint8), shares // np.gcd.reduce(shares))
        splits = np.empty(len(labels), np.uint8)
        for label in (0, 1):
            rows = np.flatnonzero(labels == label)
            groups = np.tile(group, (-(-len(rows) // len(group)), 1))
            splits[rows] = generator.permuted(groups, axis=1).ravel()[: len(rows)]
        return splits

    def requested(self) -> list[str]:
        """Return the splits that should have rows."""
        return [split for split in SPLITS if getattr(self, split)]


@dataclasses.dataclass(frozen=True)
class ByColumn:
    """Split rows by a column, such as the day: later rows are for validation and test.

    Bounds that are numbers are compared with numbers, bounds that are times with times, and other bounds with text.
    A cell that is not of the bounds' kind is an error, and so is an empty cell.

    Args:
        column: The column; it need not be a field.
        valid_from: The smallest value of validation rows. Times are written as 2024-10-29 or 2024-10-29 12:00:00, with
            an offset such as +02:00 or in UTC, or as `format` says.
        test_from: The smallest value of test rows; by default the split has no test rows.
        format: How the cells write times, if not as 2024-10-29: `"%m/%d/%Y"` and the like, or `"epoch_seconds"` or
            `"epoch_milliseconds"` for numbers since 1970.

    Raises:
        ValueError: If test rows would begin before validation rows, or a bound is no time of the format.

    >>> dates = pl.DataFrame({"day": ["6/1/2024", "12/31/2024"]}).to_arrow()
    >>> ByColumn("day", "2024-06-15", format="%m/%d/%Y").assign(0, np.zeros(2), dates, None).tolist()
    [0, 1]
    """

    column: str
    valid_from: float | str
    test_from: float | str | None = None
    format: str | None = None
    needs_all_labels = False

    def __post_init__(self):
        _check_type("column", self.column, str, "the name of a column, in quotes")
        _check_type("valid_from", self.valid_from, (int, float, str), "a number or text")
        _check_type("test_from", self.test_from, (int, float, str, type(None)), "a number or text")
        _check_type("format", self.format, (str, type(None)), "a text such as '%d.%m.%Y'")
        if self.format is not None:
            check_format(self.format)
        kind, bounds = self._bounds()
        if kind == "number" and not np.isfinite(bounds).all():
            raise ValueError(
                "`valid_from` and `test_from` of a split must be finite, or a text that is not a number. "
                f"Received: {self.valid_from!r}, {self.test_from!r}."
            )
        if kind == "text":
            self._refuse_other_dates(bounds)
        if bounds != sorted(bounds):
            raise ValueError(
                "A split by column needs the validation rows before the test rows. "
                f"Received: valid_from {self.valid_from!r}, test_from {self.test_from!r}."
            )

    def assign(self, chunk: int, labels: np.ndarray, table: pa.Table | None, source: str | None) -> np.ndarray:
        """Return each row's index in `SPLITS`; see `Fractions.assign`."""
        assert table is not None
        kind, bounds = self._bounds()
        cells = pl.Series(self.column, table[self.column])
        empty = cells.is_null() | ((cells == "") if cells.dtype == pl.String else False)
        if cells.dtype.is_float():
            empty |= cells.is_nan().fill_null(True)
        if empty.any():
            raise RowError(empty.arg_true().to_numpy(), f"column '{self.column}' gives no split: it is empty")
        read = {"number": self._numbers, "time": self._times, "text": self._texts}[kind]
        cells = read(cells)
        return np.asarray(np.sum([(cells >= bound).to_numpy() for bound in bounds], axis=0, dtype=np.uint8))

    def requested(self) -> list[str]:
        """Return the splits that should have rows."""
        return list(SPLITS if self.test_from is not None else SPLITS[:2])

    def _numbers(self, cells):
        if cells.dtype.is_temporal() and cells.dtype != pl.Duration:
            raise ValueError(
                f"Column '{self.column}' holds times ({cells.dtype}), but valid_from is the number {self.valid_from}. "
                "Write valid_from and test_from as times, such as 2024-06-20."
            )
        try:
            return pl.Series(self.column, numbers_of(cells)).fill_nan(None)
        except RowError as error:
            reason = f"{error.reason}, as valid_from is the number {self.valid_from}: write both alike"
            raise RowError(error.rows, reason) from None

    def _times(self, cells):
        if cells.dtype.is_numeric() and self.format not in EPOCHS:
            raise ValueError(
                f"Column '{self.column}' holds numbers, such as {cells[0]}, but valid_from is the time "
                f"{self.valid_from}. If they count seconds since 1970, write `format: epoch_seconds` into the split."
            )
        times = utc_times(cells, self.format)
        if times.null_count():
            wrong = times.is_null().arg_true().to_numpy()
            written = "such as 2024-06-20 12:00:00" if self.format is None else f"in the format '{self.format}'"
            hint = ". Write the `format` of the cells into the split" if self.format is None else ""
            reason = f"column '{self.column}' must hold times {written}, not {str(cells[int(wrong[0])])!r}{hint}"
            raise RowError(wrong, reason)
        return times

    def _texts(self, cells):
        if cells.dtype.is_temporal() or cells.dtype.is_numeric():
            raise ValueError(
                f"Column '{self.column}' holds {cells.dtype}, but valid_from is the text {self.valid_from!r}. Write "
                "valid_from and test_from as the cells are: a number, or a time such as 2024-06-20."
            )
        return plain_texts(cells)

    def _bounds(self):
        """Return the kind of the bounds, and where validation and test rows begin."""
        bounds = [bound for bound in (self.valid_from, self.test_from) if bound is not None]
        if self.format is None:
            with contextlib.suppress(ValueError):
                return "number", [float(bound) for bound in bounds]
        texts = pl.Series([str(bound) for bound in bounds])
        times = utc_times(texts, None)
        if self.format is not None:
            in_format = utc_times(pl.Series(bounds) if self.format in EPOCHS else texts, self.format)
            times = times.zip_with(times.is_not_null(), in_format)
            if times.null_count():
                raise ValueError(f"The bounds of a split must be times such as 2024-06-20. Received: {bounds}.")
        return ("text", texts.to_list()) if times.null_count() else ("time", times.to_list())

    def _refuse_other_dates(self, bounds):
        for bound in bounds:
            if re.fullmatch(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}([T ].*)?", bound):
                raise ValueError(
                    f"The bound {bound!r} of a split is a date in an order of its own. Write it as 2024-06-20, and how "
                    "the cells are written as `format`, such as '%m/%d/%Y' or '%d.%m.%Y'."
                )


# What a column may call the splits.
NAMES = {"train": ("train", "training"), "valid": ("valid", "val", "validation", "dev"), "test": ("test", "testing")}


@dataclasses.dataclass(frozen=True)
class ByName:
    """Split rows by a column that names the split of each.

    Args:
        column: The column. It should not be a field.
        train: What the column calls the training rows, a text or several; in any case.
        valid: What it calls the validation rows.
        test: What it calls the test rows.

    Raises:
        ValueError: If a name stands for two splits.

    >>> parts = pl.DataFrame({"fold": ["train", "dev", "TEST"]}).to_arrow()
    >>> ByName("fold").assign(0, np.zeros(3), parts, None).tolist()
    [0, 1, 2]
    """

    column: str
    train: str | tuple[str, ...] = NAMES["train"]
    valid: str | tuple[str, ...] = NAMES["valid"]
    test: str | tuple[str, ...] = NAMES["test"]
    needs_all_labels = False

    def __post_init__(self):
        _check_type("column", self.column, str, "the name of a column, in quotes")
        for split in SPLITS:
            names = getattr(self, split)
            names = (names,) if isinstance(names, (str, int, float)) else tuple(names)
            object.__setattr__(self, split, tuple(str(name) for name in names))
        names = [name.lower() for split in SPLITS for name in getattr(self, split)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"Each name must stand for one split. Received: {', '.join(twice)} twice.")

    def assign(self, chunk: int, labels: np.ndarray, table: pa.Table | None, source: str | None) -> np.ndarray:
        """Return each row's index in `SPLITS`; see `Fractions.assign`."""
        assert table is not None
        names = plain_texts(pl.Series(self.column, table[self.column])).str.to_lowercase()
        splits = {name.lower(): index for index, split in enumerate(SPLITS) for name in getattr(self, split)}
        found = names.replace_strict(splits, default=None, return_dtype=pl.UInt8)
        if found.null_count():
            rows = found.is_null().arg_true().to_numpy()
            reason = f"column '{self.column}' must hold {', '.join(splits)}, not {names[int(rows[0])]!r}"
            raise RowError(rows, f"{reason}; to split by its values, give `valid_from`")
        return found.to_numpy()

    def requested(self) -> list[str]:
        """Return the splits that should have rows."""
        return list(SPLITS)


@dataclasses.dataclass(frozen=True)
class ByHash:
    """Split rows in about the given shares by a hash of their cells in some columns.

    A row's split depends only on these cells, not on its place in a file. Rows with the same cells, such as those of
    one user, are in one split, and a row that comes again is in the same split as before.

    Args:
        columns: The columns to hash; they need not be fields. Their cells are hashed as plain text, so that 7 and 7.0
            are alike; missing cells are alike too.
        train: Share of the training rows, in whole hundredths.
        valid: Share of the validation rows.
        test: Share of the test rows.
        seed: Seed for the hash.

    >>> users = pl.DataFrame({"user": ["a", "b", "c", "a"]}).to_arrow()
    >>> splits = ByHash("user", 0.5, 0.25, 0.25).assign(0, np.zeros(4), users, None)
    >>> bool(splits[0] == splits[3])
    True
    """

    columns: str | tuple[str, ...]
    train: float = 0.8
    valid: float = 0.1
    test: float = 0.1
    seed: int = 0
    needs_all_labels = False

    def __post_init__(self):
        columns = (self.columns,) if isinstance(self.columns, str) else self.columns
        named = isinstance(columns, (list, tuple)) and all(isinstance(name, str) and name for name in columns)
        if not named or not columns or len(set(columns)) < len(columns):
            raise ValueError(f"`hash` of a split must name columns, each once. Received: {self.columns!r}.")
        object.__setattr__(self, "columns", tuple(columns))
        Fractions(self.train, self.valid, self.test, self.seed)  # checks the shares

    def assign(self, chunk: int, labels: np.ndarray, table: pa.Table | None, source: str | None) -> np.ndarray:
        """Return each row's index in `SPLITS`; see `Fractions.assign`."""
        assert table is not None
        keys = np.zeros(len(table), np.int64)
        for column in self.columns:
            codes, uniques = codes_of(plain_texts(pl.Series(column, table[column])))
            keys = random_keys(keys ^ group_hashes(uniques)[codes], self.seed, HASH_STREAM).view(np.int64)
        ends = np.cumsum(np.rint(np.array([self.train, self.valid, self.test]) * GROUP))
        return np.searchsorted(ends, keys.view(np.uint64) % np.uint64(GROUP), side="right").astype(np.uint8)

    def requested(self) -> list[str]:
        """Return the splits that should have rows."""
        return [split for split in SPLITS if getattr(self, split)]


@dataclasses.dataclass(frozen=True)
class ByFile:
    """Split rows by the file that contains them."""

    needs_all_labels = False

    def assign(self, chunk: int, labels: np.ndarray, table: pa.Table | None, source: str | None) -> np.ndarray:
        """Return each row's index in `SPLITS`; see `Fractions.assign`."""
        return np.full(len(labels), SPLITS.index(source), np.uint8)

    def requested(self) -> list[str]:
        """Return the splits that should have rows; the files determine that."""
        return []


@dataclasses.dataclass(frozen=True)
class Folds:
    """Ten stratified folds: the first for test, the second for validation, eight for training.

    The folds equal those of scikit-learn's `StratifiedKFold(10, shuffle=True, random_state=seed)`, version 0.22 and
    later, which AutoInt and GraphFM used.

    Args:
        seed: Seed for the folds.
    """

    seed: int = 2018
    needs_all_labels = True

    def assign_all(self, labels: np.ndarray) -> np.ndarray:
        """Return the index in `SPLITS` of every row, given all labels, uint8 `(rows,)`."""
        return np.array([2, 1, *[0] * 8], np.uint8)[self.folds(labels)]

    def requested(self) -> list[str]:
        """Return the splits that should have rows."""
        return list(SPLITS)

    def folds(self, labels: np.ndarray) -> np.ndarray:
        """Return the fold of every row, 0 to 9, `(rows,)`."""
        generator = np.random.RandomState(self.seed)
        folds = np.empty(len(labels), np.int8)
        # Classes are in order of appearance. The sizes of a class's folds keep the total fold sizes equal to within
        # one row.
        classes = sorted({0, 1} & set(np.unique(labels)), key=lambda label: int(np.argmax(labels == label)))
        start = 0
        for label in classes:
            rows = np.flatnonzero(labels == label)
            sizes = np.bincount(np.arange(start, start + len(rows)) % 10, minlength=10)
            members = np.repeat(np.arange(10, dtype=np.int8), sizes)
            generator.shuffle(members)
            folds[rows] = members
            start += len(rows)
        return folds


@dataclasses.dataclass(frozen=True)
class Shuffled:
    """All rows in random order, cut at eight and nine tenths, as the papers split MovieLens-1M.

    Args:
        seed: Seed for Python's `random.shuffle`.
    """

    seed: int = 2019
    needs_all_labels = True

    def assign_all(self, labels: np.ndarray) -> np.ndarray:
        """Return the index in `SPLITS` of every row, uint8 `(rows,)`."""
        order = list(range(len(labels)))
        random.Random(self.seed).shuffle(order)
        splits = np.zeros(len(labels), np.uint8)
        train, valid = len(order) * 8 // 10, len(order) // 10
        splits[order[train : train + valid]] = 1
        splits[order[train + valid :]] = 2
        return splits

    def requested(self) -> list[str]:
        """Return the splits that should have rows."""
        return list(SPLITS)


def split_from_dict(config: Mapping[str, Any], seed: int = 0) -> Fractions | ByColumn | ByName | ByHash:
    """Build a split from a user's schema: shares, shares by a hash, or a column and its bounds.

    Args:
        config: Arguments of `Fractions`, `ByColumn` or `ByName`; those of `ByHash`, its columns as `hash`.
        seed: Seed for a random split, if `config` gives none.

    Raises:
        ValueError: If a key is unknown or a value is wrong.
    """
    if not isinstance(config, Mapping):
        raise ValueError(
            "Schema: `split` must be shares, {train: 0.8, valid: 0.1, test: 0.1}, a column and its bounds, or a column "
            "that names the splits. "
            f"Received: {config!r}."
        )
    if "hash" in config:
        known = ["hash", *SPLITS, "seed"]
        for key in config:
            if key not in known:
                raise ValueError(unknown("key of a split by `hash`", key, known))
        return ByHash(config["hash"], **{"seed": seed, **{key: config[key] for key in config if key != "hash"}})
    kind = Fractions if "column" not in config else ByName if set(config) <= {"column", *SPLITS} else ByColumn
    known = [entry.name for entry in dataclasses.fields(kind)]
    for key in config:
        if key not in known:
            raise ValueError(unknown("key of `split`", key, [*known, "column", "hash"]))
    given = {key for key, value in config.items() if value is not None}
    missing = {"column", "valid_from"} - given if kind is ByColumn else ()
    if missing:
        raise ValueError(f"A split by column needs the keys column and valid_from. Missing: {', '.join(missing)}.")
    if kind is ByColumn:  # YAML reads 2024-06-01 as a date
        return kind(**{key: str(value) if isinstance(value, datetime.date) else value for key, value in config.items()})
    return kind(**({"seed": seed, **config} if kind is Fractions else config))
