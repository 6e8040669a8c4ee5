"""MovieLens-1M: the protocol of the original, and raw files that are wrong."""

import io
import re
import urllib.error
import zipfile

import numpy as np
import polars as pl
import pytest
import tensorflow_datasets as tfds

from ctrzoo.data_pipelines import load, prepare

USERS = "1::F::1::10::48067\n2::M::56::16::70072-11\n3::M::25::15::55117\n"
MOVIES = (
    '10::Caf\u00e9: A "Test" (1995)::Drama\n'
    "20::Old One, The (1925)::Comedy|Drama|War\n"
    "30::Sixties (1969)::War\n"
    "40::Twenties (1929)::Film-Noir\n"
)
RATINGS = (
    "1::10::5::100\n1::20::1::300\n1::30::3::900\n2::10::4::200\n2::40::2::150\n3::30::4::180\n"
    "3::10::5::120\n3::20::2::110\n2::20::5::130\n1::40::1::140\n2::30::4::160\n"
)
TABLES = {"users.dat": USERS, "movies.dat": MOVIES, "ratings.dat": RATINGS}


@pytest.fixture
def raw(tmp_path):
    path = tmp_path / "ml-1m.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for filename, text in TABLES.items():
            archive.writestr(f"ml-1m/{filename}", text.encode("latin-1"))
    return path


def all_rows(data):
    splits = [data.arrays(split) for split in data.num_rows]
    features = {key: np.concatenate([features[key] for features, _ in splits]) for key in ("ids", "values")}
    return features, np.concatenate([labels for _, labels in splits])


@pytest.mark.parametrize(
    ("users", "message"),
    [
        (USERS.replace("3::M", "4::M"), "The user 3 has ratings but no row in its table"),
        (USERS + "2::F::1::10::48067\n", "The user 2 is listed twice in its table"),
    ],
)
def test_ratings_of_users_that_the_table_has_not_once(tmp_path, users, message):
    for filename, text in {**TABLES, "users.dat": users}.items():
        (tmp_path / filename).write_text(text, "latin-1")
    with pytest.raises(ValueError, match=message):
        prepare("movielens_1m", tmp_path / "data", raw=tmp_path)


def test_stars_keep_all_ratings_and_group_them_by_user(tmp_path, raw):
    data = load(prepare("movielens_1m", tmp_path / "data", raw=raw, protocol="clean", target="stars", keep_groups=True))
    assert sum(data.num_rows.values()) == 11 and data.label_kind == "graded" and data.keep_groups
    labels = np.concatenate([data.arrays(split)[1][:, 0] for split in data.num_rows])
    assert sorted(labels) == sorted(float(line.split("::")[2]) for line in RATINGS.splitlines())
    groups = np.concatenate([data.column(split, "group") for split in data.num_rows])
    assert sorted(np.unique(groups, return_counts=True)[1]) == [3, 4, 4]
    with pytest.raises(ValueError, match="Set protocol='clean'"):
        prepare("movielens_1m", tmp_path / "data", raw=raw, target="stars")
    with pytest.raises(ValueError, match="target 'likes'"):
        prepare("movielens_1m", tmp_path / "data", raw=raw, protocol="clean", target="likes")


def test_a_tiny_zip_by_the_protocol(tmp_path, raw):
    data = load(prepare("movielens_1m", tmp_path / "data", raw=raw))
    assert data.num_rows == {"train": 8, "valid": 1, "test": 1}
    assert sum(data.num_positives.values()) == 6
    sizes = {field.name: field.vocabulary_size for field in data.schema.fields}
    assert list(sizes) == ["gender", "age", "occupation", "zip_code", "release_year", "timestamp", "genres"]
    assert sizes == {
        "gender": 2, "age": 3, "occupation": 3, "zip_code": 3, "release_year": 3, "timestamp": 1, "genres": 4 + 5,
    }  # fmt: skip
    assert data.schema.fields[-1].num_slots == 6 and data.schema.fields[-1].pooling == "mean"
    features, labels = all_rows(data)
    # The kept timestamps are 100 to 300, the last at user 1's one star for film 20.
    last = np.argmax(features["values"][:, 5])
    expected = {"gender": "F", "age": 1, "occupation": 10, "zip_code": "48067", "release_year": "1920"}
    ids, numbers = data.encoding.encode(pl.DataFrame([{**expected, "timestamp": 300, "genres": "Comedy|Drama|War"}]))
    np.testing.assert_array_equal(np.delete(features["ids"][last], 5), ids[0])
    assert labels[last] == 0 and numbers == [[1.0]] and (ids[0, 5:8] > 0).all() and not ids[0, 8:].any()
    assert features["values"][:, 5].min() == 0 and features["values"][last, 5] == 1


def test_the_unpacked_folder_gives_the_same(tmp_path, raw):
    with zipfile.ZipFile(raw) as archive:
        archive.extractall(tmp_path / "unpacked")
    datas = [
        load(prepare("movielens_1m", tmp_path / str(number), raw=path))
        for number, path in enumerate([raw, tmp_path / "unpacked", tmp_path / "unpacked" / "ml-1m"])
    ]
    for data in datas[1:]:
        for split in data.num_rows:
            np.testing.assert_array_equal(data.arrays(split)[0]["ids"], datas[0].arrays(split)[0]["ids"])


def test_another_split_seed_divides_otherwise(tmp_path, raw):
    folders = [prepare("movielens_1m", tmp_path, raw=raw, split_seed=seed) for seed in range(5)]
    times = {float(load(folder).arrays("test")[0]["values"][0, 5]) for folder in folders}
    assert len(times) > 1


def truncate(raw):
    raw.write_bytes(raw.read_bytes()[:-30])


def corrupt(raw):
    content = bytearray(raw.read_bytes())
    content[60:70] = b"0123456789"
    raw.write_bytes(content)


def without_ratings(raw):
    with zipfile.ZipFile(raw, "w") as archive:
        archive.writestr("ml-1m/users.dat", USERS)
        archive.writestr("ml-1m/movies.dat", "10::No year::Drama\n")


def other_content(raw):
    with zipfile.ZipFile(raw, "w") as archive:
        for filename in TABLES:
            archive.writestr(filename, "1,2,3\n4,5,6\n")


def encrypted(raw):
    content = bytearray(raw.read_bytes())
    for place in (match.start() for match in re.finditer(b"PK\x01\x02", bytes(content))):
        content[place + 8] |= 1
    raw.write_bytes(content)


def with_header(raw):
    with zipfile.ZipFile(raw) as archive:
        contents = {filename: archive.read(f"ml-1m/{filename}") for filename in TABLES}
    contents["ratings.dat"] = b"user::movie::rating::timestamp\n" + contents["ratings.dat"]
    with zipfile.ZipFile(raw, "w") as archive:
        for filename, content in contents.items():
            archive.writestr(f"ml-1m/{filename}", content)


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda raw: raw.unlink(), FileNotFoundError, "ml-1m.zip does not exist. Pass"),
        (truncate, ValueError, "is not a complete zip file"),
        (corrupt, ValueError, "is not a complete zip file"),
        (encrypted, ValueError, r"ml-1m.zip cannot be unpacked here \(.*encrypted.* Unpack it yourself"),
        (without_ratings, ValueError, "holds no ratings.dat"),
        (other_content, ValueError, "users.dat has a row with too few columns"),
        (with_header, ValueError, "ratings.dat, row 1: user must be a whole number. Received: 'user'. The tables"),
    ],
)
def test_wrong_raw_files_are_named_in_one_line(tmp_path, raw, damage, error, message):
    damage(raw)
    with pytest.raises(error, match=message) as caught:
        prepare("movielens_1m", tmp_path / "data", raw=raw)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "data" / "movielens_1m").exists()


def test_a_folder_without_the_files_is_named(tmp_path):
    with pytest.raises(ValueError, match="holds no users.dat"):
        prepare("movielens_1m", tmp_path / "data", raw=tmp_path)


def test_it_downloads_through_tensorflow_datasets(tmp_path, raw, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda request, timeout: io.BytesIO())
    monkeypatch.setattr(tfds.download.DownloadManager, "download", lambda self, url: raw)
    assert load(prepare("movielens_1m", tmp_path / "data")).num_rows["train"] == 8


def test_without_a_network_it_asks_for_the_file(tmp_path, monkeypatch):
    def fail(request, timeout):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", fail)
    with pytest.raises(ConnectionError, match="--raw"):
        prepare("movielens_1m", tmp_path / "data")


def test_the_real_data_have_the_published_counts(tmp_path, real_data):
    data = load(prepare("movielens_1m", tmp_path, raw=real_data / "ml-1m.zip"))
    assert data.num_rows == {"train": 591_209, "valid": 73_901, "test": 73_902}
    assert sum(data.num_positives.values()) == 575_281
    # 5 of the published ids are for padding; one more row of a table is for id 0.
    assert data.schema.num_ids - 1 == 3_529
    assert [field.vocabulary_size for field in data.schema.fields] == [2, 7, 21, 3439, 36, 1, 18 + 5]
    features, _ = data.arrays("test")
    genres = (features["ids"][:, 6:] > 0).sum(axis=1)
    assert genres.min() == 1 and 2 <= genres.mean() <= 3
    np.testing.assert_allclose(features["values"][:, 6:].sum(axis=1), 1, rtol=1e-5)
    assert 0 <= features["values"][:, 5].min() and features["values"][:, 5].max() <= 1
