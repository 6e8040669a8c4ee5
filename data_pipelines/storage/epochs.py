"""Epochs over the rows of a split: where its blocks are, and in which order their rows come.

The order of an epoch depends only on the seed and the epoch's number. A run can therefore start in the middle, and
several workers can share an epoch without communication. `shuffling` defines the random order.
"""

from __future__ import annotations

import dataclasses
import os
import struct
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .tfrecord import RECORD_OVERHEAD, read_record

if typing.TYPE_CHECKING:
    import tensorflow as tf

    from ctrzoo.types import Tensor

# From parts of blocks, int64 `(parts, 3)`, to a dataset of their rows.
BlockReader: typing.TypeAlias = "Callable[[tf.Tensor], tf.data.Dataset]"


@dataclasses.dataclass(frozen=True)
class BlockIndex:
    """Where the blocks of a split are stored.

    Args:
        paths: The shard of each block, `(blocks,)` of text.
        offsets: Where the block begins in its shard, in bytes, int64 `(blocks,)`.
        rows: Rows of each block, int64 `(blocks,)`.
    """

    paths: np.ndarray
    offsets: np.ndarray
    rows: np.ndarray


def index_blocks(
    paths: Iterable[str], count_rows: Callable[[bytes], int], rows_of_blocks: Mapping[str, Sequence[int]] | None = None
) -> BlockIndex:
    """Find the blocks of shards.

    Args:
        paths: The shards, in order.
        count_rows: Function that returns the number of rows in a serialized block.
        rows_of_blocks: The rows of each block, by the name of the shard. In shards that are not named, all blocks
            except the last have the same number of rows and bytes.

    Returns:
        A `BlockIndex`.

    Raises:
        ValueError: If a shard is not such a file.
    """
    rows_by_length, found = {}, []
    for path in paths:
        known = (rows_of_blocks or {}).get(os.path.basename(path))
        if known is not None:
            found += _walked(path, known)
            continue
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            step = _record_length(file, 0) + RECORD_OVERHEAD
            lengths = [step - RECORD_OVERHEAD] * (size // step)
            if size % step:
                lengths.append(size % step - RECORD_OVERHEAD)
            for position in {0, len(lengths) - 1}:
                offset, length = position * step, lengths[position]
                if length < 0 or _record_length(file, offset) != length:
                    raise ValueError(f"{path} is not a shard of equal blocks. Delete the folder and prepare it again.")
                if length not in rows_by_length:
                    block = read_record(file, offset)
                    if block is None:
                        raise ValueError(
                            f"{path} is damaged at byte {offset:,}. Delete the folder and prepare it again."
                        )
                    rows_by_length[length] = count_rows(block)
        found += [(path, number * step, rows_by_length[length]) for number, length in enumerate(lengths)]
    shards, offsets, rows = zip(*found, strict=True) if found else ((), (), ())
    return BlockIndex(np.array(shards), np.array(offsets, np.int64), np.array(rows, np.int64))


def _walked(path, rows):
    """Return path, offset and rows of blocks of any sizes."""
    found, offset, size = [], 0, os.path.getsize(path)
    with open(path, "rb") as file:
        for count in rows:
            length = _record_length(file, offset)
            if length < 0 or offset + length + RECORD_OVERHEAD > size:
                break
            found.append((path, offset, count))
            offset += length + RECORD_OVERHEAD
    if len(found) < len(rows) or offset != size:
        raise ValueError(f"{path} does not have the {len(rows):,} blocks that preparation.json says. Prepare it again.")
    return found


def _record_length(file, offset):
    file.seek(offset)
    header = file.read(8)
    return struct.unpack("<Q", header)[0] if len(header) == 8 else -1


@dataclasses.dataclass(frozen=True)
class ShardPlan:
    """The rows and batches of one of several shards in each epoch.

    All shards have the same number of batches, and their sizes differ by at most one row. If one more row gives some
    shards an additional batch, the others cut their last batch in two.

    Args:
        rows: Rows of the split.
        batch_size: Rows per batch.
        drop_remainder: Whether each epoch leaves out rows that do not fill a batch of every shard.
        num_shards: Number of shards.
        shard_index: Index of this shard, from 0.

    Raises:
        ValueError: If an argument is out of range, or the rows are too few for so many shards.
    """

    rows: int
    batch_size: int
    drop_remainder: bool = False
    num_shards: int = 1
    shard_index: int = 0

    def __post_init__(self):
        if self.batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1. Received: {self.batch_size}.")
        if not 0 <= self.shard_index < self.num_shards:
            raise ValueError(
                "`shard_index` must be at least 0 and less than `num_shards`. "
                f"Received: {self.shard_index} of {self.num_shards}."
            )
        if self.rows // self.num_shards < self.num_batches:
            raise ValueError(
                f"{self.rows:,} rows cannot give {self.num_shards} shards equally many batches of {self.batch_size}. "
                "Set `drop_remainder=True`, or use fewer shards."
            )

    @property
    def start(self) -> int:
        """The first row of this shard, in an epoch's order of blocks."""
        return self.rows * self.shard_index // self.num_shards

    @property
    def stop(self) -> int:
        """The row after the last row of this shard."""
        return self.rows * (self.shard_index + 1) // self.num_shards

    @property
    def num_batches(self) -> int:
        """Batches of every shard in an epoch."""
        if self.drop_remainder:
            return self.rows // self.num_shards // self.batch_size
        most_rows = -(-self.rows // self.num_shards)
        return -(-most_rows // self.batch_size)

    @property
    def batch_sizes(self) -> np.ndarray:
        """Rows of each batch of this shard, int64 `(num_batches,)`.

        >>> ShardPlan(rows=9, batch_size=2, num_shards=2, shard_index=0).batch_sizes.tolist()
        [2, 1, 1]
        >>> ShardPlan(rows=9, batch_size=2, num_shards=2, shard_index=1).batch_sizes.tolist()
        [2, 2, 1]
        """
        sizes = np.full(self.num_batches, self.batch_size)
        if not self.drop_remainder:
            last = self.stop - self.start - self.batch_size * (self.num_batches - 1)
            sizes[-1] = max(last, 1)
            sizes[-2:-1] -= last < 1
        return sizes


def blocks_of_epoch(index: BlockIndex, seed: Tensor | None, start: Tensor, stop: Tensor) -> tf.Tensor:
    """Return the part of each block that belongs to a range of rows, in the order of an epoch.

    Args:
        index: The `BlockIndex`.
        seed: Seed of the epoch, int64 `(2,)`, or None for the stored order.
        start: The first row, counted in the order of the blocks.
        stop: The row after the last.

    Returns:
        int64 `(blocks of the range, 3)`: the number of a block in the index, its first row that belongs to
        the range, and the row after its last one.
    """
    import tensorflow as tf

    order = tf.range(len(index.rows), dtype=tf.int64)
    if seed is not None:
        order = tf.random.experimental.stateless_shuffle(order, seed)  # pyright: ignore[reportAttributeAccessIssue]
    rows = tf.gather(tf.constant(index.rows), order)
    starts = tf.cumsum(rows, exclusive=True)
    begins = tf.maximum(start - starts, 0)
    ends = tf.minimum(stop - starts, rows)
    return tf.boolean_mask(tf.stack([order, begins, ends], axis=1), begins < ends)


def as_written(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that graphs are traced from as it is.

    Otherwise, AutoGraph rewrites its source first, in case conditions depend on tensors. Here none do, and rewriting
    takes as long as all else when a dataset is made.
    """
    import tensorflow as tf

    return tf.autograph.experimental.do_not_convert(function)


def read_blocks(index: BlockIndex, decode: Callable[[tf.Tensor], dict[str, Tensor]], parts: Tensor) -> tf.data.Dataset:
    """Return a `tf.data.Dataset` of parts of blocks, each read directly from its place in a shard.

    Args:
        index: The `BlockIndex`.
        decode: Function that turns a serialized block into a dictionary of tensors `(rows, ...)`.
        parts: The parts, int64 `(parts, 3)`, as `blocks_of_epoch` returns them.
    """
    import tensorflow as tf

    def read(path, offset, part):
        records = tf.raw_ops.TFRecordDatasetV2(
            filenames=path[None],
            compression_type="",
            buffer_size=0,  # reads exactly one record
            byte_offsets=offset[None],
        )
        record = tf.data.experimental.from_variant(records, tf.TensorSpec([], tf.string)).take(1)
        return tf.data.Dataset.zip(record, tf.data.Dataset.from_tensors(part))

    paths, offsets = (tf.gather(column, parts[:, 0]) for column in (index.paths, index.offsets))
    located = tf.data.Dataset.from_tensor_slices((paths, offsets, parts))
    records = located.flat_map(as_written(read)).prefetch(2)
    return records.map(as_written(lambda block, part: _slice(decode(block), part[1], part[2])))


def number_blocks(index: BlockIndex, parts: Tensor) -> tf.data.Dataset:
    """Like `read_blocks`, but return only the number of each row in the split, `{"row": ...}`."""
    import tensorflow as tf

    firsts = tf.gather(np.cumsum(index.rows) - index.rows, parts[:, 0])
    rows = tf.ragged.range(firsts + parts[:, 1], firsts + parts[:, 2]).flat_values
    return tf.data.Dataset.from_tensors({"row": rows})


def stored_rows(
    index: BlockIndex, read: BlockReader, seed: int, epoch: Tensor, start: int, stop: int, skipped: Tensor
) -> tf.data.Dataset:
    """Return an epoch over a range of rows in stored order; for the arguments, see `shuffled_rows`."""
    return read(blocks_of_epoch(index, None, start + skipped, stop))


def pick(column: Tensor, numbers: Tensor) -> tf.Tensor:
    """Return rows of a tensor by number, faster than `tf.gather`."""
    import tensorflow as tf

    if column.shape[1:].num_elements() == 0:  # a table without ids or without numbers, which `gather_nd` rejects
        return tf.gather(column, numbers)
    return tf.gather_nd(column, numbers[:, None])


def _slice(rows, begin, end):
    return {name: column[begin:end] for name, column in rows.items()}
