"""Criteo, Avazu and KDD Cup 2012: as the originals prepared them, number for number, and clean."""

import collections
import gzip
import pathlib

import numpy as np
import polars as pl
import pytest

from ctrzoo.data_pipelines import load, prepare
from ctrzoo.data_pipelines.datasets.criteo import CATEGORIES, NUMBERS


def with_offline_ids(data, split):
    """Ids, values and labels of a split, in stored order."""
    features, labels = data.arrays(split)
    return features["ids"], features["values"], labels[:, 0]


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


def slow_running_ids(rows, min_count):
    """Whether each cell has an own id, when ids are given at the `min_count`-th occurrence while reading."""
    counts = [collections.Counter() for _ in rows[0]]
    known = np.zeros((len(rows), len(rows[0])), bool)
    for number, row in enumerate(rows):
        for field, cell in enumerate(row):
            counts[field][cell] += 1
            known[number, field] = counts[field][cell] >= min_count
    return known, sum(count >= min_count for counter in counts for count in counter.values())


def test_avazus_first_four_rows_of_each_value_are_rare(real_data, tmp_path):
    path = real_data / "avazu_10k.csv.gz"
    data = load(prepare("avazu", tmp_path, raw=path))
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    rows = [line.split(",")[:1] + line.split(",")[2:] for line in lines[1:]]
    labels = np.array([int(line.split(",")[1]) for line in lines[1:]])
    known, frequent = slow_running_ids(rows, 5)
    assert data.schema.num_ids == 1 + 23 + frequent
    assert data.schema.fields[0].name == "id" and data.schema.fields[0].vocabulary_size == 1
    rare = np.array(data.schema.first_ids)
    sklearn = pytest.importorskip("sklearn.model_selection")
    folds = [fold for _, fold in sklearn.StratifiedKFold(10, shuffle=True, random_state=2018).split(rows, labels)]
    for split, fold in (("test", folds[0]), ("valid", folds[1])):
        ids, values, stored_labels = with_offline_ids(data, split)
        np.testing.assert_array_equal(ids != rare, known[fold])
        np.testing.assert_array_equal(stored_labels, labels[fold])
        assert (values == 1).all()
    ids, _, _ = with_offline_ids(data, "train")
    assert (ids != rare).sum() == known[np.concatenate(folds[2:])].sum()
    # Rows that come later know the final ids: the first row's hour is frequent.
    later, _ = data.encoding.encode(pl.DataFrame(dict(zip(data.schema.names, rows[0], strict=True))))
    assert later[0, 1] > rare[1] and ids.shape[1] == 23


def write_avazu(path, rows):
    names = "id,click,hour,C1,banner_pos,site_id,site_domain,site_category,app_id,app_domain,app_category,device_id,"
    names += "device_ip,device_model,device_type,device_conn_type," + ",".join(f"C{index}" for index in range(14, 22))
    lines = [f"{row},{row % 2},1410{21 + row // 100}{row % 24:02d}" + 21 * ",a" for row in rows]
    path.write_text("\n".join([names, *lines]) + "\n")


def test_clean_avazu_decodes_the_hour_and_drops_the_id(tmp_path):
    write_avazu(tmp_path / "train.csv", range(400))
    data = load(prepare("avazu", tmp_path, raw=tmp_path / "train.csv", protocol="clean"))
    assert data.schema.names[:3] == ("hour_of_day", "weekday", "C1") and "id" not in data.schema.names
    hours, weekdays = (field.values.to_list() for field in data.encoding.fields[:2])
    assert sorted(map(int, hours)) == list(range(24))
    assert weekdays == ["2", "3", "4", "5"]  # 21 October 2014 was a Tuesday
    assert data.num_rows == {"train": 320, "valid": 40, "test": 40}


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


def test_kdd12_joins_the_profile_and_takes_user_0_for_unknown(tmp_path):
    rows = [[row % 3 // 2 * row, 2, "url", row % 5, "adv", 1, 9, "q", "k", "t", "d", row % 4] for row in range(120)]
    (tmp_path / "training.txt").write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    (tmp_path / "userid_profile.txt").write_text("1\t1\t5\n2\t2\t3\n")
    data = load(prepare("kdd12", tmp_path / "data", raw=pathlib.Path(tmp_path)))
    assert data.schema.num_fields == 13 and sum(data.num_positives.values()) == 40
    features, _ = data.arrays("train")
    values = dict(zip(data.schema.names, features["values"].T, strict=True))
    assert set(values["impression"]) == {2.0} and set(values["position"]) == {4.0}  # floor(ln(9)^2) = 4
    np.testing.assert_array_equal(values["gender"], values["age"])
    # Users 0 (missing) and 3 (no profile) are half of the rows; user 3 is known, user 0 is not.
    assert 0.4 < values["gender"].mean() < 0.6 and 0.65 < values["user_id"].mean() < 0.85
    own_ids = {field.name: field.values.to_list() for field in data.encoding.fields}
    assert own_ids["gender"] == ["1", "2"] and own_ids["ad_id"] == ["0", "1", "2", "3", "4"]
    clean = load(prepare("kdd12", tmp_path / "data", raw=tmp_path, protocol="clean"))
    assert "impression" not in clean.schema.names and clean.schema.num_fields == 12


def test_movielens_100k_has_the_fields_of_1m(real_data, tmp_path):
    if not (real_data / "ml-100k.zip").is_file():
        pytest.skip("needs ml-100k.zip")
    data = load(prepare("movielens_100k", tmp_path, raw=real_data / "ml-100k.zip"))
    # 100,000 ratings, of which 27,145 are 3; GroupLens' README counts 21 occupations and 19 genres.
    assert sum(data.num_rows.values()) == 72_855 and sum(data.num_positives.values()) == 55_375
    assert [field.vocabulary_size for field in data.schema.fields] == [2, 7, 21, 795, 34, 1, 19]


@pytest.mark.parametrize("name", ["criteo", "avazu", "kdd12", "movielens_1m", "movielens_100k"])
def test_an_unknown_protocol_is_named(name, tmp_path):
    with pytest.raises(ValueError, match="`protocol` must be one of 'reference', 'clean'. Received: 'original'"):
        prepare(name, tmp_path, raw=tmp_path, protocol="original")
