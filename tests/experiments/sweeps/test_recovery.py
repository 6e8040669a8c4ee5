"""The share of planted pairs that the models of a sweep found."""

import csv
import json

import numpy as np
import pytest

from ctrzoo import data_pipelines, models
from ctrzoo.experiments.sweeps.recovery import recover


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
