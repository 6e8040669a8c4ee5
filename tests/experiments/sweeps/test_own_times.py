"""The parts of the test rows, the order of films as a score, and the report."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from ctrzoo.data_pipelines import load, prepare
from ctrzoo.experiments.experiment import run_experiment
from ctrzoo.experiments.settings import Settings
from ctrzoo.experiments.sweeps.own_times import (
    KEPT,
    ORDER,
    Films,
    aucs_of_run,
    order_scores,
    read_films,
    write_own_times,
)

USERS, MOVIES = range(1, 9), range(10, 40)


@pytest.fixture(scope="module")
def ratings():
    """Ratings as (user, movie, stars, time), some of them at the same time."""
    random = np.random.default_rng(0)
    return [(user, movie, int(random.integers(1, 6)), int(random.integers(40))) for user in USERS for movie in MOVIES]


@pytest.fixture(scope="module")
def raw(tmp_path_factory, ratings):
    folder = tmp_path_factory.mktemp("raw")
    tables = {
        "users.dat": "".join(f"{user}::F::1::10::48067\n" for user in USERS),
        "movies.dat": "".join(f"{movie}::Film {movie} (1999)::War|Drama\n" for movie in MOVIES),
        "ratings.dat": "".join("::".join(map(str, row)) + "\n" for row in ratings),
    }
    for filename, content in tables.items():
        (folder / filename).write_text(content)
    return folder


def test_films_are_read_with_the_newest_liked_one_and_equal_times(tmp_path, raw, ratings):
    data = load(prepare("movielens_1m", tmp_path, raw=raw, protocol="history"))
    first_id = data.schema.first_ids[data.schema.names.index("movie")]
    films = read_films(data, "test")
    expected = []
    for user in USERS:
        mine = sorted((time, movie, stars) for one, movie, stars, time in ratings if one == user)
        for time, movie, stars in mine[-3:]:
            liked = [other for when, other, one in mine if when < time and one >= 4]
            has_own_time = sum(when == time for when, _, _ in mine) == 1
            expected.append((movie, liked[-1] if liked else None, stars >= 4, has_own_time))
    assert len(films.films) == len(expected) == 24 and 0 < films.has_own_time.sum() < 24
    films_of = {}  # the text of each film's id
    for id, before, label, has_own_time, wanted in zip(*films, expected, strict=True):
        assert (bool(label), bool(has_own_time)) == wanted[2:]
        assert films_of.setdefault(int(id), wanted[0]) == wanted[0] and id >= first_id
        assert bool(before) == (wanted[1] is not None)
        if before:
            assert films_of.setdefault(int(before), wanted[1]) == wanted[1]
    assert len(set(films_of.values())) == len(films_of)
    without = load(prepare("movielens_1m", tmp_path, raw=raw, protocol="history", shown="nothing"))
    assert not read_films(without, "test").before.any()


def test_the_order_of_films_is_counted_without_labels():
    random = np.random.default_rng(0)
    train, test = (
        Films(random.integers(1, 6, 200), random.integers(0, 6, 200), *random.random((2, 200))) for _ in range(2)
    )
    seen = [(int(a), int(b)) for a, b in zip(train.before, train.films, strict=True) if a]
    expected = []
    for before, film in zip(test.before.tolist(), test.films.tolist(), strict=True):
        chance = sum(a == before for a, _ in seen) * sum(b == film for _, b in seen) / len(seen)
        expected.append(math.log((seen.count((before, film)) + 1) / (chance + 1)) if before else 0)
    np.testing.assert_allclose(order_scores(train, test), expected, rtol=1e-12)


def test_the_aucs_of_a_run_are_those_of_its_metrics(tmp_path, raw):
    settings = Settings(
        dataset="movielens_1m", model="lr", epochs=2, batch_size=16, seed=1, dataset_options={"protocol": "history"}
    )
    run_experiment(settings, tmp_path / "data", raw, tmp_path / "run")
    found = aucs_of_run(tmp_path / "run")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert found["auc"]["all"] == metrics["test"]["auc"]
    assert found["rows"]["all"] == 24 == found["rows"]["own"] + found["rows"]["shared"]


def row_of(label, seed, state="finished"):
    return {"label": label, "group": label, "seed": seed, "state": state, "choices": {}}


def keep(folder, own, rows=(10, 4, 6)):
    folder.mkdir(parents=True, exist_ok=True)
    content = {"rows": dict(zip(("all", "own", "shared"), rows, strict=True))}
    content["auc"] = {"all": own + 0.01, "own": own, "shared": own + 0.02}
    (folder / KEPT).write_text(json.dumps(content))


def test_what_is_kept_needs_no_data(tmp_path):
    for label, aucs in {"pooled": (0.70, 0.71), "din": (0.703, 0.713), "bst": (0.6,)}.items():
        for seed, each in enumerate(aucs):
            keep(tmp_path / label / f"seed_{seed}", each)
    keep(tmp_path, 0.5)
    rows = [row_of(label, seed) for label in ("pooled", "din") for seed in (0, 1)]
    write_own_times([*rows, row_of("bst", 0), row_of("dien", 0, "open")], tmp_path, "pooled")
    table = pd.read_csv(tmp_path / "own_times.csv").set_index("model")
    assert table.index.to_list() == ["din", "pooled", "bst", ORDER]
    assert table.loc["din", "own"] == pytest.approx(0.708) and table.loc["pooled", "all"] == pytest.approx(0.715)
    assert table.loc["din", "own_deviation"] == pytest.approx(0.01 / math.sqrt(2))
    text = (tmp_path / "own_times.md").read_text()
    # t = 0.003 / 0.00707 = 0.424 with two degrees of freedom: p = 1 - t / sqrt(2 + t^2) = 0.71
    assert "| din | 2 | 0.7180 ± 0.0071 | 0.7080 ± 0.0071 | 0.7280 ± 0.0071 | 0.71 | 0.71 |" in text
    assert "| bst | 1 | 0.6100 | 0.6000 | 0.6200 |  |  |" in text and "a time of their own (4)" in text
    assert (tmp_path / "own_times.png").is_file()


def test_without_finished_runs_nothing_is_written(tmp_path):
    write_own_times([row_of("din", 0, "open"), row_of("lr", 0) | {"choices": {"shown": "nothing"}}], tmp_path, "din")
    assert not list(tmp_path.iterdir())


def test_data_without_ids_are_refused(tmp_path):
    data = load(prepare("synthetic", tmp_path, num_rows=1000, histories=True))
    with pytest.raises(ValueError, match="have no ids. Delete the folder and prepare it again"):
        read_films(data, "test")
