"""The fields' encodings, fitted to compact chunks, and the ids of each chunk's dictionary."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
import typing
from collections.abc import Sequence

import numpy as np
import polars as pl

from ..encoding.dense import length_of
from ..encoding.fields import TableEncoding
from ..encoding.fitting import (
    MOST_SLOTS,
    PENDING_VALUES,
    count_values,
    decide_type,
    fit_numbers,
    fit_vocabulary,
    max_values_of,
)
from ..encoding.growing import Change, Growing
from ..storage.checksums import CHECKSUM_FILE, check_checksums, write_checksums
from .state import replaced_folder

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config, Path

    from ..encoding.field import FieldEncoding
    from .first_pass import ChunkFiles

IDS, BEFORE = "ids.bin", "before.bin"
# The values seen so far and what changed, of a field whose vocabulary grows.
SEEN, CHANGE = "seen.parquet", "change.json"
# Those of a compositional field, which may be more than 32 bits can count.
WIDE_IDS = "wide_ids.bin"
# The id of a text that is a value, but has no id: unlike a missing cell, it is reported.
UNSEEN = -1


class FittedField:
    """A fitted field and the local ids of all chunks' texts, stored in files.

    Args:
        folder: The folder of the field.
        sizes: Size of the field's dictionary in each chunk.
    """

    def __init__(self, folder: Path, sizes: Sequence[int]):
        self._folder = pathlib.Path(folder)
        self._starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    @property
    def is_complete(self) -> bool:
        """Whether the field is already fitted, and its files are as they were written."""
        if not (self._folder / CHECKSUM_FILE).is_file():
            return False
        try:
            check_checksums(self._folder)
        except (ValueError, FileNotFoundError):
            return False
        return True

    def fit(
        self,
        field: FieldEncoding,
        index: int,
        chunks: Sequence[ChunkFiles],
        stats: Sequence[Config],
        fit_on: str,
        sharing: Sequence[int] | None = None,
        growing: Growing | None = None,
        together: Sequence[int] = (),
    ) -> None:
        """Fit a field to all chunks and write its files, without waiting for the disk.

        Args:
            field: The `FieldEncoding`.
            index: Its position among the fields.
            chunks: The `ChunkFiles`.
            stats: What `ChunkFiles.stats` returns of each chunk.
            fit_on: `"train"` or `"all"`.
            sharing: The positions of all fields with the same ids, this one among them; by default it is the only one.
            growing: Where the vocabulary continues, if all counts are kept. All else that an earlier folder fitted
                stays.
            together: The positions of the fields of its history, if it is one of a history.
        """
        sharing = [index] if sharing is None else sharing
        dictionaries = (chunk.dictionary(one) for one in sharing for chunk in chunks)
        fitted, grown = growing and growing.field, None
        field = fitted or self._decided(field, together or [index], chunks, stats, sharing)
        if field.uses_vocabulary and growing is None:
            field = fit_vocabulary(field, dictionaries)
        elif field.uses_vocabulary and growing is not None:
            grown = growing.grown(field, count_values(field, dictionaries))
            field = grown.field
        elif field.transformer.is_fitted and fitted is None:
            field = fit_numbers(field, _numbers(index, chunks, fit_on), seed=index)
        shutil.rmtree(self._folder, ignore_errors=True)  # what a power failure damaged
        with replaced_folder(self._folder, wait_for_disk=False) as folder:
            alone = dataclasses.replace(field, share=None, cross=())  # the folder holds only this field
            TableEncoding([alone]).save(folder)
            if grown is not None:
                grown.counts.write_parquet(folder / SEEN)
                (folder / CHANGE).write_text(json.dumps(grown.change._asdict()), encoding="utf-8")
            if not (field.holds_numbers or field.transformer.makes_ids):
                self._write_ids(field, index, chunks, folder, growing and growing.counts)
            write_checksums(folder)

    def _decided(self, field, together, chunks, stats, sharing):
        """Return the field with what all its cells decide, but its vocabulary and numbers."""
        if field.holds_several and field.max_values is None:
            longest = max(1, *(chunk["longest"][index] for chunk in stats for index in together))
            if longest > MOST_SLOTS:
                longest = max_values_of(_lengths(together, chunks))
            field = dataclasses.replace(field, max_values=longest)
        if field.kind == "vector" and not field.columns:
            field = dataclasses.replace(
                field, length=_length(field, [chunk["vectors"][together[0]] for chunk in stats])
            )
        return decide_type(field, (chunk.dictionary(one)[0] for one in sharing for chunk in chunks))

    def _write_ids(self, field, index, chunks, folder, seen):
        name = IDS if field.compositional is None else WIDE_IDS
        with open(folder / name, "wb") as ids_file, open(folder / BEFORE, "wb") as before_file:
            if field.assign_ids_online:
                occurred = _occurred(field, seen)
                for chunk in chunks:
                    texts, counts = chunk.dictionary(index)
                    ids = field.local_ids(texts)
                    ids_file.write(ids.tobytes())
                    before_file.write(occurred[ids].tobytes())
                    np.add.at(occurred, ids, counts)
            else:
                for texts in _grouped(chunk.dictionary(index)[0] for chunk in chunks):
                    ids_file.write(ids_of(field, texts).tobytes())

    def encoding(self) -> FieldEncoding:
        """Return the field's encoding."""
        return TableEncoding.load(self._folder).fields[0]

    def seen(self) -> pl.DataFrame:
        """Return the values seen so far, as `ctrzoo.data_pipelines.encoding.growing.COUNTS` describes them."""
        return pl.read_parquet(self._folder / SEEN, glob=False)

    def change(self) -> Change | None:
        """Return what an extension changed; None of a field without a vocabulary that grows."""
        path = self._folder / CHANGE
        return Change(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None

    def ids(self, chunk: int) -> np.ndarray:
        """Return the local id of each text in a chunk's dictionary; `UNSEEN` is a value without an id.

        Ids are int32, and int64 of a compositional field.
        """
        is_wide = (self._folder / WIDE_IDS).is_file()
        return self._slice(WIDE_IDS, np.int64, chunk) if is_wide else self._slice(IDS, np.int32, chunk)

    def before(self, chunk: int) -> np.ndarray:
        """Return how often each text occurs in earlier chunks, int64 (only for a field with `assign_ids_online`)."""
        return self._slice(BEFORE, np.int64, chunk)

    def _slice(self, filename, dtype, chunk):
        start, stop = self._starts[chunk : chunk + 2]
        return np.fromfile(self._folder / filename, dtype, stop - start, offset=start * np.dtype(dtype).itemsize)


def ids_of(field: FieldEncoding, texts: pl.Series) -> np.ndarray:
    """Return the local id of each text of a dictionary, `(texts,)`; `UNSEEN` is a value without an id.

    Args:
        field: The fitted field.
        texts: The texts; null is a missing cell.
    """
    ids = field.local_ids(texts)
    is_value = (texts.is_not_null() & (texts != "").fill_null(False)).to_numpy()
    return np.where((ids == 0) & is_value, ids.dtype.type(UNSEEN), ids)


def _occurred(field, earlier):
    """Return how often the value of each local id occurred in earlier rows, which have been counted already."""
    occurred = np.zeros(1 + field.has_oov_id + len(field.values), np.int64)
    if earlier is not None:
        counts = field.known_values.join(earlier, on="text", how="left", maintain_order="left")["count"].fill_null(0)
        occurred[field.known_values["id"].to_numpy()] = counts.to_numpy()
    return occurred


def _length(field, found):
    """Return the length of a vector field, from that of each chunk and the row it was found in."""
    found = [(length, row) for length, row in found if length]
    length = length_of(field, [length for length, _ in found[:1]])
    for other, row in found:
        if other != length:
            raise ValueError(
                f"{row}: column '{field.column}' must hold vectors of {length} numbers, not of {other}. Set `length` "
                "in the schema, so that --bad_rows=skip can skip other rows."
            )
    return length


def _lengths(together, chunks):
    for chunk in chunks:
        with chunk.arrays() as arrays:
            yield np.maximum.reduce([arrays[f"lengths_{index}"] for index in together])


def _numbers(index, chunks, fit_on):
    for chunk in chunks:
        with chunk.arrays() as arrays:
            numbers = arrays[f"numbers_{index}"].astype(np.float64)
            yield numbers[arrays["split"] == 0] if fit_on == "train" else numbers


def _grouped(dictionaries):
    """Merge dictionaries, so that the vocabulary is searched a few times, not once per chunk."""
    group, waiting = [], 0
    for texts in dictionaries:
        group.append(texts)
        waiting += len(texts)
        if waiting > PENDING_VALUES:
            yield pl.concat(group)
            group, waiting = [], 0
    if group:
        yield pl.concat(group)
