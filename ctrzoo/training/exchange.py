"""Batches whose rows several hosts read, each its own part of the files.

A global batch has equally many rows of each part, one part after the other, until a part has ended. The hosts exchange
the rows of each batch, so each of them gets the whole one, as if it had read all files. What a batch is does not depend
on the number of hosts, only on the number of parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from ctrzoo.training.hosts import Hosts


class Reading:
    """The batches of data for the processes that train together.

    Args:
        data: The data of `ctrzoo.training.train`. If they have `part_rows`, as prepared data have, each process reads
            its own parts, otherwise all rows.
        hosts: The processes.
        num_parts: Parts that the data are divided into; by default one per process.

    Attributes:
        num_parts: The number of parts; 1 if data are not divided.

    Raises:
        ValueError: If the data cannot be divided into parts, or not as many as asked for.
    """

    def __init__(self, data: Any, hosts: Hosts, num_parts: int | None = None) -> None:
        divisible = hasattr(data, "part_rows")
        if num_parts is not None and num_parts > 1 and not divisible:
            raise ValueError(f"`data_parts` needs data of a prepared folder. Received: {type(data).__name__}.")
        self.num_parts = (num_parts or hosts.number) if divisible else 1
        if self.num_parts > 1 and self.num_parts % hosts.number:
            raise ValueError(
                f"Each of the {hosts.number} hosts must read equally many parts of the data. Set data_parts to a "
                f"multiple of {hosts.number}. Received: {self.num_parts}."
            )
        self._data, self._hosts = data, hosts
        each = self.num_parts // hosts.number
        self._own = range(hosts.index * each, (hosts.index + 1) * each)
        self._rows: dict[str, np.ndarray] = {}

    def num_steps(self, split: str, batch_size: int) -> int:
        """Return the number of batches of an epoch.

        Args:
            split: The split.
            batch_size: Rows of a batch of all parts.
        """
        if self.num_parts == 1:
            return math.ceil(self._data.num_rows[split] / batch_size)
        return math.ceil(self._part_rows(split).max() / (batch_size // self.num_parts))

    def batches(
        self,
        split: str,
        batch_size: int,
        most: int | None = None,
        change: Callable[[Any], Any] = lambda same: same,
        skip_batches: int = 0,
        **options: Any,
    ) -> Iterable[Any]:
        """Return global batches, the same on all processes; each iteration reads them again.

        Args:
            split: The split.
            batch_size: Rows of a batch of all parts.
            most: How many batches, None for all.
            change: Function that changes the `tf.data.Dataset` of the rows that this process reads.
            skip_batches: Batches of the first epoch that are left out.
            **options: Further arguments of `data.dataset`.
        """
        options |= {"skip_batches": skip_batches} if skip_batches else {}
        if self.num_parts > 1:
            own = None if self._hosts.number == 1 else self._own
            options |= {"num_parts": self.num_parts, "parts": own}
        dataset = self._data.dataset(split, batch_size, **options)
        dataset = change(dataset if most is None else dataset.take(most))
        if self.num_parts == 1 or self._hosts.number == 1:
            return dataset
        share = batch_size // self.num_parts
        stop = self.num_steps(split, batch_size)
        stop = stop if most is None else min(stop, skip_batches + most)
        starts = share * np.arange(skip_batches, stop)
        parts = np.clip(self._part_rows(split) - starts[:, np.newaxis], 0, share)
        rows = parts.reshape(len(starts), self._hosts.number, -1).sum(axis=2)
        return ExchangedBatches(dataset, rows, self._hosts, share * len(self._own))

    def notes(self) -> list[str]:
        """Return what to say of splits whose files cannot be divided."""
        found = []
        for split in self._data.num_rows if self.num_parts > 1 else ():
            if not self._data.divides_files(split, self.num_parts):
                found.append(
                    f"The {split} split has too few files for {self.num_parts} equal parts, so each host opens all of "
                    "them and reads its part of the rows."
                )
        return found

    def _part_rows(self, split: str) -> np.ndarray:
        """Return the rows of all parts; each process counts its own ones."""
        if split not in self._rows:
            own = np.array(self._data.part_rows(split, self.num_parts, self._own), np.int64)
            rows = self._hosts.gather(own.view(np.int32)).reshape(-1).view(np.int64)
            if rows.sum() != self._data.num_rows[split]:
                raise ValueError(
                    f"The hosts have {rows.sum():,} rows in '{split}', preparation.json says "
                    f"{self._data.num_rows[split]:,}. Give them all the same data, or prepare it again."
                )
            self._rows[split] = rows
        return self._rows[split]


class ExchangedBatches:
    """Global batches, of which each process reads some rows.

    Args:
        dataset: The rows that this process reads, in batches. If they end earlier than those of others, its batches
            have none.
        rows: The rows of each process in each batch, `(batches, processes)`.
        hosts: The processes.
        most_rows: The most rows of a process in a batch.
    """

    def __init__(self, dataset: tf.data.Dataset, rows: np.ndarray, hosts: Hosts, most_rows: int) -> None:
        self._dataset, self._rows, self._hosts, self._most_rows = dataset, rows, hosts, most_rows

    def __iter__(self) -> Iterator[Any]:
        """Yield the global batches as NumPy arrays."""
        specification = self._dataset.element_spec
        columns = tf.nest.flatten(specification)
        types = [(np.dtype(column.dtype.as_numpy_dtype), column.shape[1:].as_list()) for column in columns]
        own = iter(self._dataset)
        for rows in self._rows:
            packed = np.zeros((self._most_rows, sum(_width(*each) for each in types)), np.int32)
            if rows[self._hosts.index]:
                found = _packed([np.asarray(column) for column in tf.nest.flatten(next(own))])
                if len(found) != rows[self._hosts.index]:
                    raise ValueError(f"A batch has {len(found)} rows, not {rows[self._hosts.index]}.")
                packed[: len(found)] = found
            parts = self._hosts.gather(packed)
            whole = np.concatenate([part[:number] for part, number in zip(parts, rows, strict=True)])
            yield tf.nest.pack_sequence_as(specification, _unpacked(whole, types))


def _width(dtype, shape):
    """Return how many int32 a row of a column takes."""
    return math.prod(shape) * dtype.itemsize // 4


def _packed(columns):
    """Return columns of numbers of 4 or 8 bytes as one int32 matrix."""
    return np.concatenate(
        [np.ascontiguousarray(column.reshape(len(column), -1)).view(np.int32) for column in columns], 1
    )


def _unpacked(matrix, types):
    ends = np.cumsum([_width(*each) for each in types])
    pieces = np.split(matrix, ends[:-1], axis=1)
    return [
        np.ascontiguousarray(piece).view(dtype).reshape(len(matrix), *shape)
        for piece, (dtype, shape) in zip(pieces, types, strict=True)
    ]
