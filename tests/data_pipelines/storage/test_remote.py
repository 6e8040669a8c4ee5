"""Prepared folders in stores: complete or not there, and copied only as far as they are read."""

import shutil

import numpy as np
import pytest

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.storage import remote, writing
from ctrzoo.data_pipelines.storage.remote import LocalCopy, check_target, is_complete, upload
from ctrzoo.stores import as_path
from tests.data_pipelines.small_table import SCHEMA, random_block
from tests.object_store import names, put, put_folder


@pytest.fixture
def small(write):
    return write(train=random_block(50), valid=random_block(20, 1), test=random_block(10, 2))


def test_a_folder_in_a_store_has_the_rows_of_the_local_one(small, store):
    upload(small, as_path(f"{store}/small"))
    assert names(f"{store}/small") == sorted(path.name for path in small.iterdir())
    there, here = load(f"{store}/small"), load(small)
    assert (there.fingerprint, there.num_rows, str(there.folder)) == (here.fingerprint, here.num_rows, f"{store}/small")
    for split in here.num_rows:
        (features, labels), (expected, expected_labels) = there.arrays(split), here.arrays(split)
        np.testing.assert_array_equal(features["ids"], expected["ids"])
        np.testing.assert_array_equal(features["values"], expected["values"])
        np.testing.assert_array_equal(labels, expected_labels)


def test_a_shard_is_copied_when_it_is_needed_and_once(small, store, monkeypatch):
    upload(small, as_path(f"{store}/small"))
    copied = []
    original = LocalCopy._get
    monkeypatch.setattr(LocalCopy, "_get", lambda self, name: (copied.append(name), original(self, name)))
    data = load(f"{store}/small")
    assert copied and not any("tfrecord" in name for name in copied)
    copied.clear()
    data.arrays("valid")
    assert copied == ["small-valid.tfrecord-00000-of-00001"]
    load(f"{store}/small").arrays("valid")
    assert len(copied) == 1


@pytest.mark.parametrize("failing", ["preparation.json", "schema.json", "small-train.tfrecord-00000-of-00001"])
def test_a_failed_upload_leaves_no_folder_and_the_next_one_replaces_it(failing, small, store, monkeypatch):
    target = as_path(f"{store}/small")
    original = remote._put

    def put_some(folder, target, name):
        if name == failing:
            raise ConnectionError("lost")
        return original(folder, target, name)

    monkeypatch.setattr(remote, "_put", put_some)
    with pytest.raises(ConnectionError, match="lost"):
        upload(small, target)
    assert names(target) and not is_complete(target)
    with pytest.raises(FileNotFoundError, match="has no preparation.json"):
        load(f"{store}/small")
    monkeypatch.undo()
    put(f"{store}/small/small-train.tfrecord-00007-of-00009", b"of an upload with other options")
    monkeypatch.setenv("XDG_CACHE_HOME", str(small.parent / "cache"))
    check_target(target)
    upload(small, target)
    assert names(target) == sorted(path.name for path in small.iterdir())
    load(f"{store}/small").check_shards()


def test_what_others_put_there_stays(small, store):
    put(f"{store}/small/schema.json", b"mine")
    for step in (check_target, lambda target: upload(small, target)):
        with pytest.raises(FileExistsError, match="small holds schema.json, which no upload left"):
            step(as_path(f"{store}/small"))
    assert as_path(f"{store}/small/schema.json").read_bytes() == b"mine"


def test_a_complete_folder_is_not_replaced(small, store):
    put_folder(small, f"{store}/small")
    with pytest.raises(FileExistsError, match="Another process created"):
        upload(small, as_path(f"{store}/small"))
    check_target(as_path(f"{store}/small"))  # the preparation says so itself


def test_two_uploads_to_one_place_are_noticed(small, store, monkeypatch):
    original = remote._put

    def put_twice(folder, target, name):
        result = original(folder, target, name)
        if name == "schema.json":
            put(target / name, b"of the other")
        return result

    monkeypatch.setattr(remote, "_put", put_twice)
    with pytest.raises(OSError, match="Another process writes to"):
        upload(small, as_path(f"{store}/small"))
    assert not is_complete(as_path(f"{store}/small"))


def test_a_folder_that_is_replaced_while_it_is_copied_is_noticed(small, store, write):
    put_folder(small, f"{store}/small")
    data = load(f"{store}/small")
    put_folder(write("other", train=random_block(50, 3)), f"{store}/small")
    with pytest.raises(OSError, match="small was replaced while it was copied"):
        data.arrays("train")


def test_a_new_folder_at_the_same_place_is_copied_anew(small, store, tmp_path, write):
    put_folder(small, f"{store}/small")
    first = load(f"{store}/small")
    shutil.rmtree(small)
    put_folder(write(train=random_block(70, 3)), f"{store}/small")
    second = load(f"{store}/small")
    assert (first.num_rows["train"], second.num_rows["train"]) == (50, 70)
    assert first.local_folder != second.local_folder


@pytest.mark.parametrize(
    ("shard", "message"), [(None, "00000-of-00001 is missing"), (b"short", "has 5 bytes, it was written with")]
)
def test_a_damaged_folder_is_named_before_it_is_copied(shard, message, small, store):
    put_folder(small, f"{store}/small")
    name = f"{store}/small/small-train.tfrecord-00000-of-00001"
    as_path(name).unlink() if shard is None else put(name, shard)
    with pytest.raises((FileNotFoundError, ValueError), match=message):
        load(f"{store}/small")


def test_a_copy_that_does_not_fit_on_the_disk_is_refused(small, store, monkeypatch):
    put_folder(small, f"{store}/small")
    data = load(f"{store}/small")
    monkeypatch.setattr(remote.shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(OSError, match="bytes are to be copied to .* where 1 are free. Free space, or set XDG_CACHE"):
        data.arrays("train")


def test_a_writer_of_blocks_refuses_a_store(store):
    with pytest.raises(ValueError, match="The folder of a `PreparedWriter` must be a local path"):
        writing.PreparedWriter(f"{store}/small", "small", SCHEMA)
