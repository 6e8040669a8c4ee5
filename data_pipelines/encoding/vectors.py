"""Pretrained vectors of the values of a field, read from files and matched with ids."""

from __future__ import annotations

import os
import pathlib
import typing
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from .cells import texts_of
from .slots import to_global

if typing.TYPE_CHECKING:
    from ctrzoo.types import Path

    from .field import FieldEncoding

FORMS = (
    "a mapping, or a path that ends in .npz (arrays `values` and `vectors`), .parquet (columns `value` and `vector`)"
)


class Matched(typing.NamedTuple):
    """Vectors of values that have an id.

    Args:
        ids: Global ids, int32 `(matched,)`.
        vectors: float32 `(matched, width)`.
        unmatched: Number of vectors whose value has no id of its own.
        without: Number of the field's values that have no vector.
    """

    ids: np.ndarray
    vectors: np.ndarray
    unmatched: int
    without: int


def match_vectors(field: FieldEncoding, first_id: int, source: Path | Mapping[Any, Any]) -> Matched:
    """Return the vectors of the values of a field, in whatever way these are written.

    Args:
        field: The fitted `FieldEncoding`.
        first_id: The first global id of the field.
        source: What `read_vectors` takes.

    Raises:
        ValueError: If the field has no vocabulary, no value matches, or a value has several vectors.

    >>> from .field import FieldEncoding
    >>> found = match_vectors(FieldEncoding("city", values=["Oslo", "Rome"]), 5, {"Rome": [1, 2], "Bonn": [3, 4]})
    >>> found.ids.tolist(), found.vectors.tolist(), found.unmatched, found.without
    ([6], [[1.0, 2.0]], 1, 1)
    """
    if not field.uses_vocabulary:
        raise ValueError(
            f"Field '{field.name}' has no vocabulary that vectors could be matched with. Name a field of categories "
            "that are counted."
        )
    if field.compositional is not None:
        raise ValueError(
            f"Field '{field.name}' is compositional: its values share rows, so that none has a row to set. Remove "
            "`compositional`, or name another field."
        )
    values, vectors = read_vectors(source)
    texts = texts_of(field, values)
    local = field.local_ids(texts)
    known = local > int(field.has_oov_id)
    if not known.any():
        raise ValueError(
            f"None of the {len(values):,} values with a vector is one of the {len(field.known_values):,} of the field "
            f"'{field.name}': {', '.join(values.head(3).cast(pl.String).to_list())}, and "
            f"{', '.join(field.known_values['text'].head(3).to_list())}. Name the field of these values."
        )
    ids, counts = np.unique(local[known], return_counts=True)
    if (counts > 1).any():
        several = field.texts(ids[counts > 1][:1])[0]
        raise ValueError(f"The value {several!r} of the field '{field.name}' has several vectors. Remove all but one.")
    without = len(field.known_values) - len(ids)
    return Matched(to_global(local[known], first_id), vectors[known], int((~known).sum()), without)


def read_vectors(source: Path | Mapping[Any, Any]) -> tuple[pl.Series, np.ndarray]:
    """Return values, and their vectors as float32 `(values, width)`.

    Args:
        source: `{value: vector}`, or the path of a file. `.npz` has the arrays `values` and `vectors`, `.parquet` the
            columns `value` and `vector`. Any other file is text as word2vec writes it: a value and its numbers in each
            row, separated by spaces, with or without a first row of the two sizes.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it does not hold vectors of one length, or a number is not finite.

    >>> values, vectors = read_vectors({"a": [1, 2], "b": [3, 4]})
    >>> values.to_list(), vectors.tolist()
    (['a', 'b'], [[1.0, 2.0], [3.0, 4.0]])
    """
    if isinstance(source, Mapping):
        where, first_row = "The mapping", 1
        values, rows = pl.Series(list(source), strict=False), list(source.values())
    elif not isinstance(source, (str, os.PathLike)):
        raise ValueError(f"Vectors must be {FORMS} or is word2vec text. Received: {type(source).__name__}.")
    else:
        path = pathlib.Path(source)
        if not path.is_file():
            raise FileNotFoundError(f"The vectors {path} do not exist. Correct the path.")
        where = str(path)
        reader = {".npz": _read_npz, ".parquet": _read_parquet}.get(path.suffix, _read_text)
        values, rows, first_row = reader(path)
    if len(values) != len(rows) or not len(values):
        raise ValueError(f"{where} must hold one vector for each value. Received: {len(values)} and {len(rows)}.")
    return values, _matrix(where, rows, first_row)


def _matrix(where, rows, first_row):
    """Return vectors as a matrix; name the first row that has another length or other numbers."""
    if not (isinstance(rows, np.ndarray) and rows.ndim == 2):
        lengths = np.array([np.size(row) for row in rows])
        wrong = np.flatnonzero((lengths != lengths[0]) | (lengths == 0))
        if len(wrong):
            raise ValueError(
                f"{where}, row {first_row + wrong[0]:,}: the vector has {lengths[wrong[0]]} numbers, "
                f"expected {max(lengths[0], 1)}, as in the first row."
            )
    try:
        matrix = np.asarray(rows, dtype=np.float32).reshape(len(rows), -1)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where} must hold vectors of numbers: {error}.") from None
    wrong = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(wrong):
        raise ValueError(f"{where}, row {first_row + wrong[0]:,}: the vector has a number that is not finite.")
    return matrix


def _read_npz(path):
    try:
        with np.load(path) as file:
            return pl.Series(file["values"]), file["vectors"], 1
    except (KeyError, ValueError, OSError) as error:
        message = f"{path} must hold the arrays `values` (no objects) and `vectors`: {error}."
        raise ValueError(message) from None


def _read_parquet(path):
    try:
        table = pl.read_parquet(path, columns=["value", "vector"], glob=False)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path} must hold the columns `value` and `vector`: {reason}.") from None
    return table["value"], table["vector"].to_list(), 1


def _read_text(path):
    try:
        lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text. Pass text as word2vec writes it, or .npz or .parquet.") from None
    cells = [line.rstrip().split(" ") for line in lines]
    has_sizes = len(cells) > 1 and len(cells[0]) == 2 and all(cell.isdecimal() for cell in cells[0])
    # A value and a single number look like the sizes, which differ from the rows that follow.
    has_sizes = has_sizes and len(cells[1]) != 2
    rows = cells[has_sizes:]
    return pl.Series([row[0] for row in rows], dtype=pl.String), [row[1:] for row in rows], 1 + has_sizes
