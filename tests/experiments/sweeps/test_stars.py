"""The mean label of each group as a baseline, and the table that compares models with it."""

import json

import numpy as np
import pandas as pd
import pytest

from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from ctrzoo.experiments.sweeps.stars import group_means, write_stars


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"user": random.integers(0, 6, 90), "stars": random.integers(1, 6, 90), "part": "train"})
    frame.loc[60:, "part"] = "test"
    frame.loc[88:, "user"] = 99  # not in the training rows
    frame.to_csv(tmp_path / "rows.csv", index=False)
    label = {"column": "stars", "kind": "graded"}
    schema = {"label": label, "group": "user", "fields": ["user"], "split": {"column": "part"}}
    prepare_own_table(tmp_path / "data", "stars", tmp_path / "rows.csv", schema)
    return tmp_path, frame


def test_the_baseline_is_the_mean_of_the_group(folder):
    path, frame = folder
    train, test = frame[frame["part"] == "train"], frame[frame["part"] == "test"]
    predicted = test["user"].map(train.groupby("user")["stars"].mean()).fillna(train["stars"].mean())
    found = group_means(load(path / "data"))
    assert found["rmse"] == pytest.approx(np.sqrt(((predicted - test["stars"]) ** 2).mean()), rel=1e-6)
    assert found["mae"] == pytest.approx((predicted - test["stars"]).abs().mean(), rel=1e-6)
    assert found["grouped_auc"] == 0.5  # a constant score within each group


def test_the_table_has_the_tasks_that_are_finished(folder):
    path, _ = folder
    run = path / "sweep" / "group" / "seed_1"
    run.mkdir(parents=True)
    (run / "experiment.json").write_text(json.dumps({"data": {"folder": str(path / "data")}}))
    row = {"dataset": "stars", "label": "fm", "variant": "", "choices": {"task": "regression"}, "group": "group"}
    row |= {"seed": 1, "state": "finished", "test_rmse": 0.9, "test_mae": 0.7, "valid_rmse": 0.9, "seconds": 1.0}
    row |= dict.fromkeys(("best_epoch", "epochs", "num_parameters", "seconds_per_epoch"), 1)
    other = {**row, "state": "open", "choices": {"task": "ranking"}}
    write_stars([row, other], path / "sweep")
    text = (path / "sweep" / "stars.md").read_text()
    assert "| fm | 1/1 | 0.9000 | 0.7000 |" in text and "mean of the user's training ratings" in text
    assert "Ranking" not in text
