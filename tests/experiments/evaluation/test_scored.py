"""Rows with scores: a table that is read in chunks, its labels and slices, and what runs must agree on."""

import shutil

import numpy as np
import pandas as pd
import polars as pl
import pytest

from ctrzoo import data_pipelines
from ctrzoo.data_pipelines.encoding.fields import TableEncoding
from ctrzoo.data_pipelines.encoding.roles import group_hashes
from ctrzoo.data_pipelines.raw.layout import source_like
from ctrzoo.experiments.evaluation import scored as scored_module
from ctrzoo.experiments.evaluation.scored import Slices, score_split, score_table
from ctrzoo.experiments.explained_run import load_model
from tests.experiments.scored_table import prepared_run

NO_SLICES = Slices()
SCHEMA = {
    "label": "click",
    "weight": "cost",
    "group": "user",
    "fields": ["site", "ad"],
    "split": {"column": "day", "valid_from": 100, "test_from": 200},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "click": random.choice([-1, 1], 500),
            "cost": random.integers(1, 4, 500) / 2,
            "user": [f"u{number}" for number in random.integers(0, 30, 500)],
            "site": [f"s{number}" for number in random.integers(0, 5, 500)],
            "ad": random.integers(0, 9, 500),
            "day": np.arange(500),
        }
    )
    frame.to_csv(folder / "rows.csv", index=False)
    path, predicted, *_ = prepared_run(folder, folder / "rows.csv", SCHEMA)
    return path, frame[200:].reset_index(drop=True), predicted


def scored(run, frame, folder, slices=NO_SLICES, **options):
    """Score a table of five files, of which each is a chunk."""
    paths = [folder / f"part-{part}.csv" for part in range(5)]
    for part, path in enumerate(paths):
        frame[70 * part : 70 * (part + 1)].to_csv(path, index=False)
    return score_table([run], lambda encoding: source_like(paths, encoding.table), slices, **options)


def test_a_table_in_many_chunks(run, tmp_path):
    folder, frame, predicted = run
    table = scored(folder, frame, tmp_path, Slices(["site", "day"], bins=3))
    (found,) = table.runs
    assert (found.model, found.task, table.are_weighted) == ("fm", "classification", True)
    np.testing.assert_allclose(found.rows.scores, predicted, rtol=2e-6)
    assert found.rows.labels.tolist() == (frame["click"] == 1).astype(int).to_list()
    assert found.rows.weights.tolist() == frame["cost"].to_list()
    np.testing.assert_array_equal(found.rows.groups, group_hashes(frame["user"].to_list()))
    of_site, of_day = table.slicings
    assert [of_site.texts[code] for code in of_site.codes] == frame["site"].to_list()
    assert of_day.texts == ["200 to 299", "300 to 399", "400 to 499"]
    assert of_day.codes.tolist() == (frame.index // 100).to_list()
    assert table.notes == ["300 rows scored."]


def test_runs_of_one_encoding_share_the_reading(run, tmp_path, monkeypatch):
    folder, frame, predicted = run
    other, third = tmp_path / "other", tmp_path / "third"
    for copy in (other, third):
        shutil.copytree(folder, copy)
    model = load_model(folder, TableEncoding.load(folder / "encoding").schema)
    model.weights[0].assign(model.weights[0] + 1)
    model.save(other / "model.keras")
    vocabulary = pl.read_parquet(third / "encoding" / "vocabulary.parquet")
    vocabulary.with_columns(pl.col("count") + 1).write_parquet(third / "encoding" / "vocabulary.parquet")
    frame.to_csv(tmp_path / "rows.csv", index=False)
    reads, real = [], scored_module.encoded_chunks
    monkeypatch.setattr(scored_module, "encoded_chunks", lambda *args: reads.append(1) or real(*args))

    def score(*folders):
        reads.clear()
        return score_table(
            folders, lambda encoding: source_like([tmp_path / "rows.csv"], encoding.table), Slices(["ad"])
        )

    together = score(folder, third, other)  # third stands between the two that are alike
    assert len(reads) == 2
    assert [scored.folder for scored in together.runs] == [folder, third, other]
    assert together.notes == [f"{each}: 300 rows scored." for each in (folder, third, other)]
    for scored, each in zip(together.runs, (folder, third, other), strict=True):
        (alone,) = score(each).runs
        for what in ("labels", "scores", "weights", "groups"):
            np.testing.assert_array_equal(getattr(scored.rows, what), getattr(alone.rows, what))
    np.testing.assert_allclose(together.runs[0].rows.scores, predicted, rtol=2e-6)
    assert np.abs(together.runs[2].rows.scores - predicted).max() > 1e-3


def test_a_split_is_the_same_rows(run, tmp_path):
    folder, frame, _ = run
    table = scored(folder, frame, tmp_path, Slices(["ad"]))
    split = score_split([folder], data_pipelines.load(folder.parent / "data"), "test", Slices(["ad"]))
    for name in ("labels", "weights", "groups"):
        np.testing.assert_array_equal(getattr(split.runs[0].rows, name), getattr(table.runs[0].rows, name))
    np.testing.assert_allclose(split.runs[0].rows.scores, table.runs[0].rows.scores, rtol=2e-6)
    assert split.slicings[0].texts == table.slicings[0].texts and split.notes == [] and split.are_weighted
    np.testing.assert_array_equal(split.slicings[0].codes, table.slicings[0].codes)
    with pytest.raises(ValueError, match="has no rows in the split 'tset'. Choose one of train, valid, test"):
        score_split([folder], data_pipelines.load(folder.parent / "data"), "tset", NO_SLICES)


def test_labels_that_differ_between_chunks_are_refused_together(run, tmp_path):
    folder, frame, _ = run
    paths = [tmp_path / "0.csv", tmp_path / "1.csv"]  # no chunk is of two files
    for label, path in zip((0, -1), paths, strict=True):
        frame.assign(click=label).to_csv(path, index=False)
    with pytest.raises(ValueError, match="The label 'click' holds both 0 and -1. If both are negative"):
        score_table([folder], lambda encoding: source_like(paths, encoding.table), NO_SLICES)
    found = score_table([folder], lambda encoding: source_like(paths[1:], encoding.table), NO_SLICES)
    assert not found.runs[0].rows.labels.any() and len(found.runs[0].rows.labels) == 300


def test_rows_that_are_skipped_leave_the_others_in_line(run, tmp_path):
    folder, frame, predicted = run
    broken = frame.astype({"cost": object})
    broken.loc[[3, 299], "cost"] = "dear"
    table = scored(folder, broken, tmp_path, Slices(["day"], most=1000), skip_bad=True)
    kept = [row for row in range(300) if row not in (3, 299)]
    np.testing.assert_allclose(table.runs[0].rows.scores, predicted[kept], rtol=2e-6)
    assert table.runs[0].rows.weights.tolist() == frame["cost"][kept].to_list()
    (of_day,) = table.slicings
    assert [int(of_day.texts[code]) for code in of_day.codes] == frame["day"][kept].to_list()
    assert table.notes[0] == "298 rows scored." and "2 rows skipped, such as" in table.notes[1]


def test_libffm_text_with_its_labels(tmp_path):
    random = np.random.default_rng(1)
    labels = random.integers(0, 2, 300)
    lines = [f"{label} 0:{random.integers(0, 8)}:1 1:{random.integers(0, 5)}:1" for label in labels]
    raw = {split: tmp_path / f"{split}.ffm" for split in ("train", "valid", "test")}
    for split, part in zip(raw, (lines[:100], lines[100:200], lines[200:]), strict=True):
        raw[split].write_text("\n".join(part) + "\n")
    schema = {"label": "label", "fields": ["field0", "field1"], "format": "libffm"}
    folder, predicted, *_ = prepared_run(tmp_path, raw, schema)
    found = score_table([folder], lambda encoding: source_like([raw["test"]], encoding.table), Slices(["field1"]))
    assert found.runs[0].rows.labels.tolist() == labels[200:].tolist()
    np.testing.assert_allclose(found.runs[0].rows.scores, predicted, rtol=2e-6)
    assert len(found.slicings[0].texts) == 5
