"""The second pass on Spark: each task encodes the rows of its partition and writes them as whole shards."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import secrets
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from ctrzoo.files import replaced
from ctrzoo.memory import peak_bytes

from ..encoding.roles import group_hashes
from ..errors import RowError
from ..preparation.crossed_chunk import CrossedChunk
from ..preparation.division import joined
from ..preparation.fitted_field import ids_of
from ..preparation.second_pass import encode_chunk
from ..storage.shuffling import order_of_groups, random_keys
from ..storage.writing import SPLITS, Split, block_tensors, write_blocks
from .partitions import partition_number

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config

    from ..encoding.features import Block
    from ..encoding.field import FieldEncoding
    from ..encoding.fields import TableEncoding
    from .counting import Reader
    from .partitions import MemoryChunk

WRITTEN = (
    "partition int, split int, file string, rows long, positives long, blocks string, counts string, numbers string, "
    "peak long"
)
# Tells the random order of rows from other random numbers with the same seed.
ORDER = 5


class Sent(typing.Protocol):
    """What Python workers receive once and keep, unlike what is sent with each task: Spark's `Broadcast`."""

    @property
    def value(self) -> TableEncoding: ...


@dataclasses.dataclass(frozen=True)
class ShardWriter:
    """Encodes and writes the rows of partitions; it is sent to the executors.

    Args:
        reader: A `PartitionReader` or `PlacedReader`.
        sent: The fitted `TableEncoding`, which each Python worker receives once.
        folder: The folder to write to, which driver and executors share.
        seed: Seed for the order of the rows.
    """

    reader: Reader
    sent: Sent
    folder: pathlib.Path
    seed: int

    def write(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Write the rows of a partition, one file per split; yield what was written, for `mapInArrow`.

        Each attempt at a task writes files of its own, under a temporary name until they are complete. Only the files
        that a successful attempt returns are taken, so that attempts that fail, or run twice, do no harm.

        Args:
            batches: The rows.

        Raises:
            ValueError: If rows cannot be used, or the fitted scale makes a number too large.
        """
        encoding = self.sent.value
        blocks, splits, counts = [], [], np.zeros((len(encoding.fields), len(SPLITS), 6), int)
        for chunk in self.reader.chunks(batches):
            assigned = chunk.content["split"]
            ids = typing.cast(typing.Any, ids_of_chunk(chunk, encoding.fields))
            try:
                block, found = encode_chunk(chunk.content, 0, encoding, ids, assigned)
            except RowError as error:
                raise ValueError(f"{error.reason}. Choose another `transform`.") from None
            blocks.append(block)
            splits.append(assigned)
            counts += np.array(found)
        if not blocks:
            return
        block, assigned = joined(blocks), np.concatenate(splits)
        written = []
        for split in range(len(SPLITS)):
            rows = block.rows(np.flatnonzero(assigned == split))
            if len(rows.labels):
                written.append({"split": split, **self._write_shard(rows, split)})
        # The counts are those of the partition, so only its first file has them.
        written[0]["counts"] = json.dumps(counts.tolist())
        yield from written_rows([{"partition": partition_number(), **row} for row in written])

    def _write_shard(self, block: Block, split: int) -> Config:
        roles = self.sent.value.roles
        keep_groups = roles.keep_groups and split == 0
        block = block.rows(random_order(block, self.seed))
        if keep_groups:
            block = block.rows(order_of_groups(block.columns["group"], self.seed))
        name = f"{SPLITS[split]}-{partition_number():05d}-{secrets.token_hex(8)}.tfrecord"
        tensors = block_tensors(self.sent.value.schema, roles)
        with replaced(self.folder / name) as temporary, open(temporary, "wb") as file:
            blocks = write_blocks(file, tensors, block, keep_groups)
        positives = int((block.labels > 0).sum())
        return {"file": name, "rows": len(block.labels), "positives": positives, "blocks": json.dumps(blocks)}


def ids_of_chunk(
    chunk: MemoryChunk, fields: Sequence[FieldEncoding], before: Mapping[int, np.ndarray] | None = None
) -> list[IdsOfTexts | None]:
    """Return the ids of the texts of a chunk, for each field that has some.

    Args:
        chunk: The chunk.
        fields: The fields, fitted.
        before: How often each text occurs in earlier chunks, by the position of the field, if it must be known.
    """
    crossed = CrossedChunk(chunk, fields)
    return [
        None
        if field.holds_numbers or field.transformer.makes_ids
        else IdsOfTexts(
            ids_of(field, (crossed if field.cross else chunk).dictionary(index)[0]), (before or {}).get(index)
        )
        for index, field in enumerate(fields)
    ]


class IdsOfTexts(typing.NamedTuple):
    """The ids of the texts of one chunk, in the place of a `FittedField`.

    Args:
        local: The local id of each text.
        earlier: How often each text occurs in earlier chunks; None if that does not matter.
    """

    local: np.ndarray
    earlier: np.ndarray | None = None

    def ids(self, chunk: int) -> np.ndarray:
        """Return the local id of each text."""
        return self.local

    def before(self, chunk: int) -> np.ndarray | None:
        """Return how often each text occurs in earlier chunks."""
        return self.earlier


def written_rows(rows: Sequence[Config]) -> Iterator[pa.RecordBatch]:
    """Yield what a task wrote as rows of `WRITTEN`, each with the memory that its process took.

    Args:
        rows: The columns of each row; those that are not given are empty.
    """
    columns = [part.split() for part in WRITTEN.split(", ")]
    types = {"int": pa.int32(), "long": pa.int64(), "string": pa.string()}
    schema = pa.schema([(name, types[kind]) for name, kind in columns])
    yield from pa.Table.from_pylist([{**row, "peak": peak_bytes()} for row in rows], schema).to_batches()


def random_order(block: Block, seed: int) -> np.ndarray:
    """Return a random order of rows that depends only on their content and a seed, int64 `(rows,)`.

    The rows of a partition come in no certain order, but an attempt at a task writes what the one before wrote.

    Args:
        block: The rows.
        seed: The seed.

    >>> from ctrzoo.data_pipelines.encoding.features import Block
    >>> block = Block(np.array([[1], [2], [3]]), np.zeros((3, 0), np.float32), np.array([0, 1, 1]), {})
    >>> turned = block.rows(np.array([2, 0, 1]))
    >>> first, second = block.rows(random_order(block, 0)), turned.rows(random_order(turned, 0))
    >>> bool((first.ids == second.ids).all())
    True
    """
    keys = np.zeros(len(block.labels), np.int64)
    for column in (*block.ids.T, *block.numerical.T, block.labels, *block.columns.values()):
        if column.dtype.kind == "S":
            numbers = group_hashes(pl.Series(column.astype(object)).cast(pl.String))
        elif column.dtype.kind == "f":
            numbers = column.astype(np.float64).view(np.int64)
        else:
            numbers = column.astype(np.int64)
        keys = random_keys(keys ^ numbers, seed, ORDER).view(np.int64)
    return np.argsort(keys, kind="stable")


def collect_shards(written: pa.Table, source: pathlib.Path, target: pathlib.Path, name: str) -> dict[str, Split]:
    """Move the files of successful attempts to their final names; return what was written for each split.

    Args:
        written: What `ShardWriter.write` yielded.
        source: The folder that the executors wrote to.
        target: The folder of the shards.
        name: Name of the data set.

    Raises:
        FileNotFoundError: If a file is not here: then driver and executors do not share the folder.
    """
    splits = {}
    for index, split in enumerate(SPLITS):
        files = [row for row in written.sort_by("partition").to_pylist() if row["split"] == index]
        shards, blocks, by_name = {}, [], {}
        for number, row in enumerate(files):
            path = target / f"{name}-{split}.tfrecord-{number:05d}-of-{len(files):05d}"
            if not (source / row["file"]).is_file():
                raise FileNotFoundError(
                    f"{source / row['file']}, which an executor wrote, is not on the driver. Choose a folder that the "
                    "driver and all executors share."
                )
            (source / row["file"]).rename(path)
            shards[path.name], by_name[path.name] = path.stat().st_size, json.loads(row["blocks"])
            blocks.append(len(by_name[path.name]))
        if files:
            rows, positives = (sum(row[key] for row in files) for key in ("rows", "positives"))
            splits[split] = Split(rows, positives, shards, blocks, by_name)
    return splits


def counts_of(written: pa.Table) -> np.ndarray:
    """Return what `encode_chunk` counted in all partitions, `(fields, splits, 6)`."""
    return np.sum([json.loads(counts) for counts in written["counts"].drop_null().to_pylist()], axis=0)
