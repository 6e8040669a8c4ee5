"""The second pass over chunks that have places: executors encode chunks, Spark sends the rows of a shard to one task.

The shard of each row and its place there are those of the single machine, so the shards are the same, byte for byte.
"""

from __future__ import annotations

import dataclasses
import io
import json
import pathlib
import secrets
import typing
from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl
import pyarrow as pa

from ctrzoo.files import replaced

from ..encoding.features import Block
from ..errors import RowError
from ..preparation.numbers import numbers_of_chunk
from ..preparation.second_pass import encode_chunk
from ..storage.writing import SPLITS, block_tensors
from .writing import Sent, ids_of_chunk, written_rows

if typing.TYPE_CHECKING:
    from ctrzoo.schema import Schema

    from ..encoding.roles import Roles
    from ..preparation.division import Division
    from .partitions import MemoryChunk, PlacedReader

# Rows of a chunk that go to one shard, or, of the shard after the last one, what was counted in a chunk.
PIECES = "shard int, chunk int, part int, content binary"
COLUMNS = pa.schema([("shard", pa.int32()), ("chunk", pa.int32()), ("part", pa.int32()), ("content", pa.binary())])
# A piece has at most so many bytes, roughly, and so many are sent at a time, so that Arrow never holds large tables.
PIECE_BYTES, PIECES_AT_ONCE = 1 << 20, 32
CHANGED = "The table had other rows the second time. Do not change its files while it is prepared."


@dataclasses.dataclass(frozen=True)
class ChunkEncoder:
    """Encodes chunks; it is sent to the executors.

    Args:
        reader: The `PlacedReader`.
        sent: The fitted `TableEncoding`, which each Python worker receives once.
        division: The `Division`.
        assigned: The file with the split of each row, if chunks do not know it themselves.
        early: The folder of what `early_values` found, by chunk; None if no field has `assign_ids_online`.
    """

    reader: PlacedReader
    sent: Sent
    division: Division
    assigned: pathlib.Path | None = None
    early: pathlib.Path | None = None

    def pieces(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the encoded rows of a task, in pieces for each shard, and what was counted; for `mapInArrow`.

        Args:
            batches: What the reader reads.

        Raises:
            ValueError: If rows cannot be used, the fitted scale makes a number too large, or a chunk has other rows
                than in the first pass.
        """
        encoding = self.sent.value
        for chunk in self.reader.chunks(batches):
            (number,) = chunk.place
            splits = self._splits(chunk)
            ids = typing.cast(typing.Any, ids_of_chunk(chunk, encoding.fields, self._before(chunk)))
            try:
                block, counts = encode_chunk(chunk.content, number, encoding, ids, splits)
                numbers = numbers_of_chunk(chunk.content, number, encoding, splits)
            except RowError as error:
                raise ValueError(f"{error.reason}. Choose another `transform`.") from None
            shards = self.division.shards(number, splits, block.columns.get("group"))
            facts = json.dumps({"counts": json.dumps(counts), "numbers": json.dumps(numbers)}).encode()
            pieces = [*self._pieces_of(block, number, shards), (int(self.division.first_shards[-1]), number, 0, facts)]
            yield from pa.table(list(map(list, zip(*pieces, strict=True))), COLUMNS).to_batches(PIECES_AT_ONCE)

    def _splits(self, chunk: MemoryChunk) -> np.ndarray:
        (number,) = chunk.place
        rows, labels = self.division.rows, chunk.content["label"]
        if len(labels) != rows[number].sum():
            raise ValueError(CHANGED)
        if self.assigned is None:
            splits = chunk.content["split"]
        else:
            start = int(rows[:number].sum())
            splits = np.array(np.load(self.assigned, mmap_mode="r")[start : start + len(labels)])
        if (np.bincount(splits, minlength=len(SPLITS)) != rows[number]).any():
            raise ValueError(CHANGED)
        return splits

    def _before(self, chunk: MemoryChunk) -> dict[int, np.ndarray]:
        """Return how often each text occurs in earlier chunks; `min_count` stands for any number that is as large."""
        fields = self.sent.value.fields
        online = [index for index, field in enumerate(fields) if field.assign_ids_online]
        if self.early is None:
            return {}
        files = sorted((self.early / f"chunk={chunk.place[0]}").glob("*.parquet"))
        columns = {"field": pl.Int32, "text": pl.String, "before": pl.Int64}
        parts = [pl.read_parquet(path, hive_partitioning=False, glob=False) for path in files]
        early = pl.concat([pl.DataFrame(schema=columns), *(part.select(*columns) for part in parts)])
        found = {}
        for index in online:
            texts = pl.DataFrame({"text": chunk.dictionary(index)[0].fill_null("")})
            known = texts.join(early.filter(pl.col("field") == index), on="text", how="left", maintain_order="left")
            found[index] = known["before"].fill_null(fields[index].min_count).to_numpy()
        return found

    def _pieces_of(self, block: Block, chunk: int, shards: np.ndarray) -> Iterator[tuple[int, int, int, bytes]]:
        order = np.argsort(shards, kind="stable")
        total = int(self.division.first_shards[-1])
        stops = np.cumsum(np.bincount(shards, minlength=total))
        arrays = [*block[:3], *block.columns.values()]
        most = max(1, PIECE_BYTES // max(1, sum(array.nbytes for array in arrays) // max(1, len(shards))))
        for shard, (start, stop) in enumerate(zip([0, *stops[:-1]], stops, strict=True)):
            # The first chunk has a piece for each shard, so that a shard without rows is written too.
            starts = range(start, stop, most) if stop > start else [start] * (chunk == 0)
            for part, first in enumerate(starts):
                rows = block.rows(order[first : min(first + most, stop)])
                yield shard, chunk, part, _bytes_of(rows)


@dataclasses.dataclass(frozen=True)
class ShardAssembler:
    """Writes shards from their pieces; it is sent to the executors.

    Args:
        schema: The `Schema`.
        roles: The `Roles`.
        division: The `Division`.
        folder: The folder to write to, which driver and executors share.
    """

    schema: Schema
    roles: Roles
    division: Division
    folder: pathlib.Path

    def write(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Write the shards of a task; yield what was written, for `mapInArrow`.

        Each attempt writes files of its own, as `ShardWriter` does.

        Args:
            batches: The pieces, sorted by shard, chunk and part.
        """
        facts, waiting, shard = int(self.division.first_shards[-1]), [], None
        for piece in (row for batch in batches for row in batch.to_pylist()):
            if piece["shard"] == facts:
                counted = json.loads(piece["content"])
                yield from written_rows([{"partition": piece["chunk"], "split": -1, **counted}])
                continue
            if shard is not None and piece["shard"] != shard:
                yield from self._write_shard(shard, waiting)
                waiting = []
            shard = piece["shard"]
            waiting.append(_block_of(piece["content"]))
        if shard is not None:
            yield from self._write_shard(shard, waiting)

    def _write_shard(self, shard: int, parts: list[Block]) -> Iterator[pa.RecordBatch]:
        split = self.division.split_of(shard)
        name = f"{SPLITS[split]}-{shard:05d}-{secrets.token_hex(8)}.tfrecord"
        tensors = block_tensors(self.schema, self.roles)
        with replaced(self.folder / name) as temporary, open(temporary, "wb") as file:
            rows, positives, *blocks = self.division.write_shard(file, shard, parts, tensors)
        written = {"partition": shard, "split": split, "file": name, "rows": rows, "positives": positives}
        yield from written_rows([{**written, "blocks": json.dumps(blocks)}])


def _bytes_of(block: Block) -> bytes:
    file = io.BytesIO()
    arrays: dict[str, typing.Any] = {f"column {name}": column for name, column in block.columns.items()}
    arrays |= {"ids": block.ids, "numerical": block.numerical, "labels": block.labels}
    np.savez(file, **arrays)
    return file.getvalue()


def _block_of(content: bytes) -> Block:
    with np.load(io.BytesIO(content)) as arrays:
        columns = {name.removeprefix("column "): arrays[name] for name in arrays if name.startswith("column ")}
        return Block(arrays["ids"], arrays["numerical"], arrays["labels"], columns)
