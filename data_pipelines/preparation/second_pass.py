"""A chunk of rows as stored ids and numbers, ordered by each row's shard."""

from __future__ import annotations

import json
import pathlib
import typing
from collections.abc import Mapping, Sequence

import numpy as np

from ctrzoo.files import replaced, write_json

from ..encoding.dense import stored_matrix
from ..encoding.features import Block, number_slots, stored_slots
from ..encoding.histories import columns_of_histories, pad_events
from ..encoding.slots import pad, to_global
from ..storage.writing import SPLITS
from .fitted_field import UNSEEN

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config, Path

    from ..encoding.fields import TableEncoding
    from .fitted_field import FittedField

# Rows are assembled in pieces that fit into the processor's cache.
PIECE_ROWS = 4096


def encode_chunk(
    arrays: Mapping[str, np.ndarray],
    chunk: int,
    encoding: TableEncoding,
    fitted: Sequence[FittedField],
    splits: np.ndarray,
) -> tuple[Block, list[list[list[int]]]]:
    """Return a compact chunk as a `Block`, with counts of its missing and rare cells.

    Args:
        arrays: The arrays of the compact chunk.
        chunk: The number of the chunk.
        encoding: The `TableEncoding`.
        fitted: The `FittedField` of each field.
        splits: The index in `SPLITS` of each row.

    Returns:
        The `Block`, and for each field a list per split, `[missing, rows, rare, unseen, values, cut]`: the number of
        rows whose cell is missing, of all rows, of values with the rare id, of values that are left out because they
        have no id, of all values, and of values cut from long cells. A multi-valued cell has any number of values,
        other cells have one.
    """
    labels = arrays["label"]
    rows_of = [np.flatnonzero(splits == split) for split in range(len(SPLITS))]
    id_columns, number_columns, counts = [], [], []
    events = _events(arrays, chunk, encoding, fitted)
    for index, (field, first) in enumerate(zip(encoding.fields, encoding.schema.first_ids, strict=True)):
        if field.holds_numbers or field.transformer.makes_ids:
            numbers = arrays[f"numbers_{index}"]
            if field.kind == "vector":
                matrix = stored_matrix(numbers, encoding.schema.fields[index].num_slots)
                number_columns += [(values, None) for values in matrix.T]
                # A vector is missing as a whole; one without a number says that all are.
                numbers = numbers[:, 0] if numbers.shape[1] else np.full(len(labels), np.nan)
            else:
                numbers = numbers.astype(np.float64)
            if field.kind == "numerical":
                number_columns.append((field.stored_numbers(numbers), None))
            elif field.transformer.makes_ids:
                id_columns.append((to_global(field.bucket_ids(numbers), first), None))
            missing = _sums(np.isnan(numbers), rows_of)
            counts.append(
                [[absent, len(rows), 0, 0, len(rows), 0] for absent, rows in zip(missing, rows_of, strict=True)]
            )
            continue
        ids, codes = fitted[index].ids(chunk), arrays[f"codes_{index}"]
        unseen = ids == UNSEEN
        ids = np.maximum(ids, 0)
        if field.assign_ids_online:
            local = np.where(
                _is_early(codes, fitted[index].before(chunk), field.min_count), np.sign(ids[codes]), ids[codes]
            )
            unseen, ids, codes = unseen[codes], local, np.arange(len(codes))
        lengths = arrays[f"lengths_{index}"].astype(np.int64) if field.holds_several else None
        values_of = rows_of
        if lengths is not None:
            owners = np.repeat(splits, lengths)
            values_of = [np.flatnonzero(owners == split) for split in range(len(SPLITS))]
        cells = _occurrences(codes, len(ids), values_of)
        rare = np.flatnonzero(ids == 1) if field.has_oov_id else []
        unseen_at = np.flatnonzero(unseen)
        found = [
            [int(some[rare].sum()), int(some[unseen_at].sum()), len(values)]
            for some, values in zip(cells, values_of, strict=True)
        ]
        if lengths is None:
            id_columns += [(column, codes) for column in field.global_ids(ids[:, None], first).T]
            absent = np.flatnonzero((ids == 0) & ~unseen)
            missing, cut = [int(some[absent].sum()) for some in cells], [0] * len(SPLITS)
        else:
            weights = arrays[f"weights_{index}"] if field.is_weighted else None
            if field.kind == "sequence":
                local = events[index]
                # An event without a value keeps its place, but it is no value.
                empty = np.flatnonzero((ids == 0) & ~unseen)
                found = [
                    [*rest, values - int(some[empty].sum())] for (*rest, values), some in zip(found, cells, strict=True)
                ]
            else:
                local, weights = pad(lengths, ids[codes], weights, field.max_values or 1, field.keep)
            id_columns += [(column, None) for column in field.global_ids(local, first).T]
            if weights is not None:
                number_columns += [(column, None) for column in field.weights_of_slots(weights).T]
            kept = np.count_nonzero(local, axis=1)
            missing, stored = _sums(kept == 0, rows_of), _sums(kept, rows_of)
            cut = [int(some[ids > 0].sum()) - number for some, number in zip(cells, stored, strict=True)]
        counts.append(
            [
                [absent, len(rows), *values, more]
                for absent, rows, values, more in zip(missing, rows_of, found, cut, strict=True)
            ]
        )
    ids = _side_by_side(id_columns, len(labels), np.int32)
    columns = {role: arrays[role] for role in encoding.roles.columns}
    return Block(ids, _side_by_side(number_columns, len(labels), np.float32), labels, columns), counts


def _events(arrays, chunk, encoding, fitted):
    """Return the local ids of each sequence, `(rows, slots)`, by its position among the fields."""
    found = {}
    for places in columns_of_histories(encoding.fields).values():
        fields = [encoding.fields[place] for place in places]
        ids = [np.maximum(fitted[place].ids(chunk), 0)[arrays[f"codes_{place}"]] for place in places]
        lengths = [arrays[f"lengths_{place}"].astype(np.int64) for place in places]
        found |= dict(zip(places, pad_events(fields, lengths, ids, fields[0].max_values or 1), strict=True))
    return found


def _occurrences(codes, size, places):
    """Return how often each code occurs in each split, whose places are given.

    The training rows, which are most, are what the other splits leave.
    """
    others = [np.bincount(codes.take(some), minlength=size) for some in places[1:]]
    return [np.bincount(codes, minlength=size) - sum(others), *others]


def _sums(numbers, rows_of):
    """Return the sum of numbers of rows in each split."""
    others = [int(numbers.take(rows).sum()) for rows in rows_of[1:]]
    return [int(numbers.sum()) - sum(others), *others]


def _is_early(codes, before, min_count):
    """Return which cells are among the first `min_count - 1` occurrences of their value."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    rank = np.empty(len(codes), np.int64)
    rank[order] = np.arange(len(codes)) - np.searchsorted(ordered, ordered)
    return before[codes] + rank < min_count - 1


def _side_by_side(columns, rows, dtype):
    """Stack columns to `(rows, columns)`; a column is an array, or an array of values and each row's index into it."""
    table = np.empty((rows, len(columns)), dtype)
    for start in range(0, rows, PIECE_ROWS):
        piece = slice(start, start + PIECE_ROWS)
        for index, (values, positions) in enumerate(columns):
            table[piece, index] = values[piece] if positions is None else values.take(positions[piece])
    return table


class EncodedFiles:
    """The file of one encoded chunk: its rows by shard, in the order of the raw table within a shard.

    Args:
        folder: The folder of all chunks.
        chunk: The number of the chunk.
        encoding: The `TableEncoding`.
    """

    def __init__(self, folder: Path, chunk: int, encoding: TableEncoding):
        self._rows = pathlib.Path(folder) / f"{chunk:06d}.rows"
        self._stats = self._rows.with_suffix(".json")
        self._roles, schema = encoding.roles, encoding.schema
        label = "u1" if self._roles.the_label.kind == "binary" else "<f4"
        self._widths = (("<i4", len(stored_slots(schema))), ("<f4", len(number_slots(schema))), (label, None))

    def save(
        self,
        block: Block,
        shards: np.ndarray,
        num_shards: int,
        counts: list[list[list[int]]],
        numbers: Mapping[str, list[Config]] | None = None,
    ) -> None:
        """Write a block.

        Args:
            block: The `Block`.
            shards: The shard of each row.
            num_shards: The number of shards.
            counts: What `encode_chunk` counted.
            numbers: What `numbers_of_chunk` returned.

        Raises:
            ValueError: If an array is not of the stored type, or a label is not 0 or 1.
        """
        for name, array, (dtype, _) in zip(block._fields[:3], block[:3], self._widths, strict=True):
            if array.dtype != np.dtype(dtype):
                raise ValueError(f"The `{name}` of a block must be {np.dtype(dtype).name}. Received: {array.dtype}.")
        if self._roles.the_label.kind == "binary" and block.labels.max(initial=0) > 1:
            raise ValueError(f"Labels must be 0 or 1. Received: {block.labels.max()}.")
        order = np.argsort(shards, kind="stable")
        with replaced(self._rows) as temporary, open(temporary, "wb") as file:
            for array in (*block[:3], *block.columns.values()):
                file.write(np.ascontiguousarray(array[order]).data)
        ends = np.cumsum(np.bincount(shards, minlength=num_shards))
        columns = {role: array.dtype.str for role, array in block.columns.items()}
        stats = {"ends": ends.tolist(), "counts": counts, "columns": columns, "numbers": numbers or {}}
        write_json(self._stats, stats)

    def stats(self) -> Config | None:
        """Return where each shard's rows end, and the counts; None if the chunk is not complete."""
        return json.loads(self._stats.read_text(encoding="utf-8")) if self._stats.is_file() else None

    def read(self, shard: int, stats: Config) -> Block:
        """Return the rows of a shard as a `Block`.

        Args:
            shard: The number of the shard.
            stats: What `stats` returned.
        """
        ends = stats["ends"]
        start, stop, rows = ([0, *ends])[shard], ends[shard], ends[-1]
        arrays, offset = [], 0
        for dtype, width in (*self._widths, *((dtype, None) for dtype in stats["columns"].values())):
            size = np.dtype(dtype).itemsize * (1 if width is None else width)
            count = (stop - start) * (1 if width is None else width)
            array = np.fromfile(self._rows, dtype, count, offset=offset + start * size)
            arrays.append(array if width is None else array.reshape(stop - start, width))
            offset += rows * size
        ids, numbers, labels, *columns = arrays
        return Block(ids, numbers, labels, dict(zip(stats["columns"], columns, strict=True)))
