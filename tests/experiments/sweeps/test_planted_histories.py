"""The table of models and ceilings, and what the committed runs say of planted histories."""

import csv
import json
import pathlib

import pytest

from ctrzoo.data_pipelines import load, prepare
from ctrzoo.experiments.configs.sweeps.histories import BLIND, DIN, PLACES, PRODUCT, TRUE, WITHOUT
from ctrzoo.experiments.sweeps.planted_histories import write_histories

LABELS = (WITHOUT, BLIND, PRODUCT, DIN, PLACES, TRUE)
RESULTS = pathlib.Path(__file__).resolve().parents[3] / "experiments" / "results" / "histories"


def row_of(label, auc, state="finished"):
    """A row of a sweep's results."""
    row = {"dataset": "synthetic", "label": label, "variant": "", "choices": {}, "group": label, "seed": 1}
    row |= {"state": state, "test_auc": auc, "valid_auc": auc, "seconds": 1.0}
    return row | dict.fromkeys(("best_epoch", "epochs", "num_parameters", "seconds_per_epoch"), 1)


def test_models_and_ceilings_are_in_one_order(tmp_path):
    folder = prepare("synthetic", tmp_path / "data", num_rows=1000, histories=True)
    truth = load(folder).truth
    (tmp_path / "sweep" / "a" / "seed_1").mkdir(parents=True)
    (tmp_path / "sweep" / "a" / "seed_1" / "experiment.json").write_text(json.dumps({"data": {"folder": str(folder)}}))
    rows = [row_of("a", 0.999), row_of("b", 0.1), row_of("c", None, "open")]
    write_histories(rows, tmp_path / "sweep")
    text = (tmp_path / "sweep" / "histories.md").read_text()
    aucs = [float(line.split("|")[3]) for line in text.splitlines() if line.startswith("| ") and "0." in line]
    assert aucs == sorted(aucs) and aucs[0] == 0.1 and aucs[-1] == 0.999
    for name in ("bayes", "order_free", "no_history"):
        assert f"{truth[name]['test']['auc']:.4f}" in text
    assert "2 of 3 runs are finished" in text
    (tmp_path / "sweep" / "a" / "seed_1" / "experiment.json").unlink()
    write_histories(rows, tmp_path / "sweep")  # the ceilings are stored


def test_data_without_ceilings_are_refused(tmp_path):
    folder = prepare("synthetic", tmp_path / "data", num_rows=1000)
    (tmp_path / "a" / "seed_1").mkdir(parents=True)
    (tmp_path / "a" / "seed_1" / "experiment.json").write_text(json.dumps({"data": {"folder": str(folder)}}))
    with pytest.raises(ValueError, match="The ceilings of synthetic are unknown. Sweep over .* with histories=true"):
        write_histories([row_of("a", 0.5)], tmp_path)


def test_the_committed_runs_are_in_the_order_of_what_they_know():
    with open(RESULTS / "results.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["state"] == "finished"]
    ceilings = json.loads((RESULTS / "ceilings.json").read_text(encoding="utf-8"))
    aucs = {label: [float(row["test_auc"]) for row in rows if row["label"] == label] for label in LABELS}
    assert all(aucs.values())
    assert max(aucs[WITHOUT]) < ceilings["no_history"]
    assert max(aucs[BLIND]) < min(aucs[DIN]) - 0.03
    assert max(aucs[BLIND] + aucs[PRODUCT] + aucs[DIN]) < ceilings["order_free"] < min(aucs[PLACES])
    assert max(max(found) for found in aucs.values()) < ceilings["bayes"]
