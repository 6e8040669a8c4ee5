"""MovieLens-1M with histories: the split of each user, and the ratings before each rating."""

import numpy as np
import pytest

from ctrzoo.data_pipelines import load, prepare
from tests.conftest import DATA

USERS = [1, 2, 3]
MOVIES = list(range(10, 22))


def ratings():
    """Return (user, movie, stars, time), with equal times; user 3 has few ratings."""
    random = np.random.default_rng(0)
    rows = [(1, movie, int(random.integers(1, 6)), int(random.integers(6))) for movie in MOVIES]
    rows += [(2, movie, int(random.integers(1, 6)), int(random.integers(4))) for movie in MOVIES[:11]]
    rows += [(3, movie, 5, movie) for movie in MOVIES[:3]]
    return [rows[place] for place in random.permutation(len(rows))]


@pytest.fixture
def raw(tmp_path):
    text = "".join(f"{user}::{movie}::{stars}::{time}\n" for user, movie, stars, time in ratings())
    tables = {
        "users.dat": "".join(f"{user}::F::1::10::48067\n" for user in USERS),
        "movies.dat": "".join(f"{movie}::Film {movie} (1999)::War|Drama\n" for movie in MOVIES),
        "ratings.dat": text,
    }
    for filename, content in tables.items():
        (tmp_path / filename).write_text(content)
    return tmp_path


def test_each_user_is_divided_by_time_and_sees_strictly_earlier_ratings(tmp_path, raw):
    data = load(prepare("movielens_1m", tmp_path / "data", raw=raw, protocol="history"))
    assert data.schema.histories == {"liked_movies": ("liked_movies",), "other_movies": ("other_movies",)}
    found = set()
    for split in data.num_rows:
        features, labels = data.arrays(split)
        stored = features["ids"][:, np.array(data.schema.slot_fields) < 3]
        numbers = np.zeros((len(labels), 0), np.float32)
        decoded = data.encoding.decode(features["ids"], numbers)
        assert stored.shape[1] == 2 + 6
        for row, label in zip(decoded.iter_rows(named=True), labels.ravel(), strict=True):
            history = tuple(row["liked_movies"]), tuple(row["other_movies"])
            found.add((split, row["user"], row["movie"], bool(label), *history))
    expected, trained = set(), set()
    for user in USERS:
        own = sorted((time, movie, stars) for one, movie, stars, time in ratings() if one == user)
        tenth = max(1, round(len(own) / 10))
        for place, (time, movie, stars) in enumerate(own):
            left = len(own) - place
            split = "test" if left <= tenth else "valid" if left <= 2 * tenth else "train"
            trained |= {str(movie)} if split == "train" else set()
            liked = [str(other) for when, other, one in own if when < time and one >= 4]
            others = [str(other) for when, other, one in own if when < time and one < 4]
            expected.add((split, str(user), str(movie), stars >= 4, tuple(liked), tuple(others)))
            trained |= {*liked, *others} if split == "train" else set()

    def known(movie):
        return movie if movie in trained else "(rare)"

    expected = {
        (split, user, known(movie), label, tuple(map(known, liked)), tuple(map(known, others)))
        for split, user, movie, label, liked, others in expected
    }
    assert found == expected


def test_without_histories_the_rows_are_the_same(tmp_path, raw):
    rows = {}
    for shown in ("events", "nothing"):
        data = load(prepare("movielens_1m", tmp_path / shown, raw=raw, protocol="history", shown=shown))
        rows[shown] = [
            (split, *row, *label)
            for split in data.num_rows
            for features, labels in [data.arrays(split)]
            for row, label in zip(features["ids"][:, :8].tolist(), labels.tolist(), strict=True)
        ]
    assert data.schema.num_slots == 8 and [field.name for field in data.schema.fields] == ["user", "movie", "genres"]
    assert sorted(rows["events"]) == sorted(rows["nothing"])
    with pytest.raises(ValueError, match="Unknown shown 'none'"):
        prepare("movielens_1m", tmp_path / "data", raw=raw, protocol="history", shown="none")
    with pytest.raises(ValueError, match="`shown` is for the protocol 'history'"):
        prepare("movielens_1m", tmp_path / "data", raw=raw, protocol="clean", shown="nothing")


@pytest.mark.parametrize("options", [{"target": "stars"}, {"keep_groups": True}])
def test_other_targets_are_refused(tmp_path, raw, options):
    with pytest.raises(ValueError, match="The protocol 'history' has likes as labels and no groups"):
        prepare("movielens_1m", tmp_path / "data", raw=raw, protocol="history", **options)
    with pytest.raises(ValueError, match="'reference', 'clean', 'history'"):
        prepare("movielens_1m", tmp_path / "data", raw=raw, protocol="histories")


@pytest.mark.nightly
@pytest.mark.skipif(not (DATA / "ml-1m.zip").is_file(), reason="set CTRZOO_DATA to a folder with ml-1m.zip")
def test_the_real_table(tmp_path):
    data = load(prepare("movielens_1m", tmp_path, raw=DATA / "ml-1m.zip", protocol="history"))
    assert data.num_rows == {"train": 800_309, "valid": 99_950, "test": 99_950}
    shares = [data.num_positives[split] / rows for split, rows in data.num_rows.items()]
    np.testing.assert_allclose(shares, [0.5892, 0.5302, 0.5076], atol=5e-5)
    features, _ = data.arrays("train")
    owners = np.array(data.schema.slot_fields)
    assert np.mean((features["ids"][:, owners >= 3] > 0).sum(axis=1) == 0) == pytest.approx(0.019, abs=5e-4)
