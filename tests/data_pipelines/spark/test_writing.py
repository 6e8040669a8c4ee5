"""Shards that a task writes, without Spark."""

import json
import pathlib
import typing

import numpy as np
import pyarrow as pa
import pytest

from ctrzoo.data_pipelines.encoding.features import Block
from ctrzoo.data_pipelines.encoding.fields import FieldEncoding, TableEncoding
from ctrzoo.data_pipelines.preparation.table import table_plan
from ctrzoo.data_pipelines.spark.partitions import PartitionReader
from ctrzoo.data_pipelines.spark.writing import ShardWriter, collect_shards, counts_of, random_order
from ctrzoo.data_pipelines.storage.writing import write_metadata
from tests.data_pipelines.small_table import stored_block

SCHEMA = {
    "label": "click",
    "split": {"column": "fold"},
    "fields": ["site", {"name": "age", "kind": "numerical"}],
}
ROWS = 12
TABLE = pa.table(
    {
        "click": [row % 2 for row in range(ROWS)],
        "fold": ["train", "train", "test"] * 4,
        "site": ["a", "b", "a", None] * 3,
        "age": [float(row) for row in range(ROWS)],
    }
)


class Received(typing.NamedTuple):
    """What a Python worker received, in the place of Spark's `Broadcast`."""

    value: TableEncoding


def writer(folder, schema=SCHEMA, table=TABLE):
    plan = table_plan(schema, table.column_names)
    site = FieldEncoding("site", values=["b"], counts=[3], min_count=2, type="text")
    encoding = TableEncoding([site, FieldEncoding("age", "numerical")], roles=plan.roles)
    return ShardWriter(PartitionReader(plan), Received(encoding), folder, seed=1)


def written(folder, table=TABLE, schema=SCHEMA):
    return pa.Table.from_batches(list(writer(folder, schema, table).write(table.to_batches())))


def test_each_attempt_writes_whole_files_of_its_own_with_the_same_bytes(tmp_path):
    turned = TABLE.take(list(range(ROWS))[::-1])  # as Spark may deliver the rows the second time
    first, second = written(tmp_path), written(tmp_path, turned)
    names = [path.name for path in tmp_path.iterdir()]
    assert sorted(names) == sorted(first["file"].to_pylist() + second["file"].to_pylist())
    for one, other in zip(first["file"].to_pylist(), second["file"].to_pylist(), strict=True):
        assert one != other and (tmp_path / one).read_bytes() == (tmp_path / other).read_bytes()


def test_only_the_files_that_are_listed_are_taken(tmp_path):
    source, target = tmp_path / "rows", tmp_path / "prepared"
    source.mkdir()
    target.mkdir()
    written(source)  # an attempt that was lost
    table = written(source)
    splits = collect_shards(table, source, target, "clicks")
    assert {name: (split.rows, split.positives) for name, split in splits.items()} == {"train": (8, 4), "test": (4, 2)}
    assert sorted(path.name for path in target.iterdir()) == [
        "clicks-test.tfrecord-00000-of-00001",
        "clicks-train.tfrecord-00000-of-00001",
    ]
    encoding = writer(source).sent.value
    write_metadata(target, "clicks", encoding.schema, splits, {}, encoding)
    block = stored_block(target)
    order = np.argsort(block.numerical[:, 0])
    assert block.numerical[order, 0].tolist() == list(range(ROWS))
    assert block.ids[order, 0].tolist() == [1, 2, 1, 0] * 3  # a is rare, b has an id, and the fourth is missing
    assert block.labels[order].tolist() == [0, 1] * 6
    # Missing, rows, rare, unseen, values, cut: of site in the splits train and test.
    assert counts_of(table)[0].tolist() == [[2, 8, 4, 0, 8, 0], [0] * 6, [1, 4, 2, 0, 4, 0]]


def test_a_file_that_is_elsewhere_is_said(tmp_path):
    table = written(tmp_path)
    with pytest.raises(FileNotFoundError, match="is not on the driver. Choose a folder that"):
        collect_shards(table, tmp_path / "elsewhere", tmp_path, "clicks")


def test_groups_stay_together(tmp_path):
    groups = {**SCHEMA, "group": "user", "keep_groups": True}
    table = TABLE.append_column("user", pa.array([f"u{row % 5}" for row in range(ROWS)]))
    found = written(tmp_path, table, groups).to_pylist()[0]
    import tensorflow as tf

    (record,) = tf.data.TFRecordDataset(str(tmp_path / found["file"])).as_numpy_iterator()
    features = tf.train.Example.FromString(record).features.feature
    stored = np.frombuffer(features["group"].bytes_list.value[0], np.int64)
    assert len(np.flatnonzero(np.diff(stored))) + 1 == len(set(stored)) == 5
    assert json.loads(found["blocks"]) == [8]


def test_nothing_is_written_for_an_empty_partition(tmp_path):
    assert list(writer(tmp_path).write([])) == [] and list(tmp_path.iterdir()) == []


def test_an_error_leaves_no_part_of_a_file(tmp_path, monkeypatch):
    def fail(file, *others):
        pathlib.Path(file.name).stat()  # it is there
        file.write(b"a part")
        raise OSError("the disk is gone")

    monkeypatch.setattr("ctrzoo.data_pipelines.spark.writing.write_blocks", fail)
    with pytest.raises(OSError, match="disk is gone"):
        written(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_order_depends_on_every_column():
    ids = np.zeros((2000, 1), np.int32)
    numbers, labels = np.zeros((2000, 1), np.float32), np.zeros(2000, np.uint8)
    for name in ("ids", "numbers", "label", "id", "weight"):
        columns = {"id": np.full(2000, b"a"), "weight": np.ones(2000, np.float32)}
        chosen = {"ids": ids.copy(), "numbers": numbers.copy(), "label": labels.astype(np.int64), **columns}
        chosen[name] = np.array([str(row) for row in range(2000)], "S") if name == "id" else np.arange(2000)
        if name in ("ids", "numbers"):
            chosen[name] = chosen[name].reshape(2000, 1).astype(np.float32 if name == "numbers" else np.int32)
        block = Block(chosen["ids"], chosen["numbers"], chosen["label"], {key: chosen[key] for key in columns})
        order = random_order(block, 0)
        assert sorted(order.tolist()) == list(range(2000))
        # Of random orders, this correlation has a deviation of 1 / sqrt(2000), 0.022.
        assert abs(np.corrcoef(order, np.arange(2000))[0, 1]) < 0.1
