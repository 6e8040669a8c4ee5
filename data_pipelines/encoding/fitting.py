"""Fit a field's encoding to its cells: vocabulary, scaling, bucket boundaries.

Everything is fitted to consecutive parts of the column, so the column need not fit into memory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl

from .cell_types import AUTO, type_of
from .cells import codes_of, numbers_of, present, texts_of, tokens_of
from .crossing import coded, crossed
from .dense import length_of, matrix_of
from .field import FieldEncoding

# Cells with more values than this are cut, if fewer than one in a thousand has as many.
MOST_SLOTS, KEPT_WHOLE = 50, 0.999
# The parts' counts are added up once this many rows are waiting, or twice as many as have been counted so far.
PENDING_VALUES = 4_000_000


def fit_field(
    field: FieldEncoding,
    cells: pl.Series,
    others: Iterable[tuple[FieldEncoding, pl.Series]] = (),
    together: Iterable[tuple[FieldEncoding, pl.Series]] = (),
) -> FieldEncoding:
    """Return a field's encoding, fitted to a whole column.

    Args:
        field: The `FieldEncoding`; for a vector see `fit_vector`.
        cells: The column.
        others: The fields that share ids with this one, and their columns.
        together: The other fields of the history, if it is one of a history, and their columns.

    >>> from ctrzoo.data_pipelines.encoding.fields import FieldEncoding
    >>> fit_field(FieldEncoding("city"), pl.Series(["Rome", "Oslo", "Rome"])).values.to_list()
    ['Oslo', 'Rome']
    """
    if field.kind == "numerical" or field.transformer.makes_ids:
        numbers = numbers_of(present(field, cells))
        if field.kind == "numerical":
            field.stored_numbers(numbers)  # rejects numbers that cannot be stored
        return fit_numbers(field, [numbers])
    if field.holds_several:
        lengths = [tokens_of(*each)[0] for each in [(field, cells), *together]]
        most = field.max_values or max_values_of([np.maximum.reduce(lengths)])
        field = dataclasses.replace(field, max_values=most)
    parts = counted_parts([(field, cells), *others])
    field = decide_type(field, [uniques for uniques, _ in parts])
    return fit_vocabulary(field, parts) if field.uses_vocabulary else field


def fit_cross(field: FieldEncoding, parts: Iterable[tuple[FieldEncoding, pl.Series]]) -> FieldEncoding:
    """Return the encoding of a cross, fitted to whole columns.

    Args:
        field: The `FieldEncoding` of the cross.
        parts: The fitted field of each part, and its column.
    """
    return fit_vocabulary(field, [counted_cross(field, parts)]) if field.uses_vocabulary else field


def counted_cross(
    field: FieldEncoding, parts: Iterable[tuple[FieldEncoding, pl.Series]]
) -> tuple[pl.Series, np.ndarray]:
    """Return the different texts of a cross and how often each occurs, as `fit_vocabulary` takes them.

    Args:
        field: The `FieldEncoding` of the cross.
        parts: The fitted field of each part, and its column.
    """
    parts = list(parts)
    cells = {part.name: coded(part, column) for part, column in parts}
    codes, texts = crossed(field, [part for part, _ in parts], cells)
    return texts, np.bincount(codes, minlength=len(texts))


def fit_vector(field: FieldEncoding, columns: Sequence[pl.Series]) -> FieldEncoding:
    """Return the encoding of a vector field with its length.

    Args:
        field: The `FieldEncoding`.
        columns: Its raw columns.

    Raises:
        ValueError: As in `matrix_of` and `length_of`.

    >>> fit_vector(FieldEncoding("emb", "vector"), [pl.Series([[0.5, 1.0], None])]).length
    2
    """
    length = length_of(field, [matrix_of(field, columns).shape[1]])
    return field if field.columns else dataclasses.replace(field, length=length)


def counted_parts(columns: Iterable[tuple[FieldEncoding, pl.Series]]) -> list[tuple[pl.Series, np.ndarray]]:
    """Return the different texts of each column and how often each occurs, as `fit_vocabulary` takes them.

    Args:
        columns: Fields that share ids, or one field, and their columns.
    """
    return [
        _counted(tokens_of(field, cells)[1] if field.holds_several else texts_of(field, cells))
        for field, cells in columns
    ]


def _counted(texts):
    codes, uniques = codes_of(texts)
    return uniques, np.bincount(codes, minlength=len(uniques))


def max_values_of(parts: Iterable[np.ndarray]) -> int:
    """Return how many values of a multi-valued cell to keep.

    That is the most of any cell, up to `MOST_SLOTS`. Each row is padded to this size, so a few longer cells are cut to
    what 99.9 % of the cells have.

    Args:
        parts: Numbers of values of the cells, in parts.

    >>> max_values_of([np.array([3, 7])]), max_values_of([np.full(5000, 2), np.array([3000])])
    (7, 50)
    """
    counts = np.zeros(1, np.int64)
    for lengths in parts:
        found = np.bincount(lengths, minlength=len(counts))
        found[: len(counts)] += counts
        counts = found
    longest = max(len(counts) - 1, 1)
    if longest <= MOST_SLOTS:
        return longest
    return max(MOST_SLOTS, int(np.searchsorted(np.cumsum(counts), KEPT_WHOLE * counts.sum())))


def decide_type(field: FieldEncoding, parts: Iterable[pl.Series]) -> FieldEncoding:
    """Return a field whose type is decided by its cells, if it is `"auto"`.

    Args:
        field: The `FieldEncoding`.
        parts: The different texts of each part of the column.
    """
    return dataclasses.replace(field, type=type_of(parts)) if field.type == AUTO else field


def fit_vocabulary(field: FieldEncoding, parts: Iterable[tuple[pl.Series, np.ndarray]]) -> FieldEncoding:
    """Return a field's encoding with its vocabulary.

    Args:
        field: The `FieldEncoding`.
        parts: `(texts, counts)` of each part, a series of strings and an array: values, and how often each occurs.
    """
    total = count_values(field, parts).filter(pl.col("count") >= field.min_count).sort("text")
    return dataclasses.replace(field, values=total["text"], counts=total["count"])


def count_values(field: FieldEncoding, parts: Iterable[tuple[pl.Series, np.ndarray]]) -> pl.DataFrame:
    """Return each value of a field and how often it occurs, as the columns `text` and `count`, in any order.

    Args:
        field: The `FieldEncoding`.
        parts: As in `fit_vocabulary`.
    """
    total = pl.DataFrame(schema={"text": pl.String, "count": pl.Int64})
    pending, waiting = [], 0
    for texts, counts in parts:
        pending.append(counted_texts(field, texts, counts))
        waiting += len(pending[-1])
        if waiting > max(PENDING_VALUES, 2 * len(total)):
            total, pending, waiting = _added_up([total, *pending]), [], 0
    return _added_up([total, *pending])


def counted_texts(field: FieldEncoding, texts: pl.Series, counts: np.ndarray) -> pl.DataFrame:
    """Return the values of a part of a column as `count_values` adds them up; a value may have several rows.

    Args:
        field: The `FieldEncoding`.
        texts: The different texts of the part.
        counts: How often each occurs.
    """
    texts = field.canonical(texts)
    if field.missing != "absent":
        texts = texts.fill_null("")
    part = pl.DataFrame({"text": texts, "count": pl.Series(counts, dtype=pl.Int64)})
    return part.drop_nulls("text").filter(pl.col("count") > 0)


def _added_up(parts: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(parts).group_by("text").agg(pl.col("count").sum())


def fit_numbers(field: FieldEncoding, parts: Iterable[np.ndarray], seed: int = 0) -> FieldEncoding:
    """Return a field's encoding with its transform fitted: offset and scale, or bucket boundaries.

    Args:
        field: The `FieldEncoding`.
        parts: float64 arrays; NaN means missing.
        seed: Seed for the sample from which boundaries are computed.
    """
    return dataclasses.replace(field, **field.transformer.fit((part[~np.isnan(part)] for part in parts), seed))
