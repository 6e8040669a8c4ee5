"""What is counted in a partition, without Spark; fields are fitted to it in `test_preparing.py`."""

import json

import numpy as np
import pyarrow as pa
import pytest

from ctrzoo.data_pipelines.encoding.fields import FieldEncoding
from ctrzoo.data_pipelines.encoding.transforms import SAMPLE_ROWS
from ctrzoo.data_pipelines.preparation.plan import TablePlan
from ctrzoo.data_pipelines.preparation.splits import Folds
from ctrzoo.data_pipelines.preparation.table import table_plan
from ctrzoo.data_pipelines.spark.counting import _Sample, _type, count_cells, count_crosses, write_alike
from ctrzoo.data_pipelines.spark.partitions import PartitionReader

SCHEMA = {
    "label": "click",
    "split": {"column": "fold"},
    "fields": [
        "site",
        {"name": "age", "kind": "numerical", "transform": "standard"},
        {"name": "bucket", "column": "age", "transform": "quantile"},
        {"name": "tags", "kind": "multivalued"},
        {"name": "both", "cross": ["site", "bucket"]},
    ],
}
TABLE = pa.table(
    {
        "click": [0, 1, 1, 0],
        "fold": ["train", "train", "train", "test"],
        "site": ["8", "8.0", None, "x"],
        "age": [1.0, 3.0, None, 100.0],
        "tags": [["a", "b"], [], ["b"], ["c"]],
    }
)


def counted():
    reader = PartitionReader(table_plan(SCHEMA, TABLE.column_names))
    return pa.Table.from_batches(list(count_cells(reader, TABLE.to_batches()))).to_pylist()


def test_texts_are_counted_in_the_rows_of_the_fit():
    texts = {(row["field"], row["text"]): row["count"] for row in counted() if row["kind"] == "text"}
    assert texts == {(0, "8"): 1, (0, "8.0"): 1, (0, None): 1, (3, "a"): 1, (3, "b"): 2}


def test_numbers_and_lengths():
    rows = counted()
    assert sorted(row["number"] for row in rows if row["kind"] == "number" and row["field"] == 2) == [1, 3]
    lengths = {row["number"]: row["count"] for row in rows if row["kind"] == "length"}
    assert lengths == {0: 1, 1: 2, 2: 1}  # of all rows
    (stats,) = [json.loads(row["text"]) for row in rows if row["kind"] == "stats"]
    assert stats["moments"] == {"1": [2, 2.0, 2.0, 1.0, 3.0]}  # rows, mean, squared deviations, lowest, highest
    assert stats["rows"] == 4 and stats["splits"] == [3, 0, 1] and stats["place"] == [0, 0]
    assert {row["chunk"] for row in rows if row["kind"] != "number"} == {0}
    assert stats["types"][0] == ["text"]  # x, though it is in the test rows


def test_the_columns_of_a_history_have_the_slots_of_the_longest_one():
    fields = [{"name": "seen", "kind": "sequence"}, {"name": "kinds", "kind": "sequence", "events": "seen"}]
    table = pa.table({"click": [0, 1, 1], "seen": [["a", "b"], ["c"], []], "kinds": [["x", "y"], None, ["z"]]})
    reader = PartitionReader(
        table_plan({"label": "click", "split": {"hash": "click"}, "fields": fields}, table.column_names)
    )
    rows = pa.Table.from_batches(list(count_cells(reader, table.to_batches()))).to_pylist()
    for index in range(2):
        lengths = {row["number"]: row["count"] for row in rows if row["kind"] == "length" and row["field"] == index}
        assert lengths == {1: 2, 2: 1}


def test_labels_are_kept_for_a_split_that_needs_all():
    reader = PartitionReader(TablePlan([FieldEncoding("site")], "click", Folds(), "all"))
    rows = pa.Table.from_batches(list(count_cells(reader, TABLE.to_batches()))).to_pylist()
    assert [list(row["labels"]) for row in rows if row["kind"] == "labels"] == [[0, 1, 1, 0]]


def test_a_type_must_fit_all_parts():
    stats = [{"types": [["integer", "decimal", "text"], None]}, {"types": [["decimal", "text"], None]}]
    assert _type(stats, [0]) == "decimal"
    assert _type([{"types": [["boolean", "integer", "decimal", "time", "text"]]}], [0]) == "text"  # no cell at all


def test_values_are_written_alike_with_the_owner_of_their_ids():
    fields = [FieldEncoding("a", type="integer"), FieldEncoding("b", type="integer", share="a")]
    counts = {"field": pa.array([0, 1, 1], pa.int32()), "text": ["8", "8.0", None], "count": [2, 3, 5]}
    rows = [row for batch in write_alike(fields, [0, 0], [pa.record_batch(counts)]) for row in batch.to_pylist()]
    assert rows == [{"field": 0, "text": "8", "count": 2}, {"field": 0, "text": "8", "count": 3}]


def test_crosses_are_counted_when_their_parts_are_fitted():
    plan = table_plan(SCHEMA, TABLE.column_names)
    fields = [*plan.fields]
    fields[0] = FieldEncoding("site", type="text")
    fields[2] = FieldEncoding("bucket", column="age", transform="quantile", boundaries=(2.0,))
    batches = count_crosses(PartitionReader(plan), fields, TABLE.to_batches())
    rows = {(row["field"], row["text"]): row["count"] for batch in batches for row in batch.to_pylist()}
    assert rows == {(4, "8 & 1"): 1, (4, "8.0 & 2"): 1}


@pytest.mark.parametrize("parts", [1, 3])
def test_a_sample_keeps_the_smallest_keys(parts):
    sample = _Sample(0)
    numbers = np.arange(SAMPLE_ROWS + 1000.0)
    for part in np.array_split(numbers, parts):
        sample.add(part)
    keys = np.random.default_rng((0, 0)).random(len(numbers))  # drawn one after the other
    expected = np.sort(numbers[np.argsort(keys)[:SAMPLE_ROWS]])
    np.testing.assert_array_equal(np.sort(sample.numbers), expected)
