"""The shards of rows, by hand and against properties that a slow loop checks."""

import io

import numpy as np
import polars as pl
import pytest

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.encoding.features import Block
from ctrzoo.data_pipelines.preparation import division
from ctrzoo.data_pipelines.preparation.division import Division, joined
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from ctrzoo.data_pipelines.storage import writing
from tests.data_pipelines.small_table import random_block

TENSORS = {"label": ("uint8", (None,)), "ids": ("int32", (None, 6)), "numbers": ("float32", (None, 2))}


def test_shards_of_a_split_are_consecutive():
    divided = Division(np.array([[7, 2, 0], [6, 0, 0], [0, 3, 0]]), seed=1, shard_rows=4)
    assert divided.num_shards.tolist() == [4, 2, 0] and divided.first_shards.tolist() == [0, 4, 6, 6]
    assert [divided.split_of(shard) for shard in range(6)] == [0, 0, 0, 0, 1, 1]
    assert divided.filenames("a")[3:5] == ["a-train.tfrecord-00003-of-00004", "a-valid.tfrecord-00000-of-00002"]


def test_more_shards_than_a_row_can_name_are_refused():
    most = Division(np.array([[2**17 - 2, 2, 0]]), seed=1, shard_rows=2)
    assert most.num_shards.sum() == 2**16
    assert most.shards(0, np.array([1, 0, 1]))[[0, 2]].tolist() == [2**16 - 1, 2**16 - 1]
    with pytest.raises(ValueError, match="131,073 rows need 65,537 shards of 2 rows, but a folder has at most 65,536"):
        Division(np.array([[2**17 - 2, 3, 0]]), seed=1, shard_rows=2)


def test_other_rows_than_training_rows_stay_in_the_order_of_the_table():
    rows = np.array([[0, 3, 1], [0, 2, 6]])
    divided = Division(rows, seed=1, shard_rows=4)
    splits = [np.array([1, 2, 1, 1], np.uint8), np.array([2, 1, 2, 2, 2, 1, 2, 2], np.uint8)]
    found = [divided.shards(chunk, each).tolist() for chunk, each in enumerate(splits)]
    # Five validation rows are in the shards 0 and 1, seven test rows in 2 and 3.
    assert found == [[0, 2, 0, 0], [2, 0, 2, 2, 3, 1, 3, 3]]


def test_training_rows_spread_evenly_and_depend_on_the_seed_and_the_chunk():
    divided = Division(np.array([[30_000, 0, 0]] * 2), seed=3, shard_rows=20_000)
    first, second = (divided.shards(chunk, np.zeros(30_000, np.uint8)) for chunk in (0, 1))
    assert np.abs(np.bincount(first) - 10_000).max() < 500  # six deviations of sqrt(30,000 * 2 / 9)
    assert (first != second).any() and (first == divided.shards(0, np.zeros(30_000, np.uint8))).all()


def test_groups_are_in_one_shard():
    divided = Division(np.array([[1000, 0, 0]]), seed=3, keep_groups=True, shard_rows=100)
    groups = np.arange(1000) % 50
    shards = divided.shards(0, np.zeros(1000, np.uint8), groups)
    assert all(len(set(shards[groups == group])) == 1 for group in range(50)) and len(set(shards)) > 5


@pytest.mark.parametrize("shard", [0, 1])
def test_a_shard_holds_the_rows_of_its_parts(shard):
    import tensorflow as tf

    divided = Division(np.array([[40, 30, 0]]), seed=3)
    parts, file = [random_block(25, seed=1), random_block(15, seed=2)], io.BytesIO()
    rows, positives, *blocks = divided.write_shard(file, shard, iter(parts), TENSORS)
    expected = joined(parts)
    assert (rows, positives, blocks) == (40, int(expected.labels.sum()), [40])
    stored = file.getvalue()
    length = int(np.frombuffer(stored[:8], "<u8")[0])
    features = tf.train.Example.FromString(stored[12 : 12 + length]).features.feature
    ids = np.frombuffer(features["ids"].bytes_list.value[0], np.int32).reshape(-1, 6)
    in_order = np.array_equal(ids, expected.ids)
    assert in_order == (shard == 1)  # only training rows are shuffled
    assert sorted(map(tuple, ids)) == sorted(map(tuple, expected.ids))


def test_a_shard_that_no_group_goes_to_is_written_and_read(tmp_path, monkeypatch):
    for module in (writing, division):
        monkeypatch.setattr(module, "BLOCK_ROWS", 4)
    monkeypatch.setattr(division, "SHARD_BLOCKS", 1)
    rows = [(row % 2, row, f"u{row % 3}") for row in range(60)]
    pl.DataFrame(rows, schema=["click", "row", "user"], orient="row").write_csv(tmp_path / "rows.csv")
    schema = {"label": "click", "fields": ["user"], "group": "user", "keep_groups": True, "id": "row"}
    prepare_own_table(
        tmp_path / "rows", "rows", tmp_path / "rows.csv", {**schema, "split": {"train": 1, "valid": 0, "test": 0}}
    )
    data = load(tmp_path / "rows")
    assert len(list((tmp_path / "rows").glob("*.tfrecord-*"))) == 15  # for three users
    assert sorted(map(int, data.column("train", "id"))) == list(range(60))
    batches = data.dataset("train", 8, by_group=True, columns=("id",))
    assert sorted(int(row) for *_, columns in batches for row in columns["id"].numpy()) == list(range(60))


def test_blocks_are_joined_with_their_columns():
    block = Block(np.array([[1], [2]]), np.zeros((2, 1)), np.array([0, 1]), {"id": np.array([b"a", b"bb"])})
    both = joined([block, block.rows(np.array([1]))])
    assert both.columns["id"].tolist() == [b"a", b"bb", b"bb"] and both.labels.tolist() == [0, 1, 1]
