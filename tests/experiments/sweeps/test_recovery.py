"""The share of planted pairs that the models of a sweep found."""

import csv
import json
import pathlib
import shutil

import numpy as np
import pytest

from ctrzoo import data_pipelines, models
from ctrzoo.experiments.sweeps.recovery import recover

RESULTS = pathlib.Path(__file__).resolve().parents[3] / "experiments" / "results" / "recovery"


def test_what_was_measured_of_clicks_gives_the_stored_table(tmp_path):
    with open(RESULTS / "results.csv", newline="") as file:
        rows = [{**row, "state": "finished", "group": pathlib.Path(row["group"]).name} for row in csv.DictReader(file)]
    for row in rows:
        place = pathlib.Path(row["group"]) / f"seed_{row['seed']}"
        (tmp_path / place).mkdir(parents=True)
        shutil.copy(RESULTS / place / "recovery.json", tmp_path / place)
    recover(rows, tmp_path)
    for name in ("recovery.csv", "recovery.md"):
        assert (tmp_path / name).read_text() == (RESULTS / name).read_text()


def test_pairs_that_models_of_numbers_found(tmp_path):
    data = data_pipelines.load(data_pipelines.prepare("synthetic", tmp_path / "data", num_rows=2000))
    model = models.build("fm", data.schema, embedding_dim=4, task="regression")
    model.get_layer("embedding").table.assign(
        np.random.default_rng(0).normal(size=(data.schema.num_ids, 4)).astype("float32")
    )
    folder = tmp_path / "numbers" / "seed_1"
    folder.mkdir(parents=True)
    model.save(folder / "model.keras")
    (folder / "experiment.json").write_text(json.dumps({"data": {"folder": str(data.folder)}}))
    row = {"state": "finished", "label": "numbers", "group": "numbers", "seed": 1}
    recover([row], tmp_path)
    first = (tmp_path / "recovery.csv").read_text()
    assert first.splitlines()[0] == "label,seeds,mse,explanation,prediction difference,MSE interaction"
    head = "| model | seeds | MSE | by the model's explanation | by shuffling, prediction | by shuffling, MSE |"
    assert head in (tmp_path / "recovery.md").read_text(encoding="utf-8")
    (folder / "model.keras").unlink()  # what was measured is kept
    recover([row], tmp_path)
    assert (tmp_path / "recovery.csv").read_text() == first


def test_pairs_that_were_found_and_runs_that_are_not_there(tmp_path):
    data = data_pipelines.load(data_pipelines.prepare("synthetic", tmp_path / "data", num_rows=2000))
    schema, rows = data.schema, []
    for label in ("knowing", "blind"):
        model = models.build("fm", schema, embedding_dim=8)
        table = np.zeros((schema.num_ids, 8), "float32")
        for dimension, pair in enumerate(data.truth["pairs"] if label == "knowing" else ()):
            for name in pair:  # the fields of a planted pair, and they alone, share a dimension
                field = schema.names.index(name)
                first = schema.first_ids[field]
                table[first : first + schema.fields[field].vocabulary_size, dimension] = 1
        model.get_layer("embedding").table.assign(table)
        folder = tmp_path / label / "seed_1"
        folder.mkdir(parents=True)
        model.save(folder / "model.keras")
        (folder / "experiment.json").write_text(json.dumps({"data": {"folder": str(data.folder)}}))
        rows.append({"state": "finished", "label": label, "group": label, "seed": 1})
    recover(rows, tmp_path)
    for label in ("knowing", "blind"):  # what was measured is kept
        (tmp_path / label / "seed_1" / "model.keras").unlink()
    recover([*rows, {"state": "failed", "label": "failed", "group": "failed", "seed": 1}], tmp_path)
    with open(tmp_path / "recovery.csv", newline="") as file:
        found = {row["label"]: float(row["explanation"]) for row in csv.DictReader(file)}
    assert found == pytest.approx({"knowing": 1, "blind": 0})
    assert "| knowing | 1 |" in (tmp_path / "recovery.md").read_text(encoding="utf-8")
    assert (tmp_path / "recovery.png").stat().st_size > 1000
