"""Assign rows to training, validation and test.

If a split needs only one chunk of rows at a time, it is known while the raw file is read, so vocabularies can be fitted
to the training rows. `Folds` and `Shuffled`, which divided published data, first need all labels or the number of rows.
"""

from __future__ import annotations

import dataclasses
import datetime
import random
import typing
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from ctrzoo.suggest import unknown

from ..encoding.cells import numbers_of, plain_texts
from ..errors import RowError
from ..storage.writing import SPLITS

if typing.TYPE_CHECKING:
    import pyarrow as pa

# Shares are multiples of one part in this many.
GROUP = 100


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

    Args:
        column: The column; it need not be a field.
        valid_from: The smallest value of validation rows. If all values are numbers, they are compared as numbers,
            otherwise as text, which suits dates such as 2014-10-29. Empty cells are errors.
        test_from: The smallest value of test rows; by default the split has no test rows.

    Raises:
        ValueError: If test rows would begin before validation rows.
    """

    column: str
    valid_from: float | str
    test_from: float | str | None = None
    needs_all_labels = False

    def __post_init__(self):
        _check_type("column", self.column, str, "the name of a column, in quotes")
        _check_type("valid_from", self.valid_from, (int, float, str), "a number or text")
        _check_type("test_from", self.test_from, (int, float, str, type(None)), "a number or text")
        bounds = self._bounds()
        if any(isinstance(bound, float) and not np.isfinite(bound) for bound in bounds):
            raise ValueError(
                "`valid_from` and `test_from` of a split must be finite, or a text that is not a number. "
                f"Received: {self.valid_from!r}, {self.test_from!r}."
            )
        if bounds != sorted(bounds):
            raise ValueError(
                "A split by column needs the validation rows before the test rows. "
                f"Received: valid_from {self.valid_from!r}, test_from {self.test_from!r}."
            )

    def assign(self, chunk: int, labels: np.ndarray, table: pa.Table | None, source: str | None) -> np.ndarray:
        """Return each row's index in `SPLITS`; see `Fractions.assign`."""
        assert table is not None
        bounds = self._bounds()
        cells = pl.Series(self.column, table[self.column])
        cells = self._numbers(cells) if isinstance(bounds[0], float) else plain_texts(cells)
        if cells.null_count():
            raise RowError(cells.is_null().arg_true().to_numpy(), f"column '{self.column}' gives no split: it is empty")
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

    def _bounds(self):
        """Return where validation and test rows begin; as numbers if all of them are numbers."""
        bounds = [bound for bound in (self.valid_from, self.test_from) if bound is not None]
        try:
            return [float(bound) for bound in bounds]
        except ValueError:
            return [str(bound) for bound in bounds]


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


def split_from_dict(config: Mapping[str, Any], seed: int = 0) -> Fractions | ByColumn:
    """Build a split from a user's schema: shares, or a column and its bounds.

    Args:
        config: Arguments of `Fractions` or `ByColumn`.
        seed: Seed for a random split, if `config` gives none.

    Raises:
        ValueError: If a key is unknown or a value is wrong.
    """
    if not isinstance(config, Mapping):
        raise ValueError(
            "Schema: `split` must be shares, {train: 0.8, valid: 0.1, test: 0.1}, or a column and its bounds. "
            f"Received: {config!r}."
        )
    kind = ByColumn if "column" in config else Fractions
    known = [entry.name for entry in dataclasses.fields(kind)]
    for key in config:
        if key not in known:
            raise ValueError(unknown("key of `split`", key, [*known, "column"]))
    given = {key for key, value in config.items() if value is not None}
    missing = {"column", "valid_from"} - given if kind is ByColumn else ()
    if missing:
        raise ValueError(f"A split by column needs the keys column and valid_from. Missing: {', '.join(missing)}.")
    if kind is ByColumn:  # YAML reads 2024-06-01 as a date
        return kind(**{key: str(value) if isinstance(value, datetime.date) else value for key, value in config.items()})
    return kind(**{"seed": seed, **config})
