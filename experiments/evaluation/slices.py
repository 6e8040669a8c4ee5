"""Slices of rows: by the values of a categorical field or column, or by quantile bins of numbers."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from ctrzoo.metrics import Scored
from ctrzoo.suggest import unknown

from ...data_pipelines.encoding.cells import codes_of
from ...data_pipelines.encoding.features import number_slots, stored_slots

if typing.TYPE_CHECKING:
    from ctrzoo.schema import Schema
    from ctrzoo.types import Features

    from ...data_pipelines.encoding.fields import TableEncoding

ABSENT, EMPTY = "(absent)", "(empty)"


class Slicing(typing.NamedTuple):
    """Rows divided by what a field or column holds.

    Args:
        name: The field or column.
        codes: The number of each row's slice, from 0, `(rows,)`.
        texts: What each slice is called.
        pooled: How many values the last slice pools; 0 if it holds only one.
    """

    name: str
    codes: np.ndarray
    texts: list[str]
    pooled: int

    def rows(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the text and the numbers of the rows of each slice.

        >>> [(text, rows.tolist()) for text, rows in Slicing("ad", np.array([1, 0, 1]), ["a", "b"], 0).rows()]
        [('a', [1]), ('b', [0, 2])]
        """
        order = np.argsort(self.codes, kind="stable")
        ends = np.cumsum(np.bincount(self.codes, minlength=len(self.texts)))
        return zip(self.texts, np.split(order, ends[:-1]), strict=True)


def rows_in(scored: Scored, rows: np.ndarray) -> Scored:
    """Return some of the rows, by their numbers.

    >>> rows_in(Scored(np.array([0, 1]), np.array([0.2, 0.7])), np.array([1])).scores.tolist()
    [0.7]
    """
    columns = (scored.labels, scored.scores, scored.weights, scored.groups)
    return Scored(*(None if column is None else column[rows] for column in columns))  # pyright: ignore


class FieldCells:
    """What a field holds, collected from batches of features.

    Args:
        schema: The schema of the model.
        encoding: How cells became ids; None for synthetic data, whose ids have no texts.
        name: The field.

    Raises:
        ValueError: If there is no such field, or it holds several values in a row.
    """

    def __init__(self, schema: Schema, encoding: TableEncoding | None, name: str) -> None:
        if name not in schema.names:
            raise ValueError(f"--by: {unknown('field', name, schema.names)}")
        self.schema, self.encoding, self.name = schema, encoding, name
        self.index = schema.names.index(name)
        self.kind = schema.fields[self.index].kind
        if self.kind not in ("categorical", "numerical"):
            raise ValueError(
                f"--by={name}: a row of a {self.kind} field holds several values. Name a categorical or numerical one."
            )
        self.slots = [slot for slot, field in enumerate(schema.slot_fields) if field == self.index]
        self.parts: list[np.ndarray] = []

    def add(self, features: Features) -> None:
        """Take the rows of a batch."""
        if self.kind == "numerical":
            self.parts.append(np.array(features["values"][:, self.slots[0]], np.float64))
            return
        ids = np.asarray(features["ids"])
        whole = np.array(ids[:, self.slots[0]], np.int64)
        for slot in self.slots[1:]:  # a compositional field has two
            whole = whole << 32 | ids[:, slot]
        self.parts.append(whole)

    def notes(self) -> list[str]:
        """Return what is to be said of the cells: a missing number is stored like some number."""
        if self.kind != "numerical" or all(part.all() for part in self.parts):
            return []
        number = float(self._numbers(np.zeros(1))[0])
        return [
            f"--by={self.name}: the slice that holds {number:.6g} also has the rows without a number, if there are "
            "any. Both are stored alike."
        ]

    def _numbers(self, stored):
        """Return numbers as they were before their transform."""
        if self.encoding is None:
            return stored
        return np.asarray(self.encoding.fields[self.index].transformer.inverse_transform(stored))

    def slicing(self, most: int, bins: int) -> Slicing:
        """Return the slices.

        Args:
            most: The most slices of a categorical field; smaller ones are pooled in one more.
            bins: The most slices of a numerical field.
        """
        cells = np.concatenate(self.parts)
        if self.kind == "numerical":
            return in_bins(self.name, self._numbers(cells), bins)
        values, codes = np.unique(cells, return_inverse=True)
        return largest(self.name, codes, len(values), lambda kept: self._texts(values[kept]), most)

    def _texts(self, values):
        """Return what ids mean, by rows in which all other fields are absent."""
        ids = np.zeros((len(values), self.schema.num_slots), np.int32)
        for slot in reversed(self.slots):
            ids[:, slot] = values & 0xFFFFFFFF
            values = values >> 32
        if self.encoding is None:
            first = self.schema.first_ids[self.index]
            return [f"#{code - first + 1}" if code else ABSENT for code in ids[:, self.slots[0]].tolist()]
        numbers = np.zeros((len(ids), len(number_slots(self.schema))), np.float32)
        texts = self.encoding.decode(ids[:, stored_slots(self.schema)], numbers)[self.name].to_list()
        return [ABSENT if text is None else text or EMPTY for text in texts]


class ColumnCells:
    """The cells of a column of a table, as they are written, collected chunk by chunk.

    Args:
        name: The column.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.known: dict[str, int] = {}
        self.parts: list[np.ndarray] = []

    def add(self, cells: typing.Any) -> None:
        """Take the cells of a chunk, a `pyarrow.ChunkedArray`."""
        codes, texts = codes_of(pl.Series(self.name, cells).cast(pl.String).fill_null(""))
        known = [self.known.setdefault(text, len(self.known)) for text in texts.to_list()]
        self.parts.append(np.array(known, np.int64)[codes])

    def notes(self) -> list[str]:
        """Return nothing: cells are kept as they are written."""
        return []

    def slicing(self, most: int, bins: int) -> Slicing:
        """Return the slices: those of numbers in bins, if all cells are numbers and there are more of them than `most`.

        Args:
            most: The most slices of other cells; smaller ones are pooled in one more.
            bins: The most slices of numbers.
        """
        codes, texts = np.concatenate(self.parts), np.array(list(self.known), object)
        if len(texts) > most:
            written = pl.Series([text or None for text in texts], dtype=pl.String)
            numbers = written.str.strip_chars().cast(pl.Float64, strict=False)
            if numbers.null_count() == written.null_count() and numbers.fill_null(0).is_finite().all():
                return in_bins(self.name, numbers.fill_null(float("nan")).to_numpy()[codes], bins)
        return largest(self.name, codes, len(texts), lambda kept: [text or EMPTY for text in texts[kept]], most)


def largest(
    name: str,
    codes: np.ndarray,
    number: int,
    texts_of: typing.Callable[[np.ndarray], Sequence[str]],
    most: int,
) -> Slicing:
    """Return the slices of the values with the most rows; the others are pooled in a last one.

    Args:
        name: The field or column.
        codes: The value of each row, from 0, `(rows,)`.
        number: How many values there are.
        texts_of: Returns the texts of some values.
        most: How many values have a slice of their own.

    >>> largest("ad", np.array([0, 1, 1, 2]), 3, lambda kept: [f"ad {code}" for code in kept], most=1)
    Slicing(name='ad', codes=array([1, 0, 0, 1]), texts=['ad 1', '(2 others)'], pooled=2)
    """
    order = np.argsort(-np.bincount(codes, minlength=number), kind="stable")
    kept = order if number <= most + 1 else order[:most]  # one value is not pooled with itself
    pooled = number - len(kept)
    places = np.full(number, len(kept), np.int64)
    places[kept] = np.arange(len(kept))
    return Slicing(name, places[codes], [*texts_of(kept), *[f"({pooled:,} others)"] * (pooled > 0)], pooled)


def in_bins(name: str, numbers: np.ndarray, bins: int) -> Slicing:
    """Return slices of about equally many rows, in the order of the numbers; equal numbers are in one slice.

    Args:
        name: The field or column.
        numbers: The number of each row, NaN where a cell is empty; those are a slice of their own, the last one.
        bins: The most slices of numbers.

    >>> in_bins("age", np.array([3.0, 1.0, np.nan, 2.0, 4.0]), bins=2)
    Slicing(name='age', codes=array([1, 0, 2, 0, 1]), texts=['1 to 2', '3 to 4', '(empty)'], pooled=0)
    """
    known = np.sort(numbers[~np.isnan(numbers)])
    if not len(known):
        return Slicing(name, np.zeros(len(numbers), np.int64), [EMPTY], 0)
    ranks = np.arange(1, bins) * len(known) // bins
    # If many rows hold the lowest number, such as 0, they are a slice, and the next one begins at the next number.
    ranks = np.maximum(ranks, np.searchsorted(known, known[0], "right"))
    edges = np.unique(known[ranks[ranks < len(known)]])
    codes = np.where(np.isnan(numbers), len(edges) + 1, np.searchsorted(edges, numbers, "right"))
    parts = np.split(known, np.searchsorted(known, edges))
    texts = [_range(part[0], part[-1], digits=6) for part in parts]
    if len(set(texts)) < len(texts):
        texts = [_range(part[0], part[-1], digits=17) for part in parts]
    return Slicing(name, codes, texts + [EMPTY] * (len(known) < len(numbers)), 0)


def _range(low, high, digits):
    low, high = (
        np.format_float_positional(end, digits, unique=True, fractional=False, trim="-") for end in (low, high)
    )
    return low if low == high else f"{low} to {high}"
