"""A Parquet file in a store: its row groups are fetched once each, only the needed columns, and shared by chunks."""

from __future__ import annotations

import collections
import contextlib
import threading
import typing
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from ctrzoo.stores import is_url, opened_at_places

if typing.TYPE_CHECKING:
    import pathlib


@contextlib.contextmanager
def opened_parquet(path: pathlib.Path) -> Iterator[typing.Any]:
    """Yield what `pyarrow.parquet.ParquetFile` takes: the path of a local file, or an open object."""
    if not is_url(path):
        yield path
        return
    with opened_at_places(path) as file:
        yield file


class RowGroups:
    """The row groups of a Parquet object, for chunks that other threads parse.

    A row group is kept until all chunks that overlap it have been parsed. So as many are in memory as the chunks that
    are parsed at a time need.

    Args:
        path: The object.
        chunk_rows: Rows per chunk.
        starts: The first row of each chunk that will be parsed.
    """

    def __init__(self, path: pathlib.Path, chunk_rows: int, starts: Iterable[int]):
        self.path, self.chunk_rows = path, chunk_rows
        with opened_parquet(path) as place:
            self.metadata = parquet.ParquetFile(place).metadata
        sizes = [self.metadata.row_group(group).num_rows for group in range(self.metadata.num_row_groups)]
        self._ends = np.cumsum(sizes)
        self._uses = collections.Counter(group for start in starts for group in self._overlapping(start))
        self._locks = [threading.Lock() for _ in sizes]
        self._tables: dict[tuple[int, tuple[str, ...]], pa.Table] = {}

    def rows(self, names: Sequence[str], start: int) -> pa.Table:
        """Return the rows of a chunk.

        Args:
            names: The columns.
            start: The first row of the chunk.
        """
        groups = self._overlapping(start)
        table = pa.concat_tables([self._group(group, tuple(names)) for group in groups])
        return table.slice(start - ([0, *self._ends])[groups[0]], self.chunk_rows)

    def _overlapping(self, start):
        """Return the row groups that hold rows of a chunk."""
        last = min(start + self.chunk_rows, self._ends[-1]) - 1
        first, last = np.searchsorted(self._ends, [start, last], side="right")
        return range(int(first), int(last) + 1)

    def _group(self, group, names):
        with self._locks[group]:
            self._uses[group] -= 1
            table = self._tables.pop((group, names), None)
            if table is None:
                with opened_at_places(self.path) as file:
                    reader = parquet.ParquetFile(file, metadata=self.metadata, pre_buffer=True)
                    table = reader.read_row_group(group, columns=list(names), use_threads=False).select(list(names))
            if self._uses[group] > 0:
                self._tables[group, names] = table
            return table
