"""What shuffles rows while they are written; `test_reading` has the epochs."""

import numpy as np

from ctrzoo.data_pipelines.storage.shuffling import Shuffler, order_within_shard, random_shards


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
