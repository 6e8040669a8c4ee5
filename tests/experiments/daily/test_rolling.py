"""Three days in three ways: what each is trained on and tested on."""

import json

import keras
import numpy as np

from ctrzoo.data_pipelines import load
from ctrzoo.experiments.daily import rolling
from ctrzoo.experiments.daily.drift import SCHEMA, drifting_days
from ctrzoo.metrics import auc, calibration

SETTINGS = {"model": "lr", "epochs": 1, "batch_size": 64, "learning_rate": 0.05, "seed": 3}


def test_three_ways(tmp_path, monkeypatch):
    days = drifting_days(3, 300, 600, seed=0)
    rows = rolling.roll(days, SCHEMA, SETTINGS, tmp_path)
    assert [(row["day"], row["way"]) for row in rows] == [(day, way) for day in (1, 2) for way in rolling.WAYS]
    first, second = rows[:3], rows[3:]
    # On the first day, the three are one model.
    assert len({(row["auc"], row["log_loss"]) for row in first[:2]}) == 1
    np.testing.assert_allclose(first[0]["auc"], first[2]["auc"], rtol=1e-6)
    assert len({row["auc"] for row in second}) == 3
    sizes = {name: load(tmp_path / "data" / name).num_rows for name in ("warm_00", "warm_01", "scratch_01")}
    assert sizes == {
        "warm_00": {"train": 540, "valid": 60, "test": 300},
        "warm_01": {"train": 270, "valid": 30, "test": 300},
        "scratch_01": {"train": 810, "valid": 30, "test": 300},
    }
    earlier = json.loads((tmp_path / "runs" / "warm_01" / "experiment.json").read_text())["settings"]["warm_start"]
    assert earlier.endswith("runs/warm_00")
    # The metrics are those of the next day's rows, in any encoding.
    for row, name in ((second[0], "warm_01"), (second[1], "scratch_01"), (second[2], "warm_00")):
        model = keras.models.load_model(tmp_path / "runs" / name / "model.keras")
        features = load(tmp_path / "data" / name).encoding.features(days[2])
        scores, labels = model.predict(features, verbose=0)[:, 0], days[2]["click"].to_numpy()
        np.testing.assert_allclose(row["auc"], auc(labels, scores), rtol=1e-6)
        np.testing.assert_allclose(row["calibration"], calibration(labels, scores), rtol=1e-5)
    # What is finished is not trained again.
    monkeypatch.setattr(rolling, "run_experiment", None)
    assert rolling.roll(days, SCHEMA, SETTINGS, tmp_path) == rows
