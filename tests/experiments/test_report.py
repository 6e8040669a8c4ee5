"""The report of an experiment as Markdown."""

import types

import pytest

from ctrzoo.experiments.report import report
from ctrzoo.experiments.settings import Settings

SCORES = {"auc": 0.75, "log_loss": 0.5, "calibration": 1.0}
HISTORY = [
    {"epoch": 1, "loss": 0.6, "train_auc": 0.7, "train_log_loss": 0.6, "valid_auc": 0.71, "valid_log_loss": 0.55},
    {"epoch": 2, "loss": 0.4, "train_auc": 0.8, "train_log_loss": 0.4, "valid_auc": 0.72, "valid_log_loss": 0.54},
]


def text_of(bayes=None, **test):
    metrics = {"test": {**SCORES, **test}, "best_epoch": 2, "epochs": 2, "seconds_per_epoch": 1.25}
    metrics |= {"rows_per_second": 12345.6, "num_parameters": 1234}
    results = {
        "dataset": "small",
        "models": {"fm": metrics, "lr": metrics},
        "bayes": bayes,
        "notes": ["A note."],
        "monitor": "log_loss",
    }
    schema = types.SimpleNamespace(num_fields=4, num_ids=1841)
    data = types.SimpleNamespace(num_rows={"train": 8000, "test": 1000}, schema=schema)
    return report(Settings(model="fm"), data, results, {"fm": HISTORY, "lr": HISTORY})


def test_models_epochs_and_settings():
    lines = text_of().splitlines()
    assert lines[0] == "# fm on small" and lines[2].startswith("train 8,000, test 1,000 rows, 4 fields, 1,841 ids.")
    assert "| fm | 0.7500 | 0.5000 | 1.000 | 2 | 2 | 1.2 | 12,346 | 1,234 |" in lines
    assert "| lr | 0.7500 | 0.5000 | 1.000 | 2 | 2 | 1.2 | 12,346 | 1,234 |" in lines
    assert "A note." in lines and "- model: `fm`" in lines
    # The training log loss stands once, as the loss.
    assert "| epoch | loss | train AUC | valid AUC | valid log loss |" in lines
    assert "| 1 | 0.6000 | 0.7000 | 0.7100 | 0.5500 |" in lines


def test_every_table_has_as_many_cells_in_each_row():
    tables = [[]]
    for line in text_of(bayes=SCORES).splitlines():
        tables[-1].append(line) if line.startswith("|") else tables.append([])
    tables = [table for table in tables if table]
    assert len(tables) == 2
    for table in tables:
        assert len({line.count("|") for line in table}) == 1


NO_AUC = {**SCORES, "auc": None}  # rows of one class


@pytest.mark.parametrize(
    ("bayes", "cells"), [(None, None), (SCORES, "0.7500 | 0.5000 | "), (NO_AUC, "nan | 0.5000 | ")]
)
def test_true_probabilities_stand_below_if_they_are_known(bayes, cells):
    found = [line for line in text_of(bayes).splitlines() if line.startswith("| true probabilities")]
    assert found == ([] if cells is None else [f"| true probabilities | {cells} | | | | | |"])
