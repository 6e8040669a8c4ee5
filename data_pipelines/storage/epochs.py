"""Passes over the rows of a split: where its blocks lie, and which rows come when.

The order of a pass depends on the seed and the number of the pass alone. So a run can start in the
middle, and several workers can share a pass without talking to each other.
"""

import dataclasses
import os
import struct

import numpy as np

CHUNK_ROWS = 65_536
# A TFRecord is its length (8 bytes), a checksum (4), the content, and another checksum (4).
RECORD_OVERHEAD = 16


@dataclasses.dataclass(frozen=True)
class BlockIndex:
    """Where the blocks of a split lie.

    Args:
        paths: The shard of each block, `(blocks,)` of text.
        offsets: Where the block begins in its shard, in bytes, int64 `(blocks,)`.
        rows: Rows of each block, int64 `(blocks,)`.
    """

    paths: np.ndarray
    offsets: np.ndarray
    rows: np.ndarray


def index_blocks(paths, count_rows):
    """Find the blocks of shards in which all blocks but the last have the same number of rows.

    Args:
        paths: The shards, in their order.
        count_rows: Function that returns the rows of a serialized block.

    Returns:
        A `BlockIndex`.

    Raises:
        ValueError: If a shard is no such file.
    """
    rows_by_length, found = {}, []
    for path in paths:
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            step = _record_length(file, 0) + RECORD_OVERHEAD
            lengths = [step - RECORD_OVERHEAD] * (size // step)
            if size % step:
                lengths.append(size % step - RECORD_OVERHEAD)
            for position in {0, len(lengths) - 1}:
                offset, length = position * step, lengths[position]
                if length < 0 or _record_length(file, offset) != length:
                    raise ValueError(f"{path} is no shard of equal blocks. Delete the folder and prepare it again.")
                if length not in rows_by_length:
                    file.seek(offset + 12)
                    rows_by_length[length] = count_rows(file.read(length))
        found += [(path, number * step, rows_by_length[length]) for number, length in enumerate(lengths)]
    shards, offsets, rows = zip(*found, strict=True)
    return BlockIndex(np.array(shards), np.array(offsets, np.int64), np.array(rows, np.int64))


def _record_length(file, offset):
    file.seek(offset)
    header = file.read(8)
    return struct.unpack("<Q", header)[0] if len(header) == 8 else -1


@dataclasses.dataclass(frozen=True)
class ShardPlan:
    """The rows and batches of one of several shards in each pass.

    All shards have the same number of batches, and sizes that differ by one row at most. Where a
    row more gives some shards another batch, the others cut their last batch into two.

    Args:
        rows: Rows of the split.
        batch_size: Rows a batch.
        drop_remainder: Whether each pass leaves out what does not fill a batch of every shard.
        num_shards: Number of shards.
        shard_index: Which one this is, from 0.

    Raises:
        ValueError: If an argument is out of range, or there are too few rows for so many shards.
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
                "Set `drop_remainder=True`, or have fewer shards."
            )

    @property
    def start(self):
        """The first row of this shard, in the order of the blocks of a pass."""
        return self.rows * self.shard_index // self.num_shards

    @property
    def stop(self):
        """The row after its last one."""
        return self.rows * (self.shard_index + 1) // self.num_shards

    @property
    def num_batches(self):
        """Batches of every shard in a pass."""
        if self.drop_remainder:
            return self.rows // self.num_shards // self.batch_size
        most_rows = -(-self.rows // self.num_shards)
        return -(-most_rows // self.batch_size)

    @property
    def batch_sizes(self):
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


def blocks_of_pass(index, seed, start, stop):
    """Return the part of each block that belongs to a range of rows, in the order of a pass.

    Args:
        index: The `BlockIndex`.
        seed: Seed of the pass, int64 `(2,)`, or None for the stored order.
        start: The first row, counted along the order of the blocks.
        stop: The row after the last.

    Returns:
        int64 `(blocks of the range, 3)`: the number of a block in the index, its first row that belongs to
        the range, and the row after its last one.
    """
    import tensorflow as tf

    order = tf.range(len(index.rows), dtype=tf.int64)
    if seed is not None:
        order = tf.random.experimental.stateless_shuffle(order, seed)
    rows = tf.gather(tf.constant(index.rows), order)
    starts = tf.cumsum(rows, exclusive=True)
    begins = tf.maximum(start - starts, 0)
    ends = tf.minimum(stop - starts, rows)
    return tf.boolean_mask(tf.stack([order, begins, ends], axis=1), begins < ends)


def read_blocks(index, decode, parts):
    """Return a `tf.data.Dataset` of parts of blocks, each read from where it lies in its shard.

    Args:
        index: The `BlockIndex`.
        decode: Function from a serialized block to a dictionary of tensors `(rows, ...)`.
        parts: The parts, int64 `(parts, 3)`, as `blocks_of_pass` returns them.
    """
    import tensorflow as tf

    def read(path, offset, part):
        records = tf.raw_ops.TFRecordDatasetV2(
            filenames=path[None],
            compression_type="",
            buffer_size=0,  # one record is wanted, and whole
            byte_offsets=offset[None],
        )
        record = tf.data.experimental.from_variant(records, tf.TensorSpec([], tf.string)).take(1)
        return tf.data.Dataset.zip(record, tf.data.Dataset.from_tensors(part))

    places = [tf.gather(column, parts[:, 0]) for column in (index.paths, index.offsets)]
    records = tf.data.Dataset.from_tensor_slices((*places, parts)).flat_map(read).prefetch(2)
    return records.map(lambda block, part: _slice(decode(block), part[1], part[2]))


def number_blocks(index, parts):
    """Return what `read_blocks` does, with the number of each row in the split, `{"row": ...}`, in its place."""
    import tensorflow as tf

    firsts = tf.gather(np.cumsum(index.rows) - index.rows, parts[:, 0])
    rows = tf.ragged.range(firsts + parts[:, 1], firsts + parts[:, 2]).flat_values
    return tf.data.Dataset.from_tensors({"row": rows})


def stored_rows(index, read, seed, number, start, stop, skipped):
    """Return a pass over a range of rows in stored order; arguments as in `shuffled_rows`."""
    return read(blocks_of_pass(index, None, start + skipped, stop))


def shuffled_rows(index, read, seed, number, start, stop, skipped):
    """Return a pass over a range of rows in a random order.

    All blocks of the split are permuted, the range is cut from their rows, and the rows are permuted
    within chunks of 65,536.

    Args:
        index: The `BlockIndex`.
        read: `read_blocks` or `number_blocks` with its first arguments given.
        seed: Seed of the run.
        number: Number of the pass, from 0: an int64 tensor.
        start: The first row of the range.
        stop: The row after its last.
        skipped: Rows of the pass to leave out: an int64 tensor.

    Returns:
        A `tf.data.Dataset` of dictionaries of tensors `(rows, ...)`.
    """
    import tensorflow as tf

    fold_in = tf.random.experimental.stateless_fold_in
    pass_seed = fold_in(tf.constant([seed, 0], tf.int64), number)
    first_chunk, skipped = skipped // CHUNK_ROWS, skipped % CHUNK_ROWS

    def permute(chunk, rows):
        order = tf.range(tf.shape(next(iter(rows.values())))[0])
        order = tf.random.experimental.stateless_shuffle(order, fold_in(pass_seed, chunk + 1))
        order = order[tf.where(chunk == first_chunk, skipped, 0) :]
        return {name: pick(column, order) for name, column in rows.items()}

    # Counted from `start`, whole chunks lie before the first row: they need not be read.
    parts = blocks_of_pass(index, fold_in(pass_seed, 0), start + first_chunk * CHUNK_ROWS, stop)
    chunks = tf.data.Dataset.range(first_chunk, np.iinfo(np.int64).max)
    return tf.data.Dataset.zip(chunks, read(parts).rebatch(CHUNK_ROWS)).map(permute)


def pick(column, numbers):
    """Return rows of a tensor by their numbers, in less time than `tf.gather`."""
    import tensorflow as tf

    if column.shape[1:].num_elements() == 0:  # of a table without ids or without numbers, which `gather_nd` refuses
        return tf.gather(column, numbers)
    return tf.gather_nd(column, numbers[:, None])


def _slice(rows, begin, end):
    return {name: column[begin:end] for name, column in rows.items()}
