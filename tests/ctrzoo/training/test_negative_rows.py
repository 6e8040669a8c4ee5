"""Models trained on a share of the negative rows predict the probabilities of all rows."""

import warnings

import numpy as np
import pandas as pd
import pytest

from ctrzoo import models
from ctrzoo.data_pipelines import load
from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from ctrzoo.metrics import calibration, log_loss
from ctrzoo.training import TrainingOptions, set_seed, train

ROWS, SHARE = 60_000, 0.1
OPTIONS = TrainingOptions(epochs=6, batch_size=512, learning_rate=0.02)
# About as many steps on a sixth of the rows.
PART = TrainingOptions(epochs=6, batch_size=80, learning_rate=0.02)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Clicks of known probabilities, 6% on average: the sigmoid of a score of the user and one of the item."""
    folder = tmp_path_factory.mktemp("clicks")
    random = np.random.default_rng(0)
    user, item = random.integers(0, 30, ROWS), random.integers(0, 12, ROWS)
    probability = 1 / (1 + np.exp(3.3 - random.normal(size=30)[user] - random.normal(size=12)[item]))
    clicks = (random.random(ROWS) < probability).astype(int)
    pd.DataFrame({"user": user, "item": item, "click": clicks}).to_csv(folder / "rows.csv", index=False)
    schema = {"label": "click", "fields": ["user", "item"], "split": {"train": 0.4, "valid": 0.1, "test": 0.5}}
    for name, negatives in (("whole", 1), ("part", SHARE)):
        prepare_own_table(folder / name, name, folder / "rows.csv", {**schema, "negatives": negatives})
    prepare_own_table(
        folder / "grouped", "grouped", folder / "rows.csv", {**schema, "negatives": SHARE, "group": "user"}
    )
    return folder


def trained(data, options=PART, **arguments):
    set_seed(1)
    model = models.build("lr", data.schema, **arguments)
    return model, train(model, data, options)


def test_probabilities_are_those_of_a_model_of_all_rows(table):
    whole, part = load(table / "whole"), load(table / "part")
    assert part.num_positives == whole.num_positives and part.num_rows["test"] == whole.num_rows["test"]
    assert part.num_rows["train"] < 0.2 * whole.num_rows["train"]
    of_all, _ = trained(whole, OPTIONS)
    corrected, result = trained(part, negative_rate=part.negative_rate)
    features, labels = whole.arrays("test")
    scores = {"all": of_all.predict(features, verbose=0), "corrected": corrected.predict(features, verbose=0)}
    p = scores["corrected"].astype(np.float64)
    scores["uncorrected"] = p / (p + (1 - p) * SHARE)  # the equation, solved for what training saw
    losses = {name: log_loss(labels, score) for name, score in scores.items()}
    ratios = {name: calibration(labels, score) for name, score in scores.items()}
    print(losses, ratios)
    # Three standard deviations of a ratio, by the counts of rows that it depends on.
    clicks = [whole.num_positives[split] for split in ("train", "test")]
    negatives = part.num_rows["train"] - part.num_positives["train"]
    noise, thinned = (3 * np.sqrt(np.sum(1 / np.array(counts))) for counts in (clicks, [*clicks, negatives]))
    assert abs(ratios["all"] - 1) < noise and abs(ratios["corrected"] - 1) < thinned
    assert abs(losses["corrected"] - losses["all"]) < 0.002
    assert ratios["uncorrected"] > 4 and losses["uncorrected"] > losses["all"] + 0.1
    # Training rows are measured as all rows.
    assert abs(result["history"][-1]["train_calibration"] - 1) < thinned
    assert abs(result["history"][-1]["train_log_loss"] - losses["all"]) < 0.01


def test_the_loss_is_that_of_the_rows_that_training_sees(table):
    """The correction changes no step: the weights are those of a model without it."""
    part = load(table / "part")
    once = TrainingOptions(epochs=1, batch_size=80, learning_rate=0.02)  # the best epochs of more might differ
    corrected, _ = trained(part, once, negative_rate=SHARE)
    with pytest.warns(UserWarning, match="Build it with negative_rate=0.1"):
        plain, result = trained(part, once)
    for ours, theirs in zip(corrected.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert result["test"]["calibration"] > 4


def test_groups_and_their_metrics_stay(table):
    data = load(table / "grouped")
    _, result = trained(data, negative_rate=data.negative_rate)
    assert 0.5 < result["history"][-1]["train_grouped_auc"] < 1


def test_no_warning_where_rates_agree(table):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        data = load(table / "part")
        train(models.build("lr", data.schema, negative_rate=SHARE), data, TrainingOptions(epochs=1))


def test_regression_on_a_share_of_the_negatives_is_refused(table):
    data = load(table / "part")
    with pytest.raises(ValueError, match="would be too high"):
        train(models.build("lr", data.schema, task="regression"), data, OPTIONS)
