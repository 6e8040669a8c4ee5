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


def random_keys(groups: np.ndarray, seed: int, use: int) -> np.ndarray:
    """Return a random number for each group, uint64 `(rows,)`: the same for all rows of a group (SplitMix64).

    Source: Steele et al., 2014, figure 14, https://doi.org/10.1145/2660193.2660195.

    Args:
        groups: The group of each row, int64.
        seed: Seed for the numbers.
        use: What the numbers are for; different uses of the same seed get independent ones.
    """
    start = np.random.default_rng((seed, use)).integers(0, 2**64, dtype=np.uint64)
    with np.errstate(over="ignore"):
        keys = groups.astype(np.uint64) + start
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            keys = (keys ^ (keys >> np.uint64(shift))) * np.uint64(factor)
        return keys ^ (keys >> np.uint64(31))


def shards_of_groups(groups: np.ndarray, num_shards: int, seed: int) -> np.ndarray:
    """Return a random shard for each training row, the same for all rows of a group, uint16 `(rows,)`."""
    return (random_keys(groups, seed, 2) % np.uint64(max(num_shards, 1))).astype(np.uint16)


def order_of_groups(groups: np.ndarray, seed: int) -> np.ndarray:
    """Return an order of a shard's training rows: groups at random, the rows of a group in the order of the table.

    >>> groups = np.array([7, 8, 7, 9, 8])
    >>> np.flatnonzero(np.diff(groups[order_of_groups(groups, seed=0)])).size  # each group is in one piece
    2
    """
    return np.argsort(random_keys(groups, seed, 3), kind="stable")


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
    return _shuffled(_random_order, index, read, seed, epoch, start, stop, skipped)


def shuffled_groups(
    index: BlockIndex, read: BlockReader, seed: int, epoch: Tensor, start: int, stop: int, skipped: Tensor
) -> tf.data.Dataset:
    """Return an epoch like `shuffled_rows`, but permute whole groups, whose rows must be stored next to each other.

    Rows need a `group`. A group of several blocks or chunks comes in as many pieces.
    """
    return _shuffled(_random_order_of_groups, index, read, seed, epoch, start, stop, skipped)


def _random_order(rows, seed):
    import tensorflow as tf

    numbers = tf.range(tf.shape(next(iter(rows.values())))[0])
    return tf.random.experimental.stateless_shuffle(numbers, seed)  # pyright: ignore[reportAttributeAccessIssue]


def _random_order_of_groups(rows, seed):
    import tensorflow as tf

    groups = tf.unique(rows["group"])
    numbers = tf.range(tf.shape(groups.y)[0])
    places = tf.random.experimental.stateless_shuffle(numbers, seed)  # pyright: ignore[reportAttributeAccessIssue]
    return tf.argsort(tf.gather(places, groups.idx), stable=True)


def _shuffled(order_of, index, read, seed, epoch, start, stop, skipped):
    """Return an epoch whose chunks are in the orders that a function of rows and a seed gives."""
    import tensorflow as tf

    fold_in = tf.random.experimental.stateless_fold_in  # pyright: ignore[reportAttributeAccessIssue]
    epoch_seed = fold_in(tf.constant([seed, 0], tf.int64), epoch)
    first_chunk, skipped = skipped // CHUNK_ROWS, skipped % CHUNK_ROWS

    def permute(chunk, rows):
        order = order_of(rows, fold_in(epoch_seed, chunk + 1))
        order = order[tf.where(chunk == first_chunk, skipped, 0) :]
        return {name: pick(column, order) for name, column in rows.items()}

    # Counted from `start`, the chunks that lie wholly before the first row need not be read.
    parts = blocks_of_epoch(index, fold_in(epoch_seed, 0), start + first_chunk * CHUNK_ROWS, stop)
    chunks = tf.data.Dataset.range(first_chunk, np.iinfo(np.int64).max)
    return tf.data.Dataset.zip(chunks, read(parts).rebatch(CHUNK_ROWS)).map(permute)
