"""The chunks of the files of a table, numbered as on one machine, for the Python workers of executors to read.

A task reads the bytes of its chunks from a path that all executors share. So each row has the place that it has on one
machine: its chunk, and its position there.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import pathlib
import typing
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from ctrzoo.stores import is_url

from ..preparation.history_log import with_smaller_chunks
from ..raw.sources import COMPRESSIONS, TARS, DerivedSource, FrameSource, Source, TextSource

if typing.TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession  # pyright: ignore[reportMissingImports]

    from ctrzoo.types import Config

    from ..preparation.history import History
    from ..raw.sources import Chunk

# Files that can be read only from their beginning.
PACKED = (*COMPRESSIONS, ".zip", *TARS)
LISTED = "file int, positions string"


class Work(typing.NamedTuple):
    """The chunks that a task reads: some consecutive ones of a file, all of them if it is compressed.

    Args:
        file: The number of the file.
        first: The number of the first chunk, among those of all files.
        start: The number of this chunk in its file.
        stop: The number after that of the last chunk in its file.
    """

    file: int
    first: int
    start: int
    stop: int


@dataclasses.dataclass(frozen=True)
class Places:
    """The chunks of a source; it is sent to the executors.

    Args:
        source: The source.
        positions: For each file the positions of its chunks, see `TextSource.chunks`.
        work: The `Work` of each task.
    """

    source: Source
    positions: Sequence[Sequence[Config]]
    work: Sequence[Work]

    @classmethod
    def of(cls, source: Source, positions: Sequence[Sequence[Config]]) -> Places:
        """Return the places of a source of which the chunks are known.

        Raises:
            ValueError: If there is none.
        """
        if not any(positions):
            raise ValueError(f"{paths_of(source)[0]} has no rows that can be used.")
        work, first = [], 0
        for file, (path, found) in enumerate(zip(paths_of(source), positions, strict=True)):
            size = max(len(found), 1) if path.endswith(PACKED) else 1
            for start in range(0, len(found), size):
                work.append(Work(file, first + start, start, min(start + size, len(found))))
            first += len(found)
        return cls(source, positions, work)

    def chunks(self, batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, Chunk]]:
        """Yield the chunks of a task, each with its number.

        Args:
            batches: The number of the task, in batches of `tasks`.
        """
        for task in (number for batch in batches for number in batch.column(0).to_pylist()):
            work = self.work[task]
            source = only_file(self.source, work.file)
            chunks = source.chunks(list(self.positions[work.file][: work.start]))
            ahead = (chunk for chunk in chunks if chunk is not None)
            yield from enumerate(itertools.islice(ahead, work.stop - work.start), work.first)

    def tasks(self, session: SparkSession) -> DataFrame:
        """Return a DataFrame with a partition for each task, whose only row is its number."""
        number = len(self.work)
        return session.range(0, number, 1, number)


def find_places(session: SparkSession, source: Source, histories: Sequence[History] = ()) -> Places:
    """Return the chunks of a source. Executors read each file of text once, to find where its chunks end.

    Args:
        session: The session of Spark.
        source: The source.
        histories: The histories whose lists will be added to the chunks.

    Raises:
        ValueError: If a file is empty or is not like the first one, or no file has rows.
    """
    source = _pinned(_absolute(with_smaller_chunks(source, histories) if histories else source))
    number = len(paths_of(source))
    files = session.range(0, number, 1, number)
    found = files.mapInArrow(_Lister(source, tuple(source.columns())), LISTED).toArrow().sort_by("file")
    return Places.of(source, [json.loads(positions) for positions in found["positions"].to_pylist()])


@dataclasses.dataclass(frozen=True)
class _Lister:
    source: Source
    columns: tuple[str, ...]

    def __call__(self, batches):
        for file in (number for batch in batches for number in batch.column(0).to_pylist()):
            source = only_file(self.source, file)
            if isinstance(source, TextSource) and tuple(source.columns()) != self.columns:
                paths = paths_of(self.source)
                raise ValueError(
                    f"{paths[file]}: the header differs from the one of {paths[0]}. Prepare only like tables together."
                )
            positions = json.dumps([chunk.position for chunk in source.chunks([]) if chunk])
            yield pa.record_batch({"file": pa.array([file], pa.int32()), "positions": [positions]})


def paths_of(source: Source) -> list[str]:
    """Return the files of a source."""
    return [path for path, _, _ in source.describe()["files"]]


def only_file(source: typing.Any, file: int) -> Source:
    """Return a source with one of its files.

    Args:
        source: The source.
        file: The number of the file.

    >>> only_file(TextSource(["a.csv", "b.csv"], splits=["train", "test"]), 1).splits
    ['test']
    """
    if isinstance(source, DerivedSource):
        return dataclasses.replace(source, source=only_file(source.source, file))
    if isinstance(source, FrameSource):
        return source
    return dataclasses.replace(source, paths=[source.paths[file]], splits=list(source.splits)[file : file + 1])


def _absolute(source):
    """Return a source with absolute paths: executors work in folders of their own."""
    if isinstance(source, DerivedSource):
        return dataclasses.replace(source, source=_absolute(source.source))
    if isinstance(source, FrameSource):
        return source
    paths = [path if is_url(path) else pathlib.Path(path).absolute() for path in source.paths]
    return dataclasses.replace(source, paths=paths)


def _pinned(source):
    """Return a source that no longer looks into its first file to know its columns."""
    fields = {entry.name for entry in dataclasses.fields(source)}
    found = source.describe().get("num_fields") if "num_fields" in fields else None
    return dataclasses.replace(source, num_fields=found) if found else source
