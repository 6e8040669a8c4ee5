"""Negative training rows that are left out: which, how many, and what is fitted to the others."""

import json

import numpy as np
import pandas as pd
import pytest

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.encoding.field import FieldEncoding
from ctrzoo.data_pipelines.preparation import engine
from ctrzoo.data_pipelines.preparation.negatives import Negatives
from ctrzoo.data_pipelines.preparation.plan import TablePlan
from ctrzoo.data_pipelines.preparation.splits import Folds, Fractions
from ctrzoo.data_pipelines.preparation.table import prepare_own_table

ROWS = 6000
FIELDS = [
    {"name": "row", "kind": "numerical"},
    {"name": "site", "min_count": 3},
    {"name": "tags", "kind": "multivalued", "weight_separator": ":"},
    {"name": "price", "transform": "quantile", "num_buckets": 5},
]


@pytest.fixture(scope="module")
def frame():
    random = np.random.default_rng(4)
    sizes = random.integers(0, 4, ROWS)
    tags = ["|".join(f"t{tag}:{tag + 1}" for tag in random.integers(0, 9, size)) for size in sizes]
    return pd.DataFrame(
        {
            "row": np.arange(ROWS),
            "site": random.zipf(1.3, ROWS) % 500,
            "tags": tags,
            "price": random.exponential(size=ROWS).round(3),
            "w": random.integers(1, 4, ROWS),
            "fold": random.choice(["train", "train", "train", "valid", "test"], ROWS),
            "click": (random.random(ROWS) < 0.1).astype(int),
        }
    )


def prepared(frame, folder, seed=0, **schema):
    schema = {"label": "click", "fields": FIELDS, "weight": "w", "split": {"column": "fold"}, **schema}
    frame.to_csv(folder / "rows.csv", index=False)
    report = prepare_own_table(folder / "data", "rows", folder / "rows.csv", schema, seed=seed, overwrite=True)
    return load(folder / "data"), report


def rows_of(data, split):
    """Return the numbers of the rows of a split, which the numerical field holds, and their labels."""
    features, labels = data.arrays(split)
    return np.rint(features["values"][:, 0]).astype(int), labels[:, 0].astype(int)


@pytest.fixture(scope="module")
def thinned(frame, tmp_path_factory):
    return prepared(frame, tmp_path_factory.mktemp("thinned"), negatives=0.2)


def test_only_negative_training_rows_are_left_out(frame, thinned):
    data, report = thinned
    for split in ("valid", "test"):
        assert sorted(rows_of(data, split)[0]) == frame.index[frame.fold == split].tolist()
    training = frame[frame.fold == "train"]
    rows, labels = rows_of(data, "train")
    assert (frame.click[rows].to_numpy() == labels).all() and len(set(rows)) == len(rows)
    assert set(training.index[training.click == 1]) == set(rows[labels == 1])
    negatives = int((training.click == 0).sum())
    kept = int((labels == 0).sum())
    assert abs(kept - 0.2 * negatives) < 5 * np.sqrt(negatives * 0.2 * 0.8)
    assert report["left_out_negatives"] == negatives - kept and report["negative_rate"] == 0.2
    assert report["rows"] == ROWS - report["left_out_negatives"]


def test_the_folder_says_so(thinned):
    data, _ = thinned
    preparation = json.loads((data.folder / "preparation.json").read_text())
    assert (preparation["format_version"], preparation["negative_rate"], data.negative_rate) == (3, 0.2, 0.2)


def test_all_is_fitted_to_the_rows_that_stay(frame, thinned, tmp_path):
    """The same rows, left out by hand, give the same ids, scalings and weights."""
    data, _ = thinned
    kept = np.concatenate([rows_of(data, split)[0] for split in ("train", "valid", "test")])
    other, _ = prepared(frame.loc[sorted(kept)], tmp_path)
    assert other.negative_rate == 1
    assert other.encoding.to_dict() == data.encoding.to_dict()
    for split in ("train", "valid", "test"):
        (ours, labels), (theirs, other_labels) = data.arrays(split), other.arrays(split)
        order, other_order = (np.argsort(features["values"][:, 0]) for features in (ours, theirs))
        for name in ours:
            np.testing.assert_array_equal(ours[name][order], theirs[name][other_order])
        np.testing.assert_array_equal(labels[order], other_labels[other_order])
        np.testing.assert_array_equal(data.column(split, "weight")[order], other.column(split, "weight")[other_order])


def test_counts_of_all_rows_leave_out_the_same(frame, tmp_path):
    """With `fit_on: all`, a value of only left-out rows is in no vocabulary either."""
    frame = frame.copy()
    frame["site"] = frame.index  # each value once
    fields = [FIELDS[0], {"name": "site", "min_count": 1}]
    data, _ = prepared(frame, tmp_path, negatives=0.2, fit_on="all", fields=fields)
    kept = {row for split in ("train", "valid", "test") for row in rows_of(data, split)[0]}
    assert {int(value) for value in data.encoding.fields[1].values} == kept


def test_the_choice_is_that_of_the_seed_and_survives_an_interruption(frame, thinned, tmp_path, monkeypatch):
    data, _ = thinned
    again, _ = prepared(frame, tmp_path, negatives=0.2)
    assert again.fingerprint == data.fingerprint
    other, _ = prepared(frame, tmp_path, seed=1, negatives=0.2)
    assert set(rows_of(other, "train")[0]) != set(rows_of(data, "train")[0])

    class Stop(Exception):
        pass

    def stop(*arguments):
        raise Stop

    folder = tmp_path / "resumed"
    folder.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(engine, "_fit", stop)
        with pytest.raises(Stop):
            prepared(frame, folder, negatives=0.2)
    resumed, report = prepared(frame, folder, negatives=0.2)
    assert resumed.fingerprint == data.fingerprint and report["left_out_negatives"] == ROWS - report["rows"]


def test_chunks_draw_apart():
    labels, splits = np.zeros(1000, int), np.zeros(1000, int)
    first, second = (Negatives(0.5, 3).kept(chunk, labels, splits) for chunk in (0, 1))
    assert 350 < (first == second).sum() < 650


def test_a_share_of_one_is_no_other_preparation(frame, tmp_path):
    whole, report = prepared(frame, tmp_path)
    same, _ = prepared(frame, tmp_path, negatives=1)
    assert same.fingerprint == whole.fingerprint and "negative_rate" not in report


def test_bad_rows_are_found_among_left_out_rows_too(frame, tmp_path):
    frame = frame.astype({"row": object})
    bad = frame.index[(frame.fold == "train") & (frame.click == 0)][:100]
    frame.loc[bad, "row"] = "?"
    frame.to_csv(tmp_path / "rows.csv", index=False)
    schema = {"label": "click", "fields": FIELDS, "split": {"column": "fold"}, "negatives": 0.1}
    report = prepare_own_table(tmp_path / "data", "rows", tmp_path / "rows.csv", schema, bad_rows="skip")
    assert report["bad_rows"] == 100
    assert report["rows"] + report["left_out_negatives"] == ROWS - 100


@pytest.mark.parametrize("share", [0, -0.1, 1.5, True, "0.1", float("nan")])
def test_other_shares_are_refused(share):
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        Negatives(share)


def test_labels_and_splits_that_have_no_known_negatives_are_refused():
    fields = [FieldEncoding("site")]
    with pytest.raises(ValueError, match="needs binary labels"):
        TablePlan(fields, {"column": "stars", "kind": "real"}, Fractions(), negatives=Negatives(0.1))
    with pytest.raises(ValueError, match="cannot be combined with the split 'Folds'"):
        TablePlan(fields, "click", Folds(), "all", Negatives(0.1))
