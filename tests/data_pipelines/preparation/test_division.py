"""The shards of rows, by hand and against properties that a slow loop checks."""

import io

import numpy as np
import pytest

from ctrzoo.data_pipelines.encoding.features import Block
from ctrzoo.data_pipelines.preparation.division import Division, joined
from tests.data_pipelines.small_table import random_block

TENSORS = {"label": ("uint8", (None,)), "ids": ("int32", (None, 6)), "numbers": ("float32", (None, 2))}


def test_shards_of_a_split_are_consecutive():
    division = Division(np.array([[7, 2, 0], [6, 0, 0], [0, 3, 0]]), seed=1, shard_rows=4)
    assert division.num_shards.tolist() == [4, 2, 0] and division.first_shards.tolist() == [0, 4, 6, 6]
    assert [division.split_of(shard) for shard in range(6)] == [0, 0, 0, 0, 1, 1]
    assert division.filenames("a")[3:5] == ["a-train.tfrecord-00003-of-00004", "a-valid.tfrecord-00000-of-00002"]


def test_other_rows_than_training_rows_stay_in_the_order_of_the_table():
    rows = np.array([[0, 3, 1], [0, 2, 6]])
    division = Division(rows, seed=1, shard_rows=4)
    splits = [np.array([1, 2, 1, 1], np.uint8), np.array([2, 1, 2, 2, 2, 1, 2, 2], np.uint8)]
    found = [division.shards(chunk, each).tolist() for chunk, each in enumerate(splits)]
    # Five validation rows are in the shards 0 and 1, seven test rows in 2 and 3.
    assert found == [[0, 2, 0, 0], [2, 0, 2, 2, 3, 1, 3, 3]]


def test_training_rows_spread_evenly_and_depend_on_the_seed_and_the_chunk():
    division = Division(np.array([[30_000, 0, 0]] * 2), seed=3, shard_rows=20_000)
    first, second = (division.shards(chunk, np.zeros(30_000, np.uint8)) for chunk in (0, 1))
    assert np.abs(np.bincount(first) - 10_000).max() < 500  # six deviations of sqrt(30,000 * 2 / 9)
    assert (first != second).any() and (first == division.shards(0, np.zeros(30_000, np.uint8))).all()


def test_groups_are_in_one_shard():
    division = Division(np.array([[1000, 0, 0]]), seed=3, keep_groups=True, shard_rows=100)
    groups = np.arange(1000) % 50
    shards = division.shards(0, np.zeros(1000, np.uint8), groups)
    assert all(len(set(shards[groups == group])) == 1 for group in range(50)) and len(set(shards)) > 5


@pytest.mark.parametrize("shard", [0, 1])
def test_a_shard_holds_the_rows_of_its_parts(shard):
    import tensorflow as tf

    division = Division(np.array([[40, 30, 0]]), seed=3)
    parts, file = [random_block(25, seed=1), random_block(15, seed=2)], io.BytesIO()
    rows, positives, *blocks = division.write_shard(file, shard, iter(parts), TENSORS)
    expected = joined(parts)
    assert (rows, positives, blocks) == (40, int(expected.labels.sum()), [40])
    stored = file.getvalue()
    length = int(np.frombuffer(stored[:8], "<u8")[0])
    features = tf.train.Example.FromString(stored[12 : 12 + length]).features.feature
    ids = np.frombuffer(features["ids"].bytes_list.value[0], np.int32).reshape(-1, 6)
    in_order = np.array_equal(ids, expected.ids)
    assert in_order == (shard == 1)  # only training rows are shuffled
    assert sorted(map(tuple, ids)) == sorted(map(tuple, expected.ids))


def test_blocks_are_joined_with_their_columns():
    block = Block(np.array([[1], [2]]), np.zeros((2, 1)), np.array([0, 1]), {"id": np.array([b"a", b"bb"])})
    both = joined([block, block.rows(np.array([1]))])
    assert both.columns["id"].tolist() == [b"a", b"bb", b"bb"] and both.labels.tolist() == [0, 1, 1]
