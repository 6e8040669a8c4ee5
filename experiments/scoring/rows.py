"""The rows of a table as the features of a model, chunk by chunk on all cores, with what went wrong on the way."""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from ctrzoo.suggest import unknown

from ...data_pipelines.encoding.features import assemble
from ...data_pipelines.encoding.unknown import Unknown
from ...data_pipelines.errors import RowError
from ...data_pipelines.preparation.engine import CORRECT, MOST_SKIPPED
from ...data_pipelines.preparation.first_pass import column
from ...data_pipelines.preparation.parallel import in_order
from ...data_pipelines.raw.delimited import Format
from ...data_pipelines.raw.libsvm import SparseTextSource
from ...data_pipelines.raw.sources import ParquetSource, TextSource, open_raw, readable

if typing.TYPE_CHECKING:
    from ...data_pipelines.encoding.fields import TableEncoding
    from ...data_pipelines.encoding.roles import Roles
    from ...data_pipelines.raw.sources import Chunk

FileSource = ParquetSource | SparseTextSource | TextSource
# Several chunks are in memory at once: those that are read and encoded, and the one that is predicted.
CHUNK_BYTES = 16 << 20
CHUNK_ROWS = 65_536


class EncodedRows(typing.NamedTuple):
    """The usable rows of a chunk.

    Args:
        features: `{"ids": int32 (rows, slots), "values": float32 (rows, slots)}`.
        ids: The columns that name the rows, as they are written, a `pyarrow.Table`.
        places: The place of each row among all rows of the chunk, from 0, `(rows,)`.
        total: The number of rows of the chunk, with those that cannot be used.
        first_bad: Where and why the first row cannot be used; None if all can.
        unknown: The unknown values of the fields.
        share: The share of the table that has been read after this chunk.
        columns: The labels, weights and groups, if they are read, see `Roles.read`.
        label_values: A few of the values of the label, see `Label.values_of`.
    """

    features: dict[str, np.ndarray]
    ids: pa.Table
    places: np.ndarray
    total: int
    first_bad: str | None
    unknown: list[Unknown]
    share: float
    columns: dict[str, np.ndarray] = {}
    label_values: list[str] = []


def table_to_score(
    source: FileSource, encoding: TableEncoding, ids: Sequence[str], roles: Roles | None = None
) -> FileSource:
    """Return a source in chunks of the right size, which has the columns that an encoding needs.

    A text table without a header may lack the label, and may have a header after all.

    Args:
        source: The source.
        encoding: The encoding.
        ids: Names of the columns that name the rows.
        roles: The label, weight and group to read; None for none of them.

    Raises:
        ValueError: If a column is missing, or a file is empty or cannot be read.
    """
    if isinstance(source, ParquetSource):
        source = dataclasses.replace(source, chunk_rows=CHUNK_ROWS)
    elif isinstance(source, TextSource):
        source = dataclasses.replace(
            source, chunk_bytes=CHUNK_BYTES, format=_found_format(source, encoding, ids, roles)
        )
    known = source.columns()
    for name in needed_columns(encoding, ids, roles):
        if name not in known:
            flag = "--id" if roles is None else "--by"
            raise ValueError(
                f"{source.paths[0]}: {unknown('column', name, known)} The encoding of the model, or {flag}, needs it. "
                "If the table is written otherwise than the one of the model, pass --schema with its separator or "
                "columns."
            )
    return source


def needed_columns(encoding: TableEncoding, ids: Sequence[str], roles: Roles | None = None) -> dict[str, bool]:
    """Return the columns to read, `{name: whether they are numbers}`; labels are needed only with roles.

    Args:
        encoding: The encoding.
        ids: Names of the columns that name the rows; they are texts.
        roles: The label, weight and group to read; None for none of them.
    """
    needed: dict[str, bool] = {}
    for field in encoding.fields:
        for name in field.raw_columns:
            needed[name] = needed.get(name, True) and field.reads_numbers
    for name, is_number in (roles.needed if roles else {}).items():
        needed[name] = needed.get(name, True) and is_number
    return needed | dict.fromkeys(ids, False)


def encoded_chunks(
    source: FileSource, encoding: TableEncoding, ids: Sequence[str], skip_bad: bool, roles: Roles | None = None
) -> Iterator[EncodedRows]:
    """Yield the rows of a table in order; the next chunks are read and encoded in threads meanwhile.

    Args:
        source: What `table_to_score` returned.
        encoding: The encoding.
        ids: Names of the columns that name the rows.
        skip_bad: Whether to leave out rows that cannot be used.
        roles: The label, weight and group to read; None for none of them.

    Raises:
        ValueError: If a row cannot be used and `skip_bad` is False, or a file cannot be read.
    """
    needed = needed_columns(encoding, ids, roles)
    chunks = source.chunks([])
    # Texts for missing cells, such as "-1", may be ids, which are kept as they are written.
    if ids and isinstance(source, TextSource) and source.format.missing:
        plain = dataclasses.replace(source, format=dataclasses.replace(source.format, missing=()))
        pairs = zip(chunks, plain.chunks([]), strict=True)
    else:
        pairs = ((chunk, None) for chunk in chunks)
    return in_order(lambda pair: _encoded(*pair, source, encoding, needed, ids, skip_bad, roles), pairs)


class UsableRows(typing.NamedTuple):
    """The rows of a chunk that can be encoded.

    Args:
        table: Their columns, a `pyarrow.Table`.
        frame: The columns that the encoding reads, a polars frame.
        numbers: The number of each row in its file, `(rows,)`.
        bad: `(number, reason)` of each row that cannot be used.
        stored_ids: int32 `(rows, stored slots)`.
        stored_numbers: float32 `(rows, number slots)`.
        unknown: The unknown values of the fields.
        columns: The labels, weights and groups, if they are read, see `Roles.read`.
    """

    table: pa.Table
    frame: pl.DataFrame
    numbers: np.ndarray
    bad: list[tuple[int, str]]
    stored_ids: np.ndarray
    stored_numbers: np.ndarray
    unknown: list[Unknown]
    columns: dict[str, np.ndarray]


def usable_rows(
    chunk: Chunk, source: FileSource, encoding: TableEncoding, needed: Mapping[str, bool], roles: Roles | None = None
) -> UsableRows:
    """Parse and encode a chunk; rows that cannot be used are set apart.

    Args:
        chunk: A chunk of `source`.
        source: What `table_to_score` returned.
        encoding: The encoding.
        needed: The columns to read, from `needed_columns`.
        roles: The label, weight and group to read; None for none of them.
    """
    sparse = isinstance(source, SparseTextSource)
    table, numbers, bad = chunk.parse({**needed, **({"label": False} if sparse else {})})
    if sparse:
        table, numbers, bad = _with_labels(table, numbers, bad, source.kind)
    while True:
        frame = pl.DataFrame([column(table, name) for name in needed])
        try:
            columns = roles.read(functools.partial(column, table)) if roles else {}
            return UsableRows(table, frame, numbers, bad, *encoding.encode_and_count(frame), columns)
        except RowError as error:
            bad = [*bad, *((int(numbers[row]), error.reason) for row in error.rows)]
            kept = np.ones(len(table), bool)
            kept[error.rows] = False
            table, numbers = table.filter(pa.array(kept)), numbers[kept]


def features_of(encoding: TableEncoding, rows: UsableRows) -> dict[str, np.ndarray]:
    """Return rows as the features of a model, `{"ids": (rows, slots), "values": (rows, slots)}`."""
    import tensorflow as tf  # slow: programs check what they are given before

    with tf.device("CPU:0"):
        features = assemble(encoding.schema, rows.stored_ids, rows.stored_numbers)
        return {name: tensor.numpy() for name, tensor in features.items()}


def _encoded(chunk, plain, source, encoding, needed, ids, skip_bad, roles):
    rows = usable_rows(chunk, source, encoding, needed, roles)
    first_bad = _first_bad(chunk, rows.bad, len(rows.table), skip_bad)
    names = rows.table.select(list(ids)) if plain is None else _as_written(plain, ids, rows.numbers)
    all_rows = np.sort(np.concatenate([rows.numbers, [row for row, _ in rows.bad]]).astype(np.int64))
    places = np.searchsorted(all_rows, rows.numbers)
    features = features_of(encoding, rows)
    share, label = chunk.position["share"], roles.the_label if roles else None
    label_values = label.values_of(column(rows.table, label.column)) if label else []
    return EncodedRows(
        features, names, places, len(all_rows), first_bad, rows.unknown, share, rows.columns, label_values
    )


def _first_bad(chunk: Chunk, bad: list[tuple[int, str]], usable: int, skip_bad: bool) -> str | None:
    """Return where and why the first row cannot be used, or raise it."""
    if not bad:
        return None
    row, reason = min(bad)
    where = f"{chunk.path}, row {row:,}: {reason}"
    if not skip_bad:
        few = len(bad) <= MOST_SKIPPED * (len(bad) + usable)
        raise ValueError(f"{where}. {'Pass --bad_rows=skip to skip such rows' if few else CORRECT}.")
    return where


def _with_labels(table, numbers, bad, kind):
    """Leave out lines whose first token is a feature: without a label, it would be taken for one."""
    without = pl.Series(table["label"]).str.contains(":", literal=True).fill_null(False).to_numpy()
    if not without.any():
        return table, numbers, bad
    reason = f"the line has no label, which {kind} text begins with; write any number, such as 0, before its features"
    bad = [*bad, *((int(row), reason) for row in numbers[without])]
    return table.filter(pa.array(~without)), numbers[~without], bad


def _as_written(chunk, ids, numbers):
    """Return columns of a chunk in which all texts are kept, of the rows with some numbers."""
    rows = chunk.parse(dict.fromkeys(ids, False))
    return rows.table.filter(pa.array(np.isin(rows.row_numbers, numbers)))


def _found_format(source, encoding, ids, roles):
    """Return the format of text whose columns are named by the encoding, as its first line shows it."""
    form: Format = source.format
    if form.columns is None:
        return form
    path = source.paths[0]
    with readable(path), open_raw(path) as (file, _):
        cells = form.split_line(file.readline(1 << 24).decode("utf-8-sig", "replace").rstrip("\r\n"))
    if set(needed_columns(encoding, ids, roles)) <= set(cells):
        return dataclasses.replace(form, columns=None)  # the first line is a header
    without_label = tuple(name for name in form.columns if name != encoding.label)
    if len(cells) == len(without_label) < len(form.columns):
        return dataclasses.replace(form, columns=without_label)
    return form


def merged(counts: list[list[Any]]) -> list[Unknown]:
    """Return the unknown values of each field over chunks, in the order of the fields.

    Args:
        counts: The `unknown` of each chunk.

    >>> one, other = Unknown("site", 8, 1, 0, "x", "text"), Unknown("site", 2, 0, 0, "", "text")
    >>> merged([[one], [other]])
    [Unknown(field='site', values=10, unknown=1, misfits=0, example='x', type='text')]
    """
    found: dict[str, Unknown] = {}
    for count in (count for chunk in counts for count in chunk):
        before = found.get(count.field)
        if before is None:
            found[count.field] = count
            continue
        sums = {key: getattr(before, key) + getattr(count, key) for key in ("values", "unknown", "misfits")}
        # A value that is not of the type says more than one that is only new.
        shown = count.example if not before.example or (count.misfits and not before.misfits) else before.example
        found[count.field] = before._replace(**sums, example=shown)
    return list(found.values())
