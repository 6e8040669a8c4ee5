"""A flipped bit anywhere in a prepared folder is found, or changes nothing."""

import os
import random
import shutil
from unittest import mock

import numpy as np
import pytest

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.preparation.report import draw_fields
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from ctrzoo.data_pipelines.storage.checksums import check_checksums, write_checksums
from tests.data_pipelines.clicks_table import SCHEMA, TEXT
from tests.data_pipelines.small_table import random_block

FLIPS = int(os.environ.get("CTRZOO_FUZZ", 60))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    (folder / "clicks.csv").write_text(TEXT)
    with mock.patch("ctrzoo.data_pipelines.preparation.report.draw_fields", draw_fields):
        prepare_own_table(folder / "clicks", "clicks", folder / "clicks.csv", SCHEMA)
    return folder / "clicks"


def content(folder):
    """Everything that a prepared folder gives its user."""
    data = load(folder)
    assert data.encoding is not None
    rows = {split: data.arrays(split) for split in data.num_rows}
    arrays = [array for features, labels in rows.values() for array in (*features.values(), labels)]
    return [
        data.fingerprint,
        data.name,
        data.options,
        data.schema.to_dict(),
        data.encoding.to_dict(),
        data.num_rows,
    ], arrays


def test_a_folder_of_every_small_file(whole):
    names = {path.name for path in whole.iterdir() if ".tfrecord-" not in path.name}
    small = {"preparation.json", "schema.json", "encoding.json", "vocabulary.parquet", "dataset_info.json"}
    assert names == small | {"features.json", "report.json", "report.html", "fields.png", "checksums.json"}


FILES = ["preparation.json", "schema.json", "encoding.json", "vocabulary.parquet", "checksums.json", "report.json"]


@pytest.mark.parametrize("pattern", [*FILES, "features.json", "dataset_info.json", "*train.tfrecord*"])
def test_each_flipped_bit_is_refused_in_one_line_or_changes_nothing(whole, tmp_path, pattern):
    expected, arrays = content(whole)
    folder = tmp_path / "clicks"
    shutil.copytree(whole, folder)
    (path,) = folder.glob(pattern)
    original = path.read_bytes()
    source = random.Random(pattern)
    for bit in source.sample(range(8 * len(original)), min(FLIPS, 8 * len(original))):
        flipped = bytearray(original)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            found, rows = content(folder)
        except (ValueError, FileNotFoundError) as error:
            message = str(error)
            assert "\n" not in message and "prepare it again" in message and "clicks" in message, (bit, message)
            assert path.name in message or path.name == "checksums.json", (bit, message)
        else:
            assert found == expected, bit
            for ours, theirs in zip(rows, arrays, strict=True):
                np.testing.assert_array_equal(ours, theirs, err_msg=str(bit))
    path.write_bytes(original)
    assert content(folder)[0] == expected


def test_a_shard_that_is_damaged_in_the_middle_is_named(write):
    folder = write(train=random_block(3 * 4096))
    shard = folder / "small-train.tfrecord-00000-of-00001"
    damaged = bytearray(shard.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    shard.write_bytes(damaged)
    data = load(folder)
    message = rf"small-train.tfrecord-00000-of-00001 is damaged at byte {len(damaged) // 3:,}\. Delete the folder and"
    for read in (data.check_shards, lambda: data.arrays("train"), lambda: data.dataset("train", 64, cache=True)):
        with pytest.raises(ValueError, match=message):
            read()


def test_a_folder_without_checksums_is_read_and_a_missing_file_named(tmp_path):
    (tmp_path / "schema.json").write_text("{}")
    check_checksums(tmp_path)
    write_checksums(tmp_path)
    check_checksums(tmp_path)
    (tmp_path / "schema.json").unlink()
    with pytest.raises(FileNotFoundError, match="schema.json is missing. Delete the folder and prepare it again"):
        check_checksums(tmp_path)


def test_the_fingerprint_does_not_depend_on_the_checksums(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "clicks")
    (tmp_path / "clicks" / "checksums.json").unlink()
    assert load(tmp_path / "clicks").fingerprint == load(whole).fingerprint
