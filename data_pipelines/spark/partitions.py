"""Rows as compact chunks, in a Python worker of an executor: those of a DataFrame's partition, or of files."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import sys
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from ..preparation.engine import read_chunk
from ..preparation.history_log import rows_with_lists
from ..raw.sources import CHUNK_BYTES, CHUNK_ROWS, Chunk, Rows
from .histories import lists_of_chunk

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config

    from ..preparation.plan import TablePlan
    from .places import Places


@dataclasses.dataclass(frozen=True)
class PartitionReader:
    """Reads the rows of partitions; it is sent to the executors.

    Args:
        plan: The `TablePlan`.
        bad_rows: `"error"` or `"skip"`.
    """

    plan: TablePlan
    bad_rows: str = "error"

    def chunks(self, batches: Iterable[pa.RecordBatch]) -> Iterator[MemoryChunk]:
        """Yield the rows of a partition in compact chunks.

        Args:
            batches: The rows, as `mapInArrow` gives them.

        Raises:
            ValueError: If rows cannot be used and `bad_rows` is `"error"`.
        """
        needed, first = self.plan.needed_columns(), 1
        for number, table in enumerate(gathered(batches)):
            rows = Rows(table.select(list(needed)), np.arange(first, first + len(table)), [])
            chunk = MemoryChunk((partition_number(), number))
            place = f"partition {partition_number()} of the table"
            read_chunk(chunk, 0, Chunk(place, lambda _, rows=rows: rows, {}, None), self.plan, needed, self.bad_rows)
            first += len(table)
            yield chunk


@dataclasses.dataclass(frozen=True)
class PlacedReader:
    """Reads the chunks of the files of a table; it is sent to the executors like a `PartitionReader`.

    Args:
        plan: The `TablePlan`.
        bad_rows: `"error"` or `"skip"`.
        places: The `Places`.
        lists: The folder of the lists of the histories; None if the plan has none.
        unusable: For each chunk that has some, number and reason of the rows that histories cannot use.
    """

    plan: TablePlan
    bad_rows: str
    places: Places
    lists: pathlib.Path | None = None
    unusable: Mapping[int, Sequence[tuple[int, str]]] = dataclasses.field(default_factory=dict)

    def chunks(self, batches: Iterable[pa.RecordBatch]) -> Iterator[MemoryChunk]:
        """Yield the chunks of a task.

        Args:
            batches: The number of the task, in batches of `Places.tasks`.

        Raises:
            ValueError: If rows cannot be used and `bad_rows` is `"error"`.
        """
        needed = self.plan.needed_columns()
        for number, chunk in self.places.chunks(batches):
            compact = MemoryChunk((number,))
            read_chunk(compact, number, self._with_lists(number, chunk), self.plan, needed, self.bad_rows)
            yield compact

    def _with_lists(self, number, chunk):
        if self.lists is None:
            return chunk
        histories, folder = self.plan.histories, self.lists

        def parse(needed):
            found = lists_of_chunk(folder, number, histories)
            return rows_with_lists(chunk.parse(needed), histories, self.unusable.get(number, ()), found)

        return chunk._replace(parse=parse)


class MemoryChunk:
    """A compact chunk that stays in memory; it offers what `ChunkFiles` does.

    Args:
        place: Its number among all chunks; of a table without places, its partition and its number there.

    Attributes:
        content: The arrays by name.
        stats: The stats.

    >>> chunk = MemoryChunk((0,))
    >>> chunk.save({"label": np.array([1])}, [(pl.Series(["a"]), np.array([1]))], {"rows": 1})
    >>> chunk.dictionary(0)[0].to_list()
    ['a']
    """

    content: Mapping[str, np.ndarray]
    stats: Config

    def __init__(self, place: tuple[int, ...]):
        self.place = place

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
