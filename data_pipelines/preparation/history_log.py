"""Histories of the rows of a log that need not fit into memory.

The log is read once and divided by a hash of `by` into partitions, so that all rows of a user are in one. Each
partition is sorted by user and order. The events of a row are then consecutive ones of its partition, so that only
where they begin and how many they are is stored for each row, not the events. When the rows are read again, as any
table is, their lists are put together. Rows keep their chunk, their order and their split, and no table is copied.

Each file is written atomically, and complete ones are not made again. Memory holds, for each core, one partition (about
`PARTITION_BYTES` of text, or the rows of one user if these are more) or the lists of one chunk, which are the smaller
the longer the histories are (see `with_smaller_chunks`).
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
import typing
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from ctrzoo.files import replaced, write_json

from ..errors import RowError
from ..progress import StepProgress, console
from ..raw.sources import COMPRESSIONS, Chunk, Rows, Source
from .history import History
from .parallel import in_order

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config

PARTITION_BYTES = 64 << 20
# How many bytes of text a compressed byte stands for, roughly.
COMPRESSED = 8
# A chunk is divided by one more than this part of the slots of a row.
SLOTS_PER_CHUNK = 4


def with_smaller_chunks(source: typing.Any, histories: Sequence[History]) -> Source:
    """Return a source with chunks that stay small when the lists of histories are added.

    Args:
        source: A source with `chunk_bytes` or `chunk_rows`.
        histories: The histories.
    """
    slots = sum(history.length * len(history.columns) for history in histories)
    sizes = [entry.name for entry in dataclasses.fields(source) if entry.name in ("chunk_bytes", "chunk_rows")]
    smaller = {name: max(1, getattr(source, name) // (1 + slots // SLOTS_PER_CHUNK)) for name in sizes}
    return dataclasses.replace(source, **smaller)


@dataclasses.dataclass(frozen=True)
class HistoryLog:
    """The log of histories, and what was made of it in a folder.

    Args:
        folder: The folder, which exists.
        name: Name of the data set, for messages.
        source: The raw table.
        histories: The `History` objects.
        bad_rows: `"error"` or `"skip"`.
    """

    folder: pathlib.Path
    name: str
    source: Source
    histories: Sequence[History]
    bad_rows: str = "error"

    @property
    def num_partitions(self) -> int:
        """The number of partitions, which depends on the size of the files."""
        sizes = (
            size * (COMPRESSED if pathlib.Path(path).suffix in (*COMPRESSIONS, ".zip", ".parquet") else 1)
            for path, size, _ in self.source.describe()["files"]
        )
        return max(1, -(-sum(sizes) // PARTITION_BYTES))

    def build(self) -> None:
        """Read the log and find the events of all rows, if that is not done yet.

        Raises:
            ValueError: If an order is neither a number nor a time, or some are numbers and others times.
        """
        done = self.folder / "done.json"
        if not done.is_file():
            chunks = self._divide()
            kinds = [self._kind(place, chunks) for place in range(len(self.histories))]
            items = [(place, part) for place in range(len(self.histories)) for part in range(self.num_partitions)]
            with StepProgress(f"{self.name}: finding histories") as progress:
                for number, _ in enumerate(in_order(lambda item: self._find(*item, kinds[item[0]], chunks), items)):
                    progress.advance(0, (number + 1) / len(items))
            write_json(done, {"without": np.sum([chunk["without"] for chunk in chunks], axis=0).tolist()})
        shutil.rmtree(self.folder / "log", ignore_errors=True)
        without = json.loads(done.read_text(encoding="utf-8"))["without"]
        for history, rows in zip(self.histories, without, strict=True):
            if rows:
                console.print(f"{self.name}: {rows:,} rows have no '{history.by}', so '{history.name}' is empty there")

    def chunks(self, finished: list[Config]) -> Iterator[Chunk | None]:
        """Yield the chunks of the raw table with the columns of lists; see `TextSource.chunks`."""
        for number, chunk in enumerate(self.source.chunks(finished)):
            yield chunk and chunk._replace(parse=self._parser(number, chunk.parse))

    def _parser(self, number, parse_chunk):
        def parse_and_list(needed):
            table, numbers, bad = parse_chunk(needed)
            unusable = json.loads(self._facts(number).read_text(encoding="utf-8"))["bad"]
            is_usable = ~np.isin(numbers, [row for row, _ in unusable])
            table, numbers = table.filter(pa.array(is_usable)), numbers[is_usable]
            for place, history in enumerate(self.histories):
                for name, lists in self._lists(place, number, numbers).items():
                    if name in history.columns:
                        table = table.append_column(name, lists)
            return Rows(table, numbers, sorted([*bad, *((row, reason) for row, reason in unusable)]))

        return parse_and_list

    def _facts(self, number):
        return self.folder / f"chunk-{number:06d}.json"

    def _piece(self, place, number):
        return self.folder / "log" / f"{place}-{number:06d}.arrow"

    def _part(self, what, place, part):
        return self.folder / f"{what}-{place}-{part:06d}.arrow"

    def _divide(self):
        """Write the rows of each chunk by partition; return the facts of the chunks."""
        (self.folder / "log").mkdir(exist_ok=True)
        positions = []
        while (path := self._facts(len(positions))).is_file():
            positions.append(json.loads(path.read_text(encoding="utf-8"))["position"])

        def process(item):
            number, chunk = item
            path = self._facts(number)
            if not path.is_file():
                write_json(path, self._divide_chunk(number, chunk))
            return json.loads(path.read_text(encoding="utf-8"))

        chunks = []
        with StepProgress(f"{self.name}: reading the log") as progress:
            for facts in in_order(process, enumerate(self.source.chunks(positions))):
                chunks.append(facts)
                progress.advance(facts["rows"], facts["position"]["share"])
        return chunks

    def _divide_chunk(self, number, chunk):
        """Write the rows of a chunk by partition, a file for each history; return its facts."""
        needed = dict.fromkeys((column for history in self.histories for column in history.needed), False)
        table, numbers, _ = chunk.parse(needed)
        bad = []
        while True:
            try:
                cells = {name: pl.Series(name, table[name]) for name in needed}
                read = [history.read(cells) for history in self.histories]
                break
            except RowError as error:
                bad += [[int(numbers[row]), error.reason] for row in error.rows]
                if self.bad_rows == "error":
                    row, reason = min(bad)
                    mend = "Pass --bad_rows=skip to skip such rows"
                    raise ValueError(f"{chunk.path}, row {row:,}: {reason}. {mend}.") from None
                kept = np.ones(len(table), bool)
                kept[error.rows] = False
                table, numbers = table.filter(pa.array(kept)), numbers[kept]
        facts = {"position": chunk.position, "rows": len(table), "path": chunk.path, "bad": sorted(bad)}
        facts |= {"kinds": [kind for _, kind in read], "ends": [], "without": []}
        for place, (frame, _) in enumerate(read):
            frame = frame.with_columns(pl.Series("row", numbers, dtype=pl.Int64))
            frame = frame.drop_nulls("by").with_columns((pl.col("by") % self.num_partitions).alias("part"))
            facts["without"].append(len(table) - len(frame))
            frame = frame.sort("part", maintain_order=True)
            sizes = np.bincount(frame["part"].to_numpy(), minlength=self.num_partitions)
            facts["ends"].append(np.cumsum(sizes).tolist())
            _write(self._piece(place, number), frame.drop("part"))
        return facts

    def _kind(self, place, chunks):
        """Return the kind of the order of all chunks."""
        kinds = {chunk["kinds"][place]: chunk["path"] for chunk in chunks if chunk["rows"]}
        if "time" in kinds and len(kinds) > 1:
            other = next(kind for kind in kinds if kind != "time")
            raise ValueError(
                f"The order '{self.histories[place].order}' of a history must be either numbers or times. Received: "
                f"times in {kinds['time']}, numbers in {kinds[other]}. Write all cells alike."
            )
        return "decimal" if "decimal" in kinds else next(iter(kinds), "integer")

    def _find(self, place, part, kind, chunks):
        """Write the events of a partition, and where those of each row are."""
        paths = [self._part(what, place, part) for what in ("events", "places")]
        if all(path.is_file() for path in paths):
            return
        key = pl.Float64 if kind == "decimal" else pl.Int64
        frames = []
        for number, chunk in enumerate(chunks):
            start, end = [0, *chunk["ends"][place]][part : part + 2]
            if start < end:
                with _opened(self._piece(place, number)) as table:
                    frame = pl.DataFrame(table.slice(start, end - start))
                    frame = frame.with_columns(pl.lit(number, pl.Int64).alias("chunk"), pl.col("key").cast(key))
                    frames.append(frame.rechunk().clone())
        names = [str(number) for number in range(len(self.histories[place].columns))]
        if frames:
            log = pl.concat(frames).sort(["by", "key"], maintain_order=True)
        else:
            types = dict.fromkeys(names, pl.String) | dict.fromkeys(("by", "row", "chunk"), pl.Int64)
            log = pl.DataFrame(schema={**types, "key": key, "is_event": pl.Boolean})
        by, order, is_event = (log[name].to_numpy() for name in ("by", "key", "is_event"))
        starts, counts = windows(by, order, is_event, self.histories[place].length)
        found = log.select("chunk", "row").with_columns(pl.Series("start", starts), pl.Series("count", counts))
        _write(paths[0], log.filter("is_event").select(names))
        _write(paths[1], found.filter(pl.col("count") > 0).sort("chunk", "row"))

    def _lists(self, place, number, row_numbers):
        """Return the lists of the rows of a chunk, by the name of their column."""
        names = list(self.histories[place].columns)
        owners, events = [np.empty(0, np.int64)], []
        for part in range(self.num_partitions):
            with _opened(self._part("places", place, part)) as found, _opened(self._part("events", place, part)) as log:
                start, end = np.searchsorted(found["chunk"].to_numpy(), [number, number + 1])
                found = found.slice(start, end - start)
                rows, starts, counts = (found[name].to_numpy() for name in ("row", "start", "count"))
                places = np.minimum(np.searchsorted(row_numbers, rows), max(len(row_numbers) - 1, 0))
                # A row that cannot be used for another reason has no list.
                is_here = row_numbers[places] == rows if len(row_numbers) else np.zeros(len(rows), bool)
                places, starts, counts = places[is_here], starts[is_here], counts[is_here]
                taken = np.repeat(starts - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
                events.append(log.take(pa.array(taken)))
                owners.append(np.repeat(places, counts))
        owner = np.concatenate(owners)
        values = pa.concat_tables(events).take(pa.array(np.argsort(owner, kind="stable")))
        ends = np.cumsum(np.bincount(owner, minlength=len(row_numbers)))
        offsets = pa.array(np.concatenate([[0], ends]), pa.int64())
        columns = [values.column(column).combine_chunks() for column in range(len(names))]
        return {
            name: pa.LargeListArray.from_arrays(offsets, column) for name, column in zip(names, columns, strict=True)
        }


def windows(by: np.ndarray, order: np.ndarray, is_event: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where the history of each row begins among the events, and how many events it has, `(rows,)` each.

    Args:
        by: Whose row it is; equal ones are adjacent.
        order: The order, ascending among the rows of one user.
        is_event: Whether the row is an event for later rows.
        length: The most events of a history.

    >>> windows(np.array([1, 1, 1, 2]), np.array([5, 5, 6, 7]), np.ones(4, bool), 9)[1].tolist()
    [0, 0, 2, 0]
    """
    rows = np.arange(len(by))
    is_first = np.ones(len(by), bool)
    is_first[1:] = by[1:] != by[:-1]
    is_new = is_first.copy()
    is_new[1:] |= order[1:] != order[:-1]
    # The events of earlier rows of the partition.
    before = np.cumsum(is_event) - is_event
    stops = before[np.maximum.accumulate(np.where(is_new, rows, 0))] if len(by) else before
    starts = before[np.maximum.accumulate(np.where(is_first, rows, 0))] if len(by) else before
    starts = np.maximum(starts, stops - length)
    return starts, stops - starts


def _write(path, frame):
    with replaced(path) as temporary, pa.OSFile(str(temporary), "wb") as file:
        table = frame.rechunk().to_arrow()
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)


class _opened:
    """Opens a file that `_write` wrote; its rows are read from disk when they are used."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.file = pa.memory_map(str(self.path))
        return pa.ipc.open_file(self.file).read_all()

    def __exit__(self, *error):
        self.file.close()
