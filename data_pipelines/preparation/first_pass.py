"""A chunk of rows in compact form, between the two passes over a table.

Text is read once: each chunk stores a dictionary of each column's texts, and one index into it per row. The final ids
are then looked up per dictionary entry, not per row.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import typing
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import polars as pl
import pyarrow as pa

from ctrzoo.files import replaced, write_json

from ..encoding.cells import codes_of, numbers_of, present, texts_of, tokens_of
from ..encoding.crossing import coded_numbers, combinations, positions_of_parts
from ..encoding.dense import matrix_of
from ..encoding.field import LARGEST
from ..encoding.histories import columns_of_histories, lengths_of_events
from .parallel import ARRAY_LOCK

if typing.TYPE_CHECKING:
    from numpy.lib.npyio import NpzFile

    from ctrzoo.types import Config, Path

    from .plan import TablePlan


def compact(
    table: pa.Table, plan: TablePlan, chunk: int, source_split: str | None
) -> tuple[dict[str, np.ndarray], list[tuple[pl.Series, np.ndarray]]]:
    """Return the columns of a chunk and the dictionaries of its texts.

    Rows that `plan.negatives` leaves out are checked like others; the arrays and counts are without them.

    Args:
        table: `pyarrow.Table` of the rows.
        plan: The `TablePlan`.
        chunk: The number of the chunk.
        source_split: The split of the chunk's file; None if files do not determine splits.

    Returns:
        Arrays by name (those of `Roles.read`, `split` if it is already known, and for field j `codes_j`, `numbers_j`,
        `lengths_j`, `weights_j`; for a cross `codes_j` and, for its part number p, `part_j_p`, see `CrossedChunk`).
        And for each field `(texts, counts)`, empty for numbers: the texts, including null, and how often each occurs in
        the rows of the fit. The texts of a cross are all null, because the types of its parts are not decided yet.

    Raises:
        RowError: If rows are invalid.
        ValueError: If a column is missing.
    """
    arrays = plan.roles.read(lambda name: column(table, name))
    labels = arrays["label"]
    learn = np.ones(len(table), bool)
    if not plan.split.needs_all_labels:
        strata = labels if plan.label.kind == "binary" else np.zeros(len(labels), np.uint8)
        arrays["split"] = plan.split.assign(chunk, strata, table, source_split)
        if plan.fit_on == "train":
            learn = arrays["split"] == 0
    kept = None
    if plan.negatives.share < 1:
        kept = plan.negatives.kept(chunk, labels, arrays["split"])
        learn &= kept
        arrays = {name: array[kept] for name, array in arrays.items()}
    dictionaries, learned_rows, lengths_of = [], np.flatnonzero(learn), {}
    for index, field in enumerate(plan.fields):
        dictionary = pl.Series(dtype=pl.String), np.empty(0, np.int64)
        if field.cross:
            dictionaries.append(dictionary)
            continue
        if field.kind == "vector":
            matrix = matrix_of(field, [column(table, name) for name in field.raw_columns])
            arrays[f"numbers_{index}"] = _some(matrix, kept).astype(np.float32)  # which is what will be stored
            dictionaries.append(dictionary)
            continue
        assert field.column is not None
        if field.kind == "numerical" or field.transformer.makes_ids:
            numbers = numbers_of(present(field, column(table, field.column)))
            if field.kind == "numerical" and (np.abs(numbers) > LARGEST).any():
                field.stored_numbers(numbers)  # rejects rows now, while they can be reported and skipped
            arrays[f"numbers_{index}"] = _small_numbers(_some(numbers, kept))
        elif field.kind == "categorical":
            codes, texts = _codes(field, table)
            counts = np.bincount(codes.take(learned_rows), minlength=len(texts))  # faster than by a mask
            arrays[f"codes_{index}"], dictionary = _small_codes(_some(codes, kept), len(texts)), (texts, counts)
        else:
            lengths, tokens, weights = tokens_of(field, column(table, field.column))
            codes, texts = codes_of(tokens)
            lengths_of[index] = lengths
            counts = np.bincount(codes[np.repeat(learn, lengths)], minlength=len(texts))
            kept_tokens = None if kept is None else np.repeat(kept, lengths)
            codes, lengths = _some(codes, kept_tokens), _some(lengths, kept)
            arrays[f"codes_{index}"], dictionary = _small_codes(codes, len(texts)), (texts, counts)
            arrays[f"lengths_{index}"] = _small_codes(lengths, int(lengths.max(initial=0)) + 1)
            if weights is not None:
                arrays[f"weights_{index}"] = _some(weights, kept_tokens)
        dictionaries.append(dictionary)
    for places in columns_of_histories(plan.fields).values():  # finds rows whose columns disagree
        lengths_of_events([plan.fields[place] for place in places], [lengths_of[place] for place in places])
    learned = _some(learn, kept)
    for index, field in enumerate(plan.fields):
        if field.cross:
            dictionaries[index] = _cross(field, index, plan.fields, arrays, dictionaries, learned)
    return arrays, dictionaries


def _cross(field, index, fields, arrays, dictionaries, learned):
    """Add the arrays of a cross; return its dictionary."""
    coded, cells = [], []
    for place in positions_of_parts(field, fields):
        if fields[place].makes_ids:
            codes, numbers = coded_numbers(arrays[f"numbers_{place}"])
            coded.append((codes, len(numbers)))
            cells.append(numbers.to_numpy())
        else:
            size = len(dictionaries[place][0])
            coded.append((arrays[f"codes_{place}"], size))
            cells.append(None)
    codes, parts = combinations(coded)
    for number, (part, numbers) in enumerate(zip(parts, cells, strict=True)):
        arrays[f"part_{index}_{number}"] = _small_codes(part, coded[number][1]) if numbers is None else numbers[part]
    arrays[f"codes_{index}"] = _small_codes(codes, len(parts[0]))
    texts = pl.repeat(None, len(parts[0]), dtype=pl.String, eager=True)
    return texts, np.bincount(codes[learned], minlength=len(parts[0]))


def _some(array, kept):
    return array if kept is None else array[kept]


def column(table: pa.Table, name: str) -> pl.Series:
    """Return a column of a `pyarrow.Table` as a polars series."""
    return pl.Series(name, table[name])


def _codes(field, table):
    """Return what `codes_of` returns of a field's categories; plain text bypasses polars, which would copy it twice."""
    cells = table[field.column]
    if pa.types.is_string(cells.type) and not (field.transform or field.missing_texts or field.reads_times):
        codes, texts = codes_of(cells.combine_chunks())
        if not (texts == "").any():  # which is a missing cell, so `texts_of` would make it null
            return codes, texts
    return codes_of(texts_of(field, pl.Series(field.column, cells)))


def _small_codes(codes, size):
    return codes.astype(np.min_scalar_type(max(size - 1, 0)))


def _small_numbers(numbers):
    """Store numbers in half the bytes if that is lossless."""
    with np.errstate(over="ignore"):
        small = numbers.astype(np.float32)
    return small if np.array_equal(small, numbers, equal_nan=True) else numbers


TEXTS = pa.schema([("text", pa.large_string()), ("count", pa.int64())])


class Arrays(Mapping[str, np.ndarray]):
    """The arrays of an open `.npz` file, for use in threads.

    Args:
        file: What `numpy.load` returned.

    >>> import io
    >>> file = io.BytesIO()
    >>> np.savez(file, label=np.array([0, 1]))
    >>> dict(Arrays(np.load(io.BytesIO(file.getvalue()))))
    {'label': array([0, 1])}
    """

    def __init__(self, file: NpzFile):
        self._file = file

    def __getitem__(self, name: str) -> np.ndarray:
        with ARRAY_LOCK:
            return self._file[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._file.files)

    def __len__(self) -> int:
        return len(self._file.files)


class CompactChunk(typing.Protocol):
    """A compact chunk of rows: its arrays and dictionaries."""

    def save(
        self, arrays: Mapping[str, np.ndarray], dictionaries: Iterable[tuple[pl.Series, np.ndarray]], stats: Config
    ) -> None:
        """Keep what `compact` returned, and the stats of the chunk."""
        ...

    def arrays(self) -> contextlib.AbstractContextManager[Mapping[str, np.ndarray]]:
        """Open the arrays of the rows."""
        ...

    def dictionary(self, field: int) -> tuple[pl.Series, np.ndarray]:
        """Return the texts of a field and their counts."""
        ...


class ChunkFiles:
    """The files of one compact chunk.

    Args:
        folder: The folder of all chunks.
        chunk: The number of the chunk.
    """

    def __init__(self, folder: Path, chunk: int):
        self._arrays = pathlib.Path(folder) / f"{chunk:06d}.npz"
        self._texts = self._arrays.with_suffix(".arrow")
        self._stats = self._arrays.with_suffix(".json")

    def save(
        self, arrays: Mapping[str, np.ndarray], dictionaries: Iterable[tuple[pl.Series, np.ndarray]], stats: Config
    ) -> None:
        """Write the chunk; its stats come last and mark it as complete."""
        with replaced(self._arrays) as temporary:
            np.savez(temporary, **arrays)  # pyright: ignore[reportArgumentType]  (none is called allow_pickle)
        with replaced(self._texts) as temporary, pa.ipc.new_file(str(temporary), TEXTS) as writer:
            for texts, counts in dictionaries:
                writer.write_batch(pa.record_batch([texts.to_arrow(), pa.array(counts, pa.int64())], schema=TEXTS))
        write_json(self._stats, stats)

    def stats(self) -> Config | None:
        """Return the chunk's stats, or None if it is not complete."""
        return json.loads(self._stats.read_text(encoding="utf-8")) if self._stats.is_file() else None

    @contextlib.contextmanager
    def arrays(self) -> Iterator[Arrays]:
        """Open the arrays of the rows; each is read on access."""
        with np.load(self._arrays) as file:
            yield Arrays(file)

    def labels(self) -> np.ndarray:
        """Return the labels of all rows."""
        with self.arrays() as arrays:
            return arrays["label"]

    def dictionary(self, field: int) -> tuple[pl.Series, np.ndarray]:
        """Return the texts of a field and their counts."""
        with pa.OSFile(str(self._texts)) as file:
            batch = pa.ipc.open_file(file).get_batch(field)
        return pl.Series(batch.column(0), dtype=pl.String), batch.column(1).to_numpy()

    def delete(self) -> None:
        """Delete the rows and dictionaries; the stats stay."""
        self._arrays.unlink(missing_ok=True)
        self._texts.unlink(missing_ok=True)
