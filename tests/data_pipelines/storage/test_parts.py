"""Parts of a split, of which each host reads its own: their files, their rows, and the batches that they make."""

import numpy as np
import pytest

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.storage.parts import divided_shards, row_range, seed_of_part
from tests.data_pipelines.small_table import write_small_files
from tests.data_pipelines.storage.batches import assert_same_batches, batches_of, rows_and_labels

ROWS, FILES = 1_100, 10  # files of 112 rows in blocks of 16; the last one has 92. Two parts divide files, three rows


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts") / "small"
    write_small_files(folder, train=ROWS, valid=100, test=100)
    return load(folder)


def test_files_go_to_the_smallest_part_largest_first():
    sizes = {"a": 40, "b": 40, "c": 40, "d": 40, "e": 40, "f": 20, "g": 20}
    # e is the fifth of equal files, so it goes to the first part, and f and g to the second.
    assert divided_shards(sizes, 2) == [("a", "c", "e"), ("b", "d", "f", "g")]
    assert divided_shards({"a": 1, "b": 1}, 3) is None
    assert divided_shards({"a": 110, "b": 90}, 2) == [("a",), ("b",)]
    assert divided_shards({"a": 111, "b": 89}, 2) is None


def test_row_ranges_cover_all_rows():
    ranges = [row_range(103, 4, part) for part in range(4)]
    assert np.concatenate([np.arange(*each) for each in ranges]).tolist() == list(range(103))
    assert {stop - start for start, stop in ranges} == {25, 26}


def test_seeds_differ():
    assert len({seed_of_part(seed, part) for seed in range(3) for part in range(3)}) == 9


@pytest.mark.parametrize(  # valid has one file
    ("split", "num_parts", "cache"), [("train", 2, False), ("train", 3, True), ("valid", 2, False), ("train", 2, True)]
)
def test_each_batch_consists_of_the_batches_of_its_parts(data, split, num_parts, cache):
    batch, options = 30, {"num_parts": num_parts, "shuffle": True, "seed": 4, "cache": cache}
    whole = batches_of(data.dataset(split, batch, **options))
    parts = [batches_of(data.dataset(split, batch, parts=[part], **options)) for part in range(num_parts)]
    assert len(whole) == max(map(len, parts))
    for step, found in enumerate(whole):
        expected = [batches[step] for batches in parts if step < len(batches)]
        np.testing.assert_array_equal(found, np.concatenate(expected))
    rows = data.part_rows(split, num_parts)
    assert [sum(map(len, batches)) for batches in parts] == rows
    assert sum(rows) == data.num_rows[split]
    assert data.divides_files(split, num_parts) == (split == "train" and num_parts == 2)


@pytest.mark.parametrize("shuffle", [False, True])
def test_every_row_comes_once_per_epoch_in_another_order(data, shuffle):
    dataset = data.dataset("train", 64, num_parts=2, shuffle=shuffle)
    stored, _ = rows_and_labels(data.dataset("train", 64, shuffle=False))
    epochs = [rows_and_labels(dataset)[0] for _ in range(2)]
    for rows in epochs:
        np.testing.assert_array_equal(np.sort(rows), np.sort(stored))
    assert np.array_equal(*epochs) != shuffle


def test_a_part_opens_only_its_own_files(data):
    fresh = load(data.folder)
    rows, _ = rows_and_labels(fresh.dataset("train", 64, num_parts=2, parts=[1], shuffle=False))
    opened = {path for index in fresh._indices.values() for path in index.paths.tolist()}
    stored, _ = rows_and_labels(data.dataset("train", 64, shuffle=False))
    files = sorted(path.name for path in data.folder.glob("*train*"))
    assert len(files) == FILES and len(opened) == 5
    own = np.concatenate(
        [stored[112 * files.index(path) :][:112] for path in files if str(data.folder / path) in opened]
    )
    np.testing.assert_array_equal(rows, own)


@pytest.mark.parametrize(("parts", "cache"), [([0], False), ([1, 2], True)])
def test_a_run_goes_on_from_any_batch(data, parts, cache):
    options = {"num_parts": 3, "parts": parts, "seed": 3, "repeat": True, "cache": cache}
    whole = batches_of(data.dataset("train", 90, **options), 26)
    # 366 or 367 rows, 30 at a time, are 13 batches per epoch.
    for passed in (7, 12, 16):
        start_epoch, skip_batches = divmod(passed, 13)
        rest = data.dataset("train", 90, start_epoch=start_epoch, skip_batches=skip_batches, **options)
        assert_same_batches(batches_of(rest, 2), whole[passed : passed + 2])


def test_a_host_whose_rows_have_ended_has_no_more_batches(data):
    assert batches_of(data.dataset("train", 90, num_parts=3, parts=[2], skip_batches=13)) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_parts": 3}, "must be a multiple of the 3 parts. Received: 64"),
        ({"num_parts": 2, "drop_remainder": True}, "Leave out `drop_remainder`"),
        ({"num_parts": 2, "num_shards": 2}, "Leave out `drop_remainder` and `num_shards`"),
    ],
)
def test_wrong_arguments_are_refused(data, arguments, message):
    with pytest.raises(ValueError, match=message):
        data.dataset("train", 64, **arguments)


def test_a_start_after_the_last_batch_is_refused(data):
    with pytest.raises(ValueError, match="less than the 28 batches"):
        data.dataset("train", 40, num_parts=2, skip_batches=28)
