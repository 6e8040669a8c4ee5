"""Parquet files in a store: the rows of the local file, each row group fetched once."""

import numpy as np
import polars as pl
import pyarrow.parquet as parquet
import pytest

from ctrzoo.data_pipelines.raw.parquet_objects import RowGroups
from ctrzoo.data_pipelines.raw.sources import ParquetSource, usable_rows
from ctrzoo.stores import as_path
from tests.object_store import put


@pytest.fixture
def table(tmp_path):
    frame = pl.DataFrame(
        {"row": np.arange(1000), "text": [f"t{row % 7}" for row in range(1000)], "other": [0.5] * 1000}
    )
    frame.write_parquet(tmp_path / "a.parquet", row_group_size=150)
    return frame, tmp_path / "a.parquet"


@pytest.mark.parametrize("chunk_rows", [1, 100, 150, 400, 5000])
def test_chunks_have_the_rows_of_the_local_file(chunk_rows, table, store):
    frame, path = table
    frame = frame if chunk_rows > 1 else frame.head(3)
    frame.write_parquet(path, row_group_size=150)
    put(f"{store}/a.parquet", path.read_bytes())
    for place in (path, as_path(f"{store}/a.parquet")):
        source = ParquetSource([place], chunk_rows=chunk_rows)
        chunks = [chunk.parse({"text": False, "row": True}) for chunk in source.chunks([]) if chunk]
        assert [len(chunk.table) for chunk in chunks[:-1]] == [chunk_rows] * (len(chunks) - 1)
        read = pl.concat([pl.DataFrame(pl.from_arrow(chunk.table)) for chunk in chunks])
        assert read.equals(frame.select("text", "row"))
        assert [number for chunk in chunks for number in chunk.row_numbers] == list(range(1, len(frame) + 1))


@pytest.mark.parametrize("finished", [0, 2])
def test_a_row_group_is_fetched_once_and_dropped_after_its_last_chunk(finished, table, store, monkeypatch):
    _, path = table
    put(f"{store}/a.parquet", path.read_bytes())
    fetched = []
    original = parquet.ParquetFile.read_row_group
    monkeypatch.setattr(
        parquet.ParquetFile,
        "read_row_group",
        lambda self, group, **others: (fetched.append(group), original(self, group, **others))[1],
    )
    starts = range(100 * finished, 1000, 100)
    groups = RowGroups(as_path(f"{store}/a.parquet"), 100, starts)
    for start in starts:
        assert groups.rows(["row"], start)["row"].to_pylist() == list(range(start, start + 100))
        assert len(groups._tables) <= 1
    assert fetched == list(range(finished * 100 // 150, 7)) and not groups._tables
    assert groups.rows(["row"], 0)["row"].to_pylist() == list(range(100))  # a chunk that is parsed again


def test_columns_of_unusual_types_are_the_local_ones(typed, store):
    put(f"{store}/typed.parquet", typed.read_bytes())
    here, there = (usable_rows(place, 0, 100) for place in (typed, as_path(f"{store}/typed.parquet")))
    assert there.schema == here.schema
    assert there.equals(here)


def test_an_object_that_is_no_parquet_file_is_named(store):
    put(f"{store}/a.parquet", b"no table")
    with pytest.raises(ValueError, match=f"{store}/a.parquet is damaged or of another kind"):
        list(ParquetSource([as_path(f"{store}/a.parquet")]).chunks([]))
