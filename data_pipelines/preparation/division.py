"""Which shard each row goes to, and in which order: the same on one machine and on Spark."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..encoding.features import Block
from ..storage.shuffling import order_of_groups, order_within_shard, random_shards, shards_of_groups
from ..storage.writing import BLOCK_ROWS, SHARD_BLOCKS, SPLITS, write_blocks

# The number of a row's shard has 16 bits.
MOST_SHARDS = 2**16


def shard_rows() -> int:
    """Return the number of rows of a full shard."""
    return BLOCK_ROWS * SHARD_BLOCKS


@dataclasses.dataclass(frozen=True)
class Division:
    """The shards of a table whose rows have places: a chunk, and a position there.

    Args:
        rows: Number of each chunk's rows in each split, `(chunks, 3)`.
        seed: Seed for the order of the training rows.
        keep_groups: Whether the training rows of a group stay together.
        shard_rows: The number of rows of a full shard.

    Raises:
        ValueError: If the rows need more than 65,536 shards.

    >>> division = Division(np.array([[6, 2, 0], [4, 1, 0]]), seed=0, shard_rows=5)
    >>> division.num_shards.tolist(), division.first_shards.tolist()
    ([2, 1, 0], [0, 2, 3, 3])
    """

    rows: np.ndarray
    seed: int
    keep_groups: bool = False
    shard_rows: int = dataclasses.field(default_factory=shard_rows)

    def __post_init__(self):
        if (needed := int(self.num_shards.sum())) > MOST_SHARDS:
            raise ValueError(
                f"{int(self.rows.sum()):,} rows need {needed:,} shards of {self.shard_rows:,} rows, but a folder has "
                f"at most {MOST_SHARDS:,}. Divide the table, such as by days, and prepare a folder of each part."
            )

    @property
    def num_shards(self) -> np.ndarray:
        """Number of shards of each split, `(3,)`: at least one if the split has rows."""
        return -(-self.rows.sum(axis=0) // self.shard_rows)

    @property
    def first_shards(self) -> np.ndarray:
        """The first shard of each split, and the total number of shards, `(4,)`; a split's shards are consecutive."""
        return np.concatenate([[0], np.cumsum(self.num_shards)])

    def split_of(self, shard: int) -> int:
        """Return the index in `SPLITS` of a shard."""
        return int(np.searchsorted(self.first_shards, shard, side="right")) - 1

    def filenames(self, name: str) -> list[str]:
        """Return the file name of each shard, in the format of TensorFlow Datasets."""
        return [
            f"{name}-{split}.tfrecord-{number:05d}-of-{total:05d}"
            for split, total in zip(SPLITS, self.num_shards.tolist(), strict=True)
            for number in range(total)
        ]

    def shards(self, chunk: int, splits: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
        """Return the shard of each row of a chunk: random for training rows or their groups, otherwise in table order.

        Args:
            chunk: The number of the chunk.
            splits: The index in `SPLITS` of each row.
            groups: The group of each row, if groups are kept together.

        Returns:
            uint16 `(rows,)`.
        """
        random = np.random.default_rng((self.seed, 0, chunk))
        num_shards, first_shards, before = self.num_shards, self.first_shards, self.rows[:chunk].sum(axis=0)
        shards = np.empty(len(splits), np.uint16)
        for split in range(len(SPLITS)):
            rows = np.flatnonzero(splits == split)
            if split == 0 and self.keep_groups:
                assert groups is not None
                numbers = shards_of_groups(groups[rows], num_shards[0], self.seed)
            elif split == 0:
                numbers = random_shards(len(rows), num_shards[0], random)
            else:
                numbers = (before[split] + np.arange(len(rows))) // self.shard_rows
            shards[rows] = first_shards[split] + numbers
        return shards

    def write_shard(
        self,
        file: typing.IO[bytes],
        shard: int,
        parts: Iterable[Block],
        tensors: Mapping[str, tuple[str, tuple[int | None, ...]]],
    ) -> list[int]:
        """Write a shard, training rows in random order; return its rows, its positives and the rows of each block.

        Args:
            file: The shard, open for writing bytes.
            shard: The number of the shard.
            parts: Its rows, in the order of the table.
            tensors: What `block_tensors` returned.
        """
        is_train = shard < self.num_shards[0]
        block = joined(list(parts))
        rows, keep_groups = len(block.labels), self.keep_groups and is_train
        if keep_groups:
            block = block.rows(order_of_groups(block.columns["group"], self.seed))
        elif is_train:
            block = block.rows(order_within_shard(rows, self.seed, shard))
        blocks = write_blocks(file, tensors, block, keep_groups)
        return [rows, int((block.labels > 0).sum()), *blocks]


def joined(blocks: Sequence[Block]) -> Block:
    """Return the rows of several blocks as one.

    >>> block = Block(np.array([[1]]), np.zeros((1, 0)), np.array([0]))
    >>> joined([block, block]).ids.tolist()
    [[1], [1]]
    """
    ids, numbers, labels = (np.concatenate(part) for part in zip(*(block[:3] for block in blocks), strict=True))
    columns = {role: np.concatenate([block.columns[role] for block in blocks]) for role in blocks[0].columns}
    return Block(ids, numbers, labels, columns)
