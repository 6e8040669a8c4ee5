"""Which rows of a split are whose, if several readers share it: each has files of its own, or rows of all files.

A part of a split is read in an order that depends only on the seed, the epoch and the number of the part. So a batch,
which consists of equally many rows of each part, is the same whether one process reads all parts or many read one each.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .epochs import as_written

if typing.TYPE_CHECKING:
    import tensorflow as tf

    from ctrzoo.types import Tensor

# The files are divided only if no part becomes larger than this times the mean; otherwise the rows are.
MOST_ABOVE_MEAN = 1.1


@dataclasses.dataclass(frozen=True)
class Part:
    """The rows of one of several readers.

    Args:
        shards: The files that it opens, in stored order.
        start: Its first row, counted over these files in an epoch's order of blocks.
        stop: The row after the last one.
    """

    shards: tuple[str, ...]
    start: int
    stop: int

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.stop - self.start


def divided_shards(sizes: Mapping[str, int], num_parts: int) -> list[tuple[str, ...]] | None:
    """Return the files of each part, whose sizes are as equal as whole files allow; None if they are too unequal.

    Each file, from the largest to the smallest, goes to the part that is smallest so far.

    Args:
        sizes: Size of each file, by name.
        num_parts: Number of parts.

    >>> divided_shards({"a": 40, "b": 40, "c": 10, "d": 10}, 2)
    [('a', 'c'), ('b', 'd')]
    >>> divided_shards({"a": 40, "b": 10}, 2)  # four times as much for the first as for the second
    """
    totals, parts = [0] * num_parts, [[] for _ in range(num_parts)]
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        smallest = totals.index(min(totals))
        totals[smallest] += sizes[name]
        parts[smallest].append(name)
    if max(totals) * num_parts > MOST_ABOVE_MEAN * sum(totals):
        return None
    order = {name: number for number, name in enumerate(sizes)}
    return [tuple(sorted(part, key=order.__getitem__)) for part in parts]


def row_range(rows: int, num_parts: int, part: int) -> tuple[int, int]:
    """Return the first row of a part, and the row after its last one, where rows and not files are divided.

    >>> [row_range(10, 3, part) for part in range(3)]
    [(0, 3), (3, 6), (6, 10)]
    """
    return rows * part // num_parts, rows * (part + 1) // num_parts


def seed_of_part(seed: int, part: int) -> int:
    """Return the seed of the order within a part: independent of those of other parts."""
    return int(np.random.SeedSequence((seed, part)).generate_state(1)[0])


def batches_of_parts(
    functions: Sequence[Callable[[Tensor, Tensor], tf.data.Dataset]], steps: int, start: tuple[int, int], number: Tensor
) -> tf.data.Dataset:
    """Return the batches of an epoch as a dataset, each of rows of some parts, one part after the other.

    Args:
        functions: For each part, `batches_of_part` with its first arguments given.
        steps: Number of batches until all these parts have ended.
        start: The first epoch, and how many of its batches are left out.
        number: The number of the epoch, an int64 tensor.
    """
    import tensorflow as tf

    start_epoch, skip_batches = start
    skipped = tf.where(number == start_epoch, np.int64(skip_batches), np.int64(0))
    parts = [batches_of_part(number, skipped) for batches_of_part in functions]

    def joined(_, *batches):
        return tf.nest.map_structure(lambda *columns: tf.concat(columns, axis=0), *batches)

    return tf.data.Dataset.zip(tf.data.Dataset.range(skipped, steps), *parts).map(as_written(joined))


def batches_of_part(
    part: Part,
    rows_of_epoch: Callable[..., tf.data.Dataset],
    to_features: Callable[[dict[str, Tensor]], Any],
    numbered: Callable[..., Any] | None,
    share: int,
    number: Tensor,
    skipped: Tensor,
) -> tf.data.Dataset:
    """Return the batches of one part as a dataset; batches without rows follow without end.

    Args:
        part: The part.
        rows_of_epoch: `shuffled_rows` or another order with its first arguments given.
        to_features: Function from rows to features and labels.
        numbered: Function that numbers the groups of a batch, or None.
        share: Rows of a batch.
        number: The number of the epoch, an int64 tensor.
        skipped: How many batches are left out, an int64 tensor.
    """
    import tensorflow as tf

    rows = rows_of_epoch(number, part.start, part.stop, tf.minimum(skipped * share, part.rows))
    batches = rows.map(to_features).prefetch(1).rebatch(share)
    batches = batches.map(numbered) if numbered else batches
    empty = tf.nest.map_structure(lambda spec: tf.zeros([0, *spec.shape[1:]], spec.dtype), batches.element_spec)
    return batches.concatenate(tf.data.Dataset.from_tensors(empty).repeat())
