"""Hosts that exchange the rows of their parts get the batches of a process that reads all parts."""

import threading
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from ctrzoo.data_pipelines import load
from ctrzoo.training.exchange import Reading
from ctrzoo.training.hosts import Hosts
from tests.ctrzoo.training.replicas import SCHEMA as OTHER
from tests.data_pipelines.small_table import write_small_files
from tests.small_data import SmallData


class Thread(Hosts):
    """A host that is a thread of this process."""

    def __init__(self, index, barrier, board):
        self.index, self.number, self._barrier, self._board = index, barrier.parties, barrier, board

    def gather(self, array):
        self._barrier.wait(60)
        self._board[self.index] = array.copy()
        self._barrier.wait(60)
        return np.stack(self._board)


def on_hosts(number, function):
    """Return what a function of a host returns on each of several."""
    barrier, board = threading.Barrier(number), [None] * number
    found: list[Any] = [None] * number

    def run(index):
        found[index] = function(Thread(index, barrier, board))

    threads = [threading.Thread(target=run, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exchange") / "small"
    write_small_files(
        folder, train=1080, valid=50
    )  # train: 5 files of 112 rows, and 4 with one of 72: 560 and 520 rows
    return folder


def as_arrays(batches):
    return [[np.asarray(column) for column in tf.nest.flatten(batch)] for batch in batches]


@pytest.mark.parametrize(("number", "num_parts"), [(2, 2), (2, 4)])
@pytest.mark.parametrize("skipped", [0, 24])
def test_hosts_get_the_batches_of_one_process(folder, number, num_parts, skipped):
    arguments = {"shuffle": True, "seed": 2, "start_epoch": 1, "skip_batches": skipped}
    whole = load(folder).dataset("train", 40, num_parts=num_parts, **arguments)
    expected = as_arrays(whole)
    for split in ("train", "valid"):
        assert load(folder).divides_files(split, 2) == (split == "train")
    for found in on_hosts(
        number, lambda host: as_arrays(Reading(load(folder), host, num_parts).batches("train", 40, **arguments))
    ):
        # 560 rows, 20 at a time, are 28 batches; the last two have rows of the first part only.
        assert len(found) == len(expected) == (28 if num_parts == 2 else 27) - skipped
        for batch, columns in zip(found, expected, strict=True):
            for column, other in zip(batch, columns, strict=True):
                assert column.dtype == other.dtype
                np.testing.assert_array_equal(column, other)


def test_an_evaluation_has_every_row_once(folder):
    (first, second) = on_hosts(2, lambda host: as_arrays(Reading(load(folder), host).batches("valid", 16)))
    assert first and second
    for found, other in zip(first, second, strict=True):
        for column, same in zip(found, other, strict=True):
            np.testing.assert_array_equal(column, same)
    prices = np.concatenate([values[:, 3] for _, values, _ in first])
    stored = np.concatenate([features["values"][:, 3] for features, _ in load(folder).dataset("valid", 16)])
    np.testing.assert_array_equal(np.sort(prices), np.sort(stored))


def test_the_first_batches_of_each_part(folder):
    found = as_arrays(Reading(load(folder), Hosts(), 2).batches("train", 40, most=3, shuffle=False))
    assert [len(batch[0]) for batch in found] == [40, 40, 40]


def test_other_data_are_read_whole_by_every_host():
    data = SmallData(OTHER, num_rows=64)
    reading = Reading(data, Thread(1, threading.Barrier(2), [None, None]))
    assert reading.num_parts == 1 and reading.notes() == [] and reading.num_steps("train", 48) == 2
    assert [len(labels) for _, labels in reading.batches("train", 48)] == [48, 16]


def test_what_cannot_be_divided_is_refused(folder):
    host = Thread(0, threading.Barrier(2), [None, None])
    with pytest.raises(ValueError, match="Set data_parts to a multiple of 2. Received: 3."):
        Reading(load(folder), host, 3)
    with pytest.raises(ValueError, match="needs data of a prepared folder. Received: SmallData"):
        Reading(SmallData(OTHER, num_rows=64), Hosts(), 2)
    (note,) = [note for note in Reading(load(folder), host).notes() if "valid" in note]
    assert note.startswith("The valid split has too few files for 2 equal parts")
