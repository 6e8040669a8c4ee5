"""Histories on Spark: the rows of each user come together, sorted by their order, and get the lists of their events.

The code of the single machine reads the log and finds the events of each row; Spark brings rows together. A Python
worker holds the rows of some users, or of one user if these are more.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from ..preparation.history_log import kinds_of_orders, read_log, windows

if typing.TYPE_CHECKING:
    from pyspark.sql import SparkSession  # pyright: ignore[reportMissingImports]

    from ctrzoo.types import Config

    from ..preparation.history import History
    from .places import Places

# The rows of the log, one of each history; or, with a negative place, the facts of a chunk.
LOG = pa.schema(
    [
        ("place", pa.int32()),
        ("chunk", pa.int32()),
        ("row", pa.int64()),
        ("by", pa.int64()),
        ("whole", pa.int64()),
        ("decimal", pa.float64()),
        ("is_event", pa.bool_()),
        ("texts", pa.list_(pa.string())),
        ("facts", pa.string()),
    ]
)
LOG_COLUMNS = (
    "place int, chunk int, `row` long, `by` long, whole long, `decimal` double, is_event boolean, "
    "texts array<string>, facts string"
)
# Rows whose lists are made at a time.
PIECE_ROWS = 4096


def build_lists(
    session: SparkSession, places: Places, histories: Sequence[History], bad_rows: str, folder: pathlib.Path
) -> list[Config]:
    """Write the lists of all rows, as Parquet files by chunk; return the facts of the chunks, see `read_log`.

    Args:
        session: The session of Spark.
        places: The `Places`.
        histories: The `History` objects.
        bad_rows: `"error"` or `"skip"`.
        folder: The folder to write to, which exists, and which driver and executors share.

    Raises:
        ValueError: If an order is neither a number nor a time, or some are numbers and others times.
    """
    path = (folder / "log").as_uri()
    reader = _LogReader(places, tuple(histories), bad_rows)
    places.tasks(session).mapInArrow(reader.read, LOG_COLUMNS).write.parquet(path)
    log = session.read.schema(LOG_COLUMNS).parquet(path)
    found = log.filter(log.place < 0).select("chunk", "facts").toArrow().sort_by("chunk")
    facts = [json.loads(text) for text in found["facts"].to_pylist()]
    kinds = kinds_of_orders(histories, facts)
    most = max(len(history.columns) for history in histories)
    columns = ", ".join(["place int, chunk int, `row` long", *(f"list{n} array<string>" for n in range(most))])
    for place, (history, kind) in enumerate(zip(histories, kinds, strict=True)):
        # Whole numbers of a history in which other rows have decimal ones are compared as decimal ones.
        order = "coalesce(`decimal`, cast(whole as double))" if kind == "decimal" else "whole"
        rows = log.filter(log.place == place).selectExpr(
            "`by`", f"{order} as key", "chunk", "`row`", "is_event", "texts"
        )
        rows = rows.repartition("by").sortWithinPartitions("by", "key", "chunk", "row")
        lists = functools.partial(find_lists, place, history, most)
        by_chunk = rows.mapInArrow(lists, columns).repartition("chunk")
        by_chunk.write.mode("append").partitionBy("chunk").parquet((folder / "lists").as_uri())
    return facts


@dataclasses.dataclass(frozen=True)
class _LogReader:
    places: Places
    histories: tuple[History, ...]
    bad_rows: str

    def read(self, batches):
        """Yield the rows of the log of a task, and the facts of its chunks; for `mapInArrow`."""
        for number, chunk in self.places.chunks(batches):
            frames, facts = read_log(chunk, self.histories, self.bad_rows)
            for place, frame in enumerate(frames):
                yield from log_rows(place, number, frame).to_batches(max_chunksize=PIECE_ROWS)
            yield from _log(pl.DataFrame({"place": [-1], "chunk": [number], "facts": [json.dumps(facts)]}))


def log_rows(place: int, chunk: int, frame: pl.DataFrame) -> pa.Table:
    """Return rows of a history as rows of `LOG`.

    Args:
        place: The position of the history.
        chunk: The number of the chunk.
        frame: What `read_log` returned of the history.
    """
    texts = [name for name in frame.columns if name.isdigit()]
    key = "decimal" if frame["key"].dtype == pl.Float64 else "whole"
    numbers = [pl.lit(place).alias("place"), pl.lit(chunk).alias("chunk")]
    listed = pl.concat_list(texts).alias("texts")
    return pa.Table.from_batches(
        _log(frame.select(*numbers, "row", "by", pl.col("key").alias(key), "is_event", listed)), LOG
    )


def _log(frame):
    missing = [pl.lit(None).alias(name) for name in LOG.names if name not in frame.columns]
    return frame.with_columns(missing).select(LOG.names).to_arrow().cast(LOG).to_batches()


def find_lists(place: int, history: History, most: int, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the lists of the rows that have events, for `mapInArrow`.

    Args:
        place: The position of the history.
        history: The `History`.
        most: The most columns of a history of the plan.
        batches: The rows of the log, sorted by `by`, their `key`, chunk and row.
    """
    for frame in whole_users(pl.DataFrame(pl.from_arrow(batch)) for batch in batches):
        by, order, is_event = (frame[name].to_numpy() for name in ("by", "key", "is_event"))
        starts, counts = windows(by, order, is_event, history.length)
        events = frame.filter("is_event")["texts"]
        texts = [events.list.get(column) for column in range(len(history.columns))]
        rows = np.flatnonzero(counts)
        for first in range(0, len(rows), PIECE_ROWS):
            some = rows[first : first + PIECE_ROWS]
            lengths = counts[some]
            offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
            taken = np.repeat(starts[some] - offsets[:-1], lengths) + np.arange(offsets[-1])
            lists = [
                pa.ListArray.from_arrays(pa.array(offsets), column.gather(taken).to_arrow().cast(pa.string()))
                for column in texts
            ]
            lists += [pa.nulls(len(some), pa.list_(pa.string()))] * (most - len(lists))
            found = {"place": pa.repeat(pa.scalar(place, pa.int32()), len(some))}
            found |= {name: frame[name].gather(some).to_arrow() for name in ("chunk", "row")}
            yield pa.record_batch(found | {f"list{column}": each for column, each in enumerate(lists)})


def whole_users(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield rows that are sorted by `by` again, so that all rows of a user are in one frame.

    >>> parts = [pl.DataFrame({"by": [1, 2]}), pl.DataFrame({"by": [2, 2]}), pl.DataFrame({"by": [3]})]
    >>> [frame["by"].to_list() for frame in whole_users(parts)]
    [[1], [2, 2, 2], [3]]
    """
    waiting = []
    for frame in frames:
        if not len(frame):
            continue
        begin = int(frame["by"].search_sorted(frame["by"][-1], "left"))
        if waiting and waiting[-1]["by"][-1] != frame["by"][-1]:
            yield pl.concat([*waiting, frame.head(begin)])
            waiting = []
        elif begin:
            yield frame.head(begin)
        waiting.append(frame.slice(begin))
    if waiting:
        yield pl.concat(waiting)


def lists_of_chunk(
    folder: pathlib.Path, chunk: int, histories: Sequence[History]
) -> Callable[[int, np.ndarray], Mapping[str, pa.Array]]:
    """Return a function that finds the lists of rows, see `rows_with_lists`.

    Args:
        folder: The folder that `build_lists` wrote to.
        chunk: The number of the chunk.
        histories: The `History` objects.
    """
    files = sorted((folder / "lists" / f"chunk={chunk}").glob("*.parquet"))
    lists = pl.concat([pl.read_parquet(path, hive_partitioning=False, glob=False) for path in files]) if files else None

    def find(place, rows):
        columns = list(histories[place].columns)
        if lists is None:
            return {name: pa.nulls(len(rows), pa.list_(pa.string())) for name in columns}
        own = lists.filter(pl.col("place") == place)
        numbers = pl.DataFrame({"row": pl.Series(rows, dtype=pl.Int64)})
        found = numbers.join(own, on="row", how="left", maintain_order="left")
        return {name: found[f"list{column}"].to_arrow() for column, name in enumerate(columns)}

    return find
