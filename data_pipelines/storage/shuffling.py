"""All shuffling of rows: while they are written, by preparation or `PreparedWriter`, and in each epoch of reading.

Training rows are shuffled once on disk, across the whole split. Preparation sends each row to a random shard
(`random_shards`) and permutes each shard (`order_within_shard`); `PreparedWriter` does the same with buckets
(`Shuffler`). Adjacent rows therefore come from anywhere in the raw table, and an epoch only needs to permute blocks,
and rows within chunks (`shuffled_rows`).
"""

from __future__ import annotations

import pathlib
import typing
from collections.abc import Iterator

import numpy as np

from .epochs import BlockIndex, BlockReader, blocks_of_epoch, pick

if typing.TYPE_CHECKING:
    import tensorflow as tf

    from ctrzoo.types import Tensor

CHUNK_ROWS = 65_536
SHUFFLE_BUCKETS = 64


def random_shards(rows: int, num_shards: int, random: np.random.Generator) -> np.ndarray:
    """Return a random shard for each training row of a chunk, uint16 `(rows,)`."""
    return random.integers(num_shards, size=rows, dtype=np.uint16)


def order_within_shard(rows: int, seed: int, shard: int) -> np.ndarray:
    """Return the order in which a shard's training rows are written, int64 `(rows,)`."""
    return np.random.default_rng((seed, 1, shard)).permutation(rows)


class Shuffler:
    """Puts any number of rows into random order, with only a part of them in memory.

    Each row goes to a random one of 64 files, and each file is shuffled in memory.

    Args:
        folder: Where to put the files.
        dtype: The structured type of a row.
        seed: Seed for the order.
    """

    def __init__(self, folder: pathlib.Path, dtype: np.dtype, seed: int):
        self._random = np.random.default_rng(seed)
        self._dtype = dtype
        self._files = [open(folder / f"rows-{bucket}", "w+b") for bucket in range(SHUFFLE_BUCKETS)]

    def add(self, rows: np.ndarray) -> None:
        """Add rows."""
        buckets = self._random.integers(SHUFFLE_BUCKETS, size=len(rows), dtype=np.uint8)
        sorted_rows = rows[np.argsort(buckets, kind="stable")]
        ends = np.cumsum(np.bincount(buckets, minlength=SHUFFLE_BUCKETS))
        for file, part in zip(self._files, np.split(sorted_rows, ends[:-1]), strict=True):
            file.write(part.tobytes())

    def drain(self) -> Iterator[np.ndarray]:
        """Yield all rows in random order and delete the files."""
        for file in self._files:
            file.seek(0)
            rows = np.fromfile(file, self._dtype)
            pathlib.Path(file.name).unlink()
            yield rows[self._random.permutation(len(rows))]
        self.close()

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()


def shuffled_rows(
    index: BlockIndex, read: BlockReader, seed: int, epoch: Tensor, start: int, stop: int, skipped: Tensor
) -> tf.data.Dataset:
    """Return an epoch over a range of rows in random order.

    All blocks of the split are permuted, the range is cut from their rows, and the rows are permuted within chunks of
    65,536.

    Args:
        index: The `BlockIndex`.
        read: `read_blocks` or `number_blocks` with its first arguments bound.
        seed: Seed of the run.
        epoch: Number of the epoch, from 0, as an int64 tensor.
        start: The first row of the range.
        stop: The row after the last.
        skipped: Number of rows to skip at the start of the epoch, as an int64 tensor.

    Returns:
        A `tf.data.Dataset` of dictionaries of tensors `(rows, ...)`.
    """
    import tensorflow as tf

    random = tf.random.experimental  # pyright: ignore[reportAttributeAccessIssue]
    fold_in = random.stateless_fold_in
    epoch_seed = fold_in(tf.constant([seed, 0], tf.int64), epoch)
    first_chunk, skipped = skipped // CHUNK_ROWS, skipped % CHUNK_ROWS

    def permute(chunk, rows):
        order = tf.range(tf.shape(next(iter(rows.values())))[0])
        order = random.stateless_shuffle(order, fold_in(epoch_seed, chunk + 1))
        order = order[tf.where(chunk == first_chunk, skipped, 0) :]
        return {name: pick(column, order) for name, column in rows.items()}

    # Counted from `start`, the chunks that lie wholly before the first row need not be read.
    parts = blocks_of_epoch(index, fold_in(epoch_seed, 0), start + first_chunk * CHUNK_ROWS, stop)
    chunks = tf.data.Dataset.range(first_chunk, np.iinfo(np.int64).max)
    return tf.data.Dataset.zip(chunks, read(parts).rebatch(CHUNK_ROWS)).map(permute)
