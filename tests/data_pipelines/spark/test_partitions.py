"""Rows of a partition as compact chunks, without Spark."""

import pyarrow as pa
import pytest

from ctrzoo.data_pipelines.preparation.table import table_plan
from ctrzoo.data_pipelines.spark.partitions import PartitionReader, gathered

SCHEMA = {"label": "click", "fields": ["site"], "split": {"column": "fold"}}
TABLE = pa.table({"other": [9, 9, 9], "site": ["a", "b", "a"], "fold": ["train"] * 3, "click": [0, 1, 1]})


def reader(bad_rows="error"):
    return PartitionReader(table_plan(SCHEMA, TABLE.column_names), bad_rows)


def test_batches_are_gathered_by_rows_or_bytes():
    batch = pa.record_batch({"a": pa.array([1, 2], pa.int64())})
    assert [len(table) for table in gathered([batch] * 5, rows=3)] == [4, 4, 2]
    assert [len(table) for table in gathered([batch] * 3, size=1)] == [2, 2, 2]
    assert list(gathered([])) == [] and list(gathered([batch.slice(0, 0)])) == []


def test_a_partition_becomes_chunks_of_the_columns_that_are_needed():
    chunk, *others = reader().chunks(TABLE.to_batches(max_chunksize=2))
    texts, counts = chunk.dictionary(0)
    assert not others and dict(zip(texts.to_list(), counts.tolist(), strict=True)) == {"a": 2, "b": 1}
    assert chunk.content["label"].tolist() == [0, 1, 1] and chunk.stats["splits"] == [3, 0, 0]


def test_a_row_that_cannot_be_used_is_named_by_its_partition_or_skipped():
    wrong = TABLE.set_column(3, "click", pa.array([0, 7, 1])).to_batches()
    with pytest.raises(ValueError, match="partition 0 of the table, row 2: .*click"):
        list(reader().chunks(wrong))
    (chunk,) = reader("skip").chunks(wrong)
    assert chunk.stats["rows"] == 2 and chunk.stats["bad"] == 1 and chunk.content["label"].tolist() == [0, 1]
