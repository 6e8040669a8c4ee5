"""Lists of events from rows in any batches, compared with a slow loop; without Spark."""

import pathlib
import tempfile

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrzoo.data_pipelines.preparation.history_log import kinds_of_orders, read_log
from ctrzoo.data_pipelines.raw.sources import ParquetSource
from ctrzoo.data_pipelines.spark.histories import LOG, find_lists, lists_of_chunk, log_rows, whole_users
from tests.data_pipelines.preparation.test_history_log import HISTORIES, logs, slow_history


def found(folder, log, chunk_rows, batch_rows):
    """Return the lists of each history of all rows, from the rows of a log as Spark brings them together."""
    columns = dict.fromkeys(("user", "item", "kind", "at", "stars"), pl.String)
    pl.DataFrame(log, schema=columns).write_parquet(folder / "log.parquet")
    source = ParquetSource([folder / "log.parquet"], chunk_rows=chunk_rows)
    tables, facts = [], []
    for number, chunk in enumerate(source.chunks([])):
        frames, of_chunk = read_log(chunk, HISTORIES, "error")
        tables += [log_rows(place, number, frame) for place, frame in enumerate(frames)]
        facts.append(of_chunk)
    kinds = kinds_of_orders(HISTORIES, facts)
    rows = pl.DataFrame(pl.from_arrow(pa.concat_tables(tables)))
    for place, history in enumerate(HISTORIES):
        assert kinds[place] == "integer"
        own = rows.filter(pl.col("place") == place).with_columns(pl.col("whole").alias("key"))
        own = own.sort("by", "key", "chunk", "row").select("by", "key", "chunk", "row", "is_event", "texts")
        batches = own.to_arrow().to_batches(max_chunksize=batch_rows)
        for number, batch in enumerate(find_lists(place, history, 2, batches)):
            frame = pl.DataFrame(pl.from_arrow(batch))
            for (chunk,), part in frame.partition_by("chunk", as_dict=True).items():
                to = folder / "lists" / f"chunk={chunk}"
                to.mkdir(parents=True, exist_ok=True)
                part.drop("chunk").write_parquet(to / f"{place}-{number}.parquet")
    return source


@settings(deadline=None, max_examples=20)
@given(logs(), st.integers(1, 9), st.integers(1, 9))
def test_lists_are_those_of_a_slow_loop(log, chunk_rows, batch_rows):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        source = found(folder, log, chunk_rows, batch_rows)
        first = 0
        for number, chunk in enumerate(source.chunks([])):
            numbers = chunk.parse({"at": False}).row_numbers
            find = lists_of_chunk(folder, number, HISTORIES)
            for place, history in enumerate(HISTORIES):
                lists = {name: column.to_pylist() for name, column in find(place, numbers).items()}
                assert list(lists) == list(history.columns)
                for row in range(len(numbers)):
                    events = list(zip(*(column[row] or [] for column in lists.values()), strict=True))
                    assert events == slow_history(log, first + row, history)
            first += len(numbers)


def test_decimal_orders_have_a_column_of_their_own():
    frame = pl.DataFrame({"by": [1], "key": [0.5], "is_event": [True], "0": ["a"], "1": [None], "row": [7]})
    (row,) = log_rows(2, 3, frame.cast({"1": pl.String})).to_pylist()
    assert row == {
        **dict.fromkeys(LOG.names),
        **{"place": 2, "chunk": 3, "row": 7, "by": 1, "decimal": 0.5, "is_event": True, "texts": ["a", None]},
    }


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_users_are_never_divided(size):
    users = [1, 1, 2, 3, 3, 3, 3, 4, 9, 9]
    frames = [pl.DataFrame({"by": users[start : start + size]}) for start in range(0, len(users), size)]
    found = [
        frame["by"].to_list() for frame in whole_users([pl.DataFrame({"by": pl.Series([], dtype=pl.Int64)}), *frames])
    ]
    assert [user for part in found for user in part] == users
    assert sum(len(set(part)) for part in found) == len(set(users))
