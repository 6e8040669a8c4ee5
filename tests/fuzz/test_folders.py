"""Mutated files of a prepared folder are refused in one line, or give the same rows and vocabularies."""

import numpy as np
import pytest

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from tests.data_pipelines.clicks_table import SCHEMA, TEXT
from tests.fuzz.mutations import judged, mutated, seeds


@pytest.mark.parametrize("has_checksums", [True, False], ids=["with checksums", "as version 0.1 wrote it"])
def test_folders(tmp_path, has_checksums):
    (tmp_path / "clicks.csv").write_text(TEXT)
    folder = tmp_path / "clicks"
    prepare_own_table(folder, "clicks", tmp_path / "clicks.csv", SCHEMA)
    data = load(folder)
    expected, encoding, fingerprint = rows_of(data), data.encoding.to_dict(), data.fingerprint
    assert sorted(expected) == ["test", "train", "valid"]
    if not has_checksums:
        (folder / "checksums.json").unlink()
    paths = sorted(folder.iterdir())
    refused = number = 0
    for number, source in enumerate(seeds(f"folders {has_checksums}")):
        path = source.choice(paths)
        original = path.read_bytes()
        content = source.choice([mutated, mutated, mutated, flipped, deleted])(original, source)
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        what = f"{path.name} {number}"
        with judged(what) as accepted:
            data = load(folder)
            found, found_encoding = rows_of(data), data.encoding.to_dict()
        if accepted and (has_checksums or ".tfrecord-" in path.name):
            assert found_encoding == encoding and data.fingerprint == fingerprint, what
            assert found.keys() == expected.keys(), what
            for split in expected:
                for name, array in expected[split].items():
                    np.testing.assert_array_equal(found[split][name], array, err_msg=f"{what} {split} {name}")
        refused += not accepted
        path.write_bytes(original)
    assert number < 200 or refused > number / 4


def rows_of(data):
    """Return the arrays of all splits."""
    splits = {split: data.arrays(split) for split in data.num_rows}
    return {split: {**features, "labels": labels} for split, (features, labels) in splits.items()}


def flipped(content, source):
    """Return bytes with a single changed bit."""
    content = bytearray(content)
    content[source.randrange(len(content))] ^= 1 << source.randrange(8)
    return bytes(content)


def deleted(content, source):
    """Return None: the file is deleted."""
    return None
