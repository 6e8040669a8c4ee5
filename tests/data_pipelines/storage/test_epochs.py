"""Which rows come when: any batch is a place to start, and shards share an epoch."""

import numpy as np
import pytest
import tensorflow as tf

from ctrzoo.data_pipelines.storage.epochs import ShardPlan
from tests.data_pipelines.storage.batches import assert_same_batches, batches_of, rows_and_labels


# A pass has 7 batches; chunks of 65,536 rows end within batch 6.
@pytest.mark.parametrize(
    ("start_epoch", "skip_batches", "batch_size", "options"),
    [
        (0, 3, 10_500, {}),
        (1, 6, 10_500, {}),
        (2, 0, 11_000, {"drop_remainder": True}),
        (0, 6, 5_250, {"num_shards": 2, "shard_index": 1}),
    ],
)
def test_a_run_goes_on_from_any_batch_as_if_it_had_not_stopped(data, start_epoch, skip_batches, batch_size, options):
    whole = data.dataset("train", batch_size, seed=5, repeat=True, **options)
    per_pass = 6 if options.get("drop_remainder") else 7
    position = {"start_epoch": start_epoch, "skip_batches": skip_batches}
    tf.random.set_seed(99)
    rest = data.dataset("train", batch_size, seed=5, repeat=True, **position, **options)
    passed = start_epoch * per_pass + skip_batches
    assert_same_batches(batches_of(rest, 3), batches_of(whole, passed + 3)[passed:])


def test_an_endless_iteration_is_the_passes_one_after_another(data):
    endless = data.dataset("train", 10_500, repeat=True)
    single = data.dataset("train", 10_500)
    expected = [batch for _ in range(2) for batch in batches_of(single)]
    for _ in range(2):
        assert_same_batches(batches_of(endless, 14), expected)


def test_the_first_iteration_may_start_in_the_middle_of_a_pass(data):
    whole = data.dataset("train", 10_500)
    expected = [batch for _ in range(3) for batch in batches_of(whole)]
    rest = data.dataset("train", 10_500, start_epoch=1, skip_batches=4)
    assert_same_batches(batches_of(rest), expected[11:14])
    assert_same_batches(batches_of(rest), expected[14:])


def test_stored_order_starts_at_any_batch_too(data):
    rows, _ = rows_and_labels(data.dataset("valid", 64, skip_batches=5))
    np.testing.assert_array_equal(rows, np.arange(5 * 64, 1000))


# 1000 rows are 250 for each of 4 shards; each of 3 has 333 = 3 * 111, and one of them a row more.
@pytest.mark.parametrize(
    ("shuffle", "drop_remainder", "batch_size", "num_shards"),
    [(False, False, 111, 3), (True, False, 111, 3), (True, True, 111, 3), (True, False, 60, 4)],
)
def test_shards_share_each_pass(data, shuffle, drop_remainder, batch_size, num_shards):
    options = {"shuffle": shuffle, "drop_remainder": drop_remainder, "num_shards": num_shards}
    shards = [data.dataset("valid", batch_size, shard_index=index, **options) for index in range(num_shards)]
    for _ in range(2):
        batches = [batches_of(shard) for shard in shards]
        assert {len(shard) for shard in batches} == {len(shards[0])}
        rows = np.sort(np.concatenate([batch[:, 8 + 3] for shard in batches for batch in shard]))
        if drop_remainder:
            assert len(set(rows)) == len(rows) == len(shards[0]) * batch_size * num_shards
        else:
            np.testing.assert_array_equal(rows, np.arange(1000))


def test_shards_of_which_one_has_a_row_more_have_equally_many_batches():
    # 13 rows in 3 shards: 4, 4 and 5. The third needs 3 batches of 2, the others cut their second into two.
    sizes = [ShardPlan(13, 2, num_shards=3, shard_index=index).batch_sizes.tolist() for index in range(3)]
    assert sizes == [[2, 1, 1], [2, 1, 1], [2, 2, 1]]
