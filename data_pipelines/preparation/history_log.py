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
import functools
import json
import pathlib
import shutil
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence

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
            kinds = kinds_of_orders(self.histories, chunks)
            items = [(place, part) for place in range(len(self.histories)) for part in range(self.num_partitions)]
            with StepProgress(f"{self.name}: finding histories") as progress:
                for number, _ in enumerate(in_order(lambda item: self._find(*item, kinds[item[0]], chunks), items)):
                    progress.advance(0, (number + 1) / len(items))
            write_json(done, {"without": np.sum([chunk["without"] for chunk in chunks], axis=0).tolist()})
        shutil.rmtree(self.folder / "log", ignore_errors=True)
        report_without(self.name, self.histories, [json.loads(done.read_text(encoding="utf-8"))])

    def chunks(self, finished: list[Config]) -> Iterator[Chunk | None]:
        """Yield the chunks of the raw table with the columns of lists; see `TextSource.chunks`."""
        for number, chunk in enumerate(self.source.chunks(finished)):
            yield chunk and chunk._replace(parse=functools.partial(self._parse, number, chunk.parse))

    def _parse(self, number, parse_chunk, needed):
        unusable = json.loads(self._facts(number).read_text(encoding="utf-8"))["bad"]
        return rows_with_lists(
            parse_chunk(needed), self.histories, unusable, lambda place, rows: self._lists(place, number, rows)
        )

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
        frames, facts = read_log(chunk, self.histories, self.bad_rows)
        facts["ends"] = []
        for place, frame in enumerate(frames):
            frame = frame.with_columns((pl.col("by") % self.num_partitions).alias("part"))
            frame = frame.sort("part", maintain_order=True)
            sizes = np.bincount(frame["part"].to_numpy(), minlength=self.num_partitions)
            facts["ends"].append(np.cumsum(sizes).tolist())
            _write(self._piece(place, number), frame.drop("part"))
        return facts

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


def read_log(chunk: Chunk, histories: Sequence[History], bad_rows: str) -> tuple[list[pl.DataFrame], Config]:
    """Return what histories need of the rows of a chunk.

    Args:
        chunk: The `Chunk`.
        histories: The `History` objects.
        bad_rows: `"error"` or `"skip"`.

    Returns:
        For each history what `History.read` returns, with the number of each `row`; rows without a `by` are left out.
        And facts of the chunk: its `position`, its number of `rows`, its `path`, the rows that are `bad`, the `kinds`
        of the orders, and how many rows are `without` a `by`.

    Raises:
        ValueError: If an order is neither a number nor a time, and `bad_rows` is `"error"`.
    """
    needed = dict.fromkeys((column for history in histories for column in history.needed), False)
    table, numbers, _ = chunk.parse(needed)
    bad = []
    while True:
        try:
            cells = {name: pl.Series(name, table[name]) for name in needed}
            read = [history.read(cells) for history in histories]
            break
        except RowError as error:
            bad += [[int(numbers[row]), error.reason] for row in error.rows]
            if bad_rows == "error":
                row, reason = min(bad)
                mend = "Pass --bad_rows=skip to skip such rows"
                raise ValueError(f"{chunk.path}, row {row:,}: {reason}. {mend}.") from None
            kept = np.ones(len(table), bool)
            kept[error.rows] = False
            table, numbers = table.filter(pa.array(kept)), numbers[kept]
    frames = [frame.with_columns(pl.Series("row", numbers, dtype=pl.Int64)).drop_nulls("by") for frame, _ in read]
    without = [len(table) - len(frame) for frame in frames]
    facts = {"position": chunk.position, "rows": len(table), "path": chunk.path, "bad": sorted(bad)}
    return frames, {**facts, "kinds": [kind for _, kind in read], "without": without}


def kinds_of_orders(histories: Sequence[History], chunks: Sequence[Config]) -> list[str]:
    """Return the kind of the order of each history over all chunks: `"integer"`, `"decimal"` or `"time"`.

    Args:
        histories: The `History` objects.
        chunks: The facts of all chunks, see `read_log`.

    Raises:
        ValueError: If the order is a time in some chunks, and a number in others.

    >>> kinds_of_orders([], [])
    []
    """
    found = []
    for place, history in enumerate(histories):
        kinds = {chunk["kinds"][place]: chunk["path"] for chunk in chunks if chunk["rows"]}
        if "time" in kinds and len(kinds) > 1:
            other = next(kind for kind in kinds if kind != "time")
            raise ValueError(
                f"The order '{history.order}' of a history must be either numbers or times. Received: "
                f"times in {kinds['time']}, numbers in {kinds[other]}. Write all cells alike."
            )
        found.append("decimal" if "decimal" in kinds else next(iter(kinds), "integer"))
    return found


def report_without(name: str, histories: Sequence[History], chunks: Sequence[Config]) -> None:
    """Say how many rows have no history because they have no `by`.

    Args:
        name: Name of the data set.
        histories: The `History` objects.
        chunks: The facts of all chunks, see `read_log`.
    """
    for place, history in enumerate(histories):
        rows = sum(chunk["without"][place] for chunk in chunks)
        if rows:
            console.print(f"{name}: {rows:,} rows have no '{history.by}', so '{history.name}' is empty there")


def rows_with_lists(
    rows: Rows,
    histories: Sequence[History],
    unusable: Sequence[tuple[int, str]],
    lists_of: Callable[[int, np.ndarray], Mapping[str, pa.Array]],
) -> Rows:
    """Return rows with the columns of lists, without those that histories cannot use.

    Args:
        rows: The `Rows` of a chunk.
        histories: The `History` objects.
        unusable: Number and reason of each row that histories cannot use.
        lists_of: Function that takes the position of a history and the numbers of rows, and returns their lists by the
            name of the column.
    """
    table, numbers, bad = rows
    is_usable = ~np.isin(numbers, [row for row, _ in unusable])
    table, numbers = table.filter(pa.array(is_usable)), numbers[is_usable]
    for place in range(len(histories)):
        for name, lists in lists_of(place, numbers).items():
            table = table.append_column(name, lists)
    return Rows(table, numbers, sorted([*bad, *((row, reason) for row, reason in unusable)]))


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
