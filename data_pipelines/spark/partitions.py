"""The rows of a partition of a Spark DataFrame as compact chunks, in a Python worker of an executor."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import polars as pl
import pyarrow as pa

from ..preparation.engine import read_chunk
from ..raw.sources import CHUNK_BYTES, CHUNK_ROWS, Chunk, Rows

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config

    from ..preparation.plan import TablePlan


@dataclasses.dataclass(frozen=True)
class PartitionReader:
    """Reads the rows of partitions; it is sent to the executors.

    Args:
        plan: The `TablePlan`.
        bad_rows: `"error"` or `"skip"`.
        parse: Function that takes the rows as Spark gives them, the needed columns, and the number of the first row,
            and returns `Rows`; None if they are a table already.
    """

    plan: TablePlan
    bad_rows: str = "error"
    parse: Callable[[pa.Table, Mapping[str, bool], int], Rows] | None = None

    def chunks(self, batches: Iterable[pa.RecordBatch]) -> Iterator[MemoryChunk]:
        """Yield the rows of a partition in compact chunks.

        Args:
            batches: The rows, as `mapInArrow` gives them.

        Raises:
            ValueError: If rows cannot be used and `bad_rows` is `"error"`.
        """
        needed, first = self.plan.needed_columns(), 1
        for table in gathered(batches):
            rows = self._rows(table, needed, first)
            chunk = MemoryChunk()
            place = f"partition {partition_number()} of the table"
            read_chunk(chunk, 0, Chunk(place, lambda _, rows=rows: rows, {}, None), self.plan, needed, self.bad_rows)
            first += len(table)
            yield chunk

    def _rows(self, table, needed, first):
        if self.parse is not None:
            return self.parse(table, needed, first)
        return Rows(table.select(list(needed)), np.arange(first, first + len(table)), [])


class MemoryChunk:
    """A compact chunk that stays in memory; it offers what `ChunkFiles` does.

    Attributes:
        content: The arrays by name.
        stats: The stats.

    >>> chunk = MemoryChunk()
    >>> chunk.save({"label": np.array([1])}, [(pl.Series(["a"]), np.array([1]))], {"rows": 1})
    >>> chunk.dictionary(0)[0].to_list()
    ['a']
    """

    content: Mapping[str, np.ndarray]
    stats: Config

    def save(
        self, arrays: Mapping[str, np.ndarray], dictionaries: Iterable[tuple[pl.Series, np.ndarray]], stats: Config
    ) -> None:
        """Keep the arrays, dictionaries and stats."""
        self.content, self._dictionaries, self.stats = arrays, list(dictionaries), stats

    def arrays(self) -> contextlib.AbstractContextManager[Mapping[str, np.ndarray]]:
        """Open the arrays of the rows."""
        return contextlib.nullcontext(self.content)

    def dictionary(self, field: int) -> tuple[pl.Series, np.ndarray]:
        """Return the texts of a field and their counts."""
        return self._dictionaries[field]


def gathered(batches: Iterable[pa.RecordBatch], rows: int = CHUNK_ROWS, size: int = CHUNK_BYTES) -> Iterator[pa.Table]:
    """Yield batches in larger tables, of at least so many rows or bytes but for the last.

    Args:
        batches: The batches, all with the same columns.
        rows: Rows of a table.
        size: Bytes of a table, if they come first.

    >>> batch = pa.record_batch({"a": [1, 2]})
    >>> [len(table) for table in gathered([batch] * 5, rows=4)]
    [4, 4, 2]
    """
    waiting, num_rows, num_bytes = [], 0, 0
    for batch in batches:
        waiting.append(batch)
        num_rows, num_bytes = num_rows + batch.num_rows, num_bytes + batch.nbytes
        if num_rows >= rows or num_bytes >= size:
            yield pa.Table.from_batches(waiting)
            waiting, num_rows, num_bytes = [], 0, 0
    if num_rows:
        yield pa.Table.from_batches(waiting)


def partition_number() -> int:
    """Return the number of the partition whose task this process runs; 0 outside of tasks."""
    if "pyspark" not in sys.modules:  # which it is in every task
        return 0
    from pyspark import TaskContext  # pyright: ignore[reportMissingImports]

    context = TaskContext.get()
    return context.partitionId() if context else 0
