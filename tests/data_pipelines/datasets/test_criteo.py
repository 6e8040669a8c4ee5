"""Criteo: as the original prepared it, number for number, and clean."""

import collections
import gzip

import numpy as np
import polars as pl
import pytest

from ctrzoo.data_pipelines import load, prepare
from ctrzoo.data_pipelines.datasets.criteo import CATEGORIES, NUMBERS
from tests.data_pipelines.datasets.stored_rows import with_offline_ids


@pytest.fixture(scope="module")
def golden(real_data):
    path = real_data.parent / "reference" / "golden" / "prep_criteo.npz"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    return np.load(path)


@pytest.fixture(scope="module")
def criteo(real_data, tmp_path_factory):
    return load(prepare("criteo", tmp_path_factory.mktemp("criteo"), raw=real_data / "criteo_10k.txt.gz"))


def test_criteo_is_the_originals_to_the_last_number(criteo, golden, real_data):
    assert criteo.schema.num_ids == 1842
    columns = ["label", *NUMBERS, *CATEGORIES]
    raw = pl.read_csv(
        gzip.decompress((real_data / "criteo_10k.txt.gz").read_bytes()),
        separator="\t",
        has_header=False,
        new_columns=columns,
        infer_schema=False,
    )
    # The encoding that lies with the data, on all raw rows; categories follow the 13 numbers.
    ids, numbers = criteo.encoding.encode(raw)
    original_ids, original_values = golden["index_all"][:, 13:], golden["value_scaled_all"]
    np.testing.assert_array_equal(numbers, original_values[:, :13])
    np.testing.assert_array_equal((ids > 0).astype(float), original_values[:, 13:])
    renumbered = {}
    for ours, theirs in zip(ids[ids > 0], original_ids[ids > 0], strict=True):
        assert renumbered.setdefault(ours, theirs) == theirs
    assert len(set(renumbered.values())) == len(renumbered)  # one to one
    # Each field has its ids in the same range, and the rare id first, as the original.
    first = np.array(criteo.schema.first_ids[13:])
    assert all(14 <= theirs < 1842 for theirs in renumbered.values())
    assert all(renumbered.get(rare, rare) == rare for rare in first)
    owner = np.searchsorted(first, list(renumbered), side="right")
    np.testing.assert_array_equal(owner, np.searchsorted(first, list(renumbered.values()), side="right"))
    # The folds: the first for test, the second for validation, in the order of the raw rows; the others shuffled.
    folds = golden["fold_index"]
    for split, rows in (("test", folds[0]), ("valid", folds[1])):
        stored_ids, stored_values, labels = with_offline_ids(criteo, split)
        np.testing.assert_array_equal(stored_ids[:, :13], np.tile(np.arange(1, 14), (len(rows), 1)))
        np.testing.assert_array_equal(stored_ids[:, 13:], ids[rows])
        np.testing.assert_array_equal(stored_values, original_values[rows])
        np.testing.assert_array_equal(labels, golden["label_all"][rows])
    stored_ids, stored_values, labels = with_offline_ids(criteo, "train")
    rows = np.concatenate(folds[2:])
    stored = collections.Counter(map(tuple, np.column_stack([stored_ids[:, 13:], stored_values, labels]).tolist()))
    expected = np.column_stack([ids[rows], original_values[rows], golden["label_all"][rows]])
    assert stored == collections.Counter(map(tuple, expected.tolist()))
    assert (labels[:500] != golden["label_all"][np.sort(rows)][:500]).any()


def test_clean_criteo_learns_from_training_rows_alone(tmp_path):
    random = np.random.default_rng(0)
    rows = [["1" if row % 4 == 0 else "0", *["3"] * 13, f"v{random.integers(60)}", *["x"] * 25] for row in range(800)]
    (tmp_path / "train.txt").write_text("\n".join("\t".join(row) for row in rows) + "\n")
    data = load(prepare("criteo", tmp_path, raw=tmp_path / "train.txt", protocol="clean"))
    field = data.encoding.fields[13]
    features, labels = data.arrays("train")
    # Values of at least 10 training rows have an id: their rows in the training split are as counted, no others.
    own = features["ids"][:, 13] > data.schema.first_ids[13]
    np.testing.assert_array_equal(np.unique(features["ids"][own, 13], return_counts=True)[1], field.counts.to_numpy())
    assert field.counts.min() >= 10 and 0 < len(field.values) < 60
    everywhere = collections.Counter(row[14] for row in rows)
    assert any(count >= 10 and value not in field.values for value, count in everywhere.items())
    assert data.num_rows == {"train": 640, "valid": 80, "test": 80} and labels.sum() == 160
