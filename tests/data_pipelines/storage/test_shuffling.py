"""What shuffles rows, on disk and in each epoch."""

import numpy as np

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.storage.shuffling import Shuffler, order_within_shard, random_shards
from tests.data_pipelines.small_table import random_block
from tests.data_pipelines.storage.batches import ROWS, rows_and_labels


def shuffled(folder, rows, seed, part):
    folder.mkdir()
    shuffler = Shuffler(folder, rows.dtype, seed)
    for start in range(0, len(rows), part):
        shuffler.add(rows[start : start + part])
    found = np.concatenate(list(shuffler.drain()))
    assert list(folder.iterdir()) == []
    return found


def test_the_shuffler_returns_every_row_once_in_an_order_by_the_seed(tmp_path):
    rows = np.array([(row, row % 2) for row in range(5000)], [("row", "<i4"), ("label", "u1")])
    first = shuffled(tmp_path / "first", rows, 0, 700)
    np.testing.assert_array_equal(np.sort(first, order="row"), rows)
    np.testing.assert_array_equal(shuffled(tmp_path / "again", rows, 0, 700), first)
    assert (shuffled(tmp_path / "other", rows, 1, 700) != first).any()
    assert abs(np.corrcoef(first["row"], np.arange(5000))[0, 1]) < 0.1


def test_training_rows_go_to_all_shards_alike_and_each_shard_has_its_own_order():
    shards = random_shards(30_000, 3, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(shards), 10_000, rtol=0.05)
    orders = [order_within_shard(100, seed=0, shard=shard) for shard in (0, 1)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(100))
    assert (orders[0] != orders[1]).any()


def test_every_row_comes_once_a_pass_in_another_order(data):
    dataset = data.dataset("train", 512)
    passes = [rows_and_labels(dataset)[0] for _ in range(2)]
    for rows in passes:
        np.testing.assert_array_equal(np.sort(rows), np.arange(ROWS))
    assert (passes[0] == passes[1]).mean() < 0.01


def test_the_seed_gives_the_orders(data):
    first, again = data.dataset("train", 512, seed=3), data.dataset("train", 512, seed=3)
    for _ in range(2):
        np.testing.assert_array_equal(rows_and_labels(first)[0], rows_and_labels(again)[0])
    other = data.dataset("train", 512, seed=4)
    assert (rows_and_labels(data.dataset("train", 512, seed=3))[0] == rows_and_labels(other)[0]).mean() < 0.01


def test_rows_travel_far(data):
    _, labels = rows_and_labels(data.dataset("train", 512))
    assert abs(np.corrcoef(labels[1:], labels[:-1])[0, 1]) < 0.02
    means = labels[: ROWS // 1000 * 1000].reshape(-1, 1000).mean(axis=1)
    assert means.std() < 1.5 * np.sqrt(0.25 / 1000)


def test_reading_alone_mixes_rows_that_lie_sorted(write):
    # 70,000 rows are 18 blocks: 16 of them, from the whole split, are permuted together.
    block = random_block(ROWS)._replace(labels=np.arange(ROWS) >= ROWS // 2)
    folder = write(train=random_block(10), valid=block)
    rows, labels = rows_and_labels(load(folder).dataset("valid", 512, shuffle=True))
    assert abs(np.corrcoef(labels[1:], labels[:-1])[0, 1]) < 0.1
    # A row of a perfectly shuffled table is a third of the table away from its place.
    np.testing.assert_allclose(np.abs(rows - np.arange(ROWS)).mean() / ROWS, 1 / 3, atol=0.05)
