"""What is measured: point values of the metrics, intervals of the resamples, and which test compares runs."""

import math
import pathlib

import numpy as np
import pytest

from ctrzoo.experiments.evaluation.measure import measure, measure_slices, metrics_to_measure
from ctrzoo.experiments.evaluation.scored import ScoredRun
from ctrzoo.experiments.evaluation.slices import Slicing
from ctrzoo.metrics import Scored, auc, bootstrap, delong, log_loss, metric_of, percentile_interval
from ctrzoo.tasks import task_of

NAMES = ["auc", "log_loss"]


def runs_of(count=2, size=200, groups=None, weights=None, task="classification"):
    random = np.random.default_rng(3)
    labels = (random.random(size) < 0.3).astype(np.float32)
    return [
        ScoredRun(pathlib.Path(f"run{number}"), "fm", task, Scored(labels, scores, weights, groups))
        for number, scores in enumerate((random.random((count, size)) * 0.6 + labels * 0.3).astype(np.float32))
    ]


def test_values_and_intervals():
    runs = runs_of()
    found = measure(runs, NAMES, 150, seed=4)
    drawn = bootstrap([run.rows for run in runs], NAMES, 150, seed=4)
    for number, run in enumerate(runs):
        estimates = found.metrics[number]
        assert estimates["auc"].value == auc(run.rows.labels, run.rows.scores)
        assert estimates["log_loss"].value == log_loss(run.rows.labels, run.rows.scores)
        for place, name in enumerate(NAMES):
            assert estimates[name][1:3] == percentile_interval(drawn[:, number, place])
    assert found.notes == []


@pytest.mark.parametrize("units", ["rows", "weights", "groups"])
def test_delong_compares_aucs_of_independent_unweighted_rows_only(units):
    weights = np.full(200, 2, np.float32) if units == "weights" else None
    runs = runs_of(groups=np.arange(200) // 4 if units == "groups" else None, weights=weights)
    first, second = measure(runs, NAMES, 200, seed=1).differences
    assert first.test == ("DeLong" if units == "rows" else "paired bootstrap") and second.test == "paired bootstrap"
    expected = delong(runs[0].rows.labels, [run.rows.scores for run in runs]).difference(0, 1)
    assert first.value == pytest.approx(expected[0])
    # The bootstrap agrees with DeLong's test but for the noise of 200 resamples.
    assert first.low == pytest.approx(expected[1], abs=0.02) and first.high == pytest.approx(expected[2], abs=0.02)
    assert first.p == pytest.approx(expected[3], abs=0.15) and first.p == first.p_holm


def test_every_pair_is_compared_and_corrected_metric_by_metric():
    found = measure(runs_of(4), NAMES, 100, seed=1).differences
    assert [(each.metric, each.run, each.other) for each in found[:6]] == [
        ("auc", run, other) for run in range(4) for other in range(run + 1, 4)
    ]
    for of_metric in (found[:6], found[6:]):
        smallest = min(of_metric, key=lambda each: each.p)
        assert smallest.p_holm == pytest.approx(min(1, 6 * smallest.p))
        assert all(each.p <= each.p_holm <= 1 for each in of_metric)


def test_one_class_is_said():
    (run,) = runs_of(1)
    rows = Scored(np.zeros(200), run.rows.scores)
    found = measure([ScoredRun(run.folder, "fm", run.task, rows)], ["auc", "log_loss", "calibration", "pr_auc"], 100, 0)
    auc_found = found.metrics[0]["auc"]
    assert math.isnan(auc_found.value) and math.isnan(auc_found.low) and auc_found.undefined == 100
    assert found.notes == ["Not defined: AUC, calibration, PR-AUC (all rows are negative)."]
    assert not math.isnan(found.metrics[0]["log_loss"].low)
    two = measure([ScoredRun(pathlib.Path(name), "fm", run.task, rows) for name in "ab"], ["auc"], 100, 0).differences
    assert math.isnan(two[0].p) and math.isnan(two[0].p_holm) and math.isnan(two[0].value)


def test_slices_are_measured_on_their_own():
    runs = runs_of()
    slicing = Slicing("ad", np.arange(200) % 3, ["x", "y", "(4 others)"], 4)
    done = []
    table = measure_slices(runs, [slicing], 100, 5, done.append)
    assert done == [67, 67, 66] and len(table) == 6
    assert [(row["slice"], row["values"], row["run"], row["rows"]) for row in table[-2:]] == [
        ("(4 others)", 4, "run0", 66),
        ("(4 others)", 4, "run1", 66),
    ]
    own = np.arange(200) % 3 == 1
    rows = Scored(runs[1].rows.labels[own], runs[1].rows.scores[own])
    drawn = bootstrap([rows], ["auc"], 100, 5)[:, 0, 0]
    assert table[3]["auc"] == auc(rows.labels, rows.scores) and table[3]["slice"] == "y"
    assert (table[3]["auc_low"], table[3]["auc_high"]) == percentile_interval(drawn)
    assert table[3]["mean_label"] == pytest.approx(rows.labels.mean()) and table[3]["groups"] is None


def test_slices_of_one_class_or_without_weight_are_not_defined():
    runs = runs_of(1, weights=np.r_[np.zeros(100), np.ones(100)].astype(np.float32))
    by_weight = Slicing("w", np.arange(200) // 100, ["none", "all"], 0)
    none, all_rows = measure_slices(runs, [by_weight], 100, 0)
    assert none["auc"] is none["mean_label"] is none["log_loss"] is None and all_rows["auc"] > 0
    by_label = Slicing("l", runs[0].rows.labels.astype(int), ["0", "1"], 0)
    zeros, ones = measure_slices(runs_of(1), [by_label], 100, 0)
    assert zeros["auc"] is ones["auc"] is zeros["calibration"] is None
    assert zeros["auc_undefined"] == ones["auc_undefined"] == 100
    assert zeros["log_loss_undefined"] == ones["calibration_undefined"] == 0
    assert zeros["mean_label"] == 0 and ones["mean_label"] == 1 and ones["calibration"] > 0 and zeros["log_loss"] > 0


@pytest.mark.parametrize(
    ("task", "names"), [("regression", ["rmse", "mae"]), ("ranking", ["ndcg@10", "mrr", "grouped_auc"])]
)
def test_slices_of_other_tasks(task, names):
    runs = runs_of(1, groups=np.arange(200) // 20, task=task)
    (row,) = measure_slices(runs, [Slicing("all", np.zeros(200, np.int64), ["all"], 0)], 100, 0)
    ends = ("", "_low", "_high", "_undefined")
    assert list(row)[6:] == [name + end for name in ["mean_label", *names] for end in ends]
    assert row["groups"] == 10 and all(row[name] is not None for name in row)


def test_the_metrics_are_those_that_training_reports():
    task = task_of("classification")
    assert metrics_to_measure(task, False) == [*task.metrics, *task.final_metrics]
    assert metrics_to_measure(task, True, [None, "pr_auc"]) == [
        *task.metrics,
        "grouped_auc",
        "pr_auc",
        "normalized_entropy",
        "calibration_error",
    ]


def coverage(name, truth, simulations=60, resamples=100, rows=500):
    """How often percentile intervals and bias-corrected ones hold the truth, of a calibrated model."""
    held = np.zeros(2)
    for seed in range(simulations):
        random = np.random.default_rng(seed)
        scores = 1 / (1 + np.exp(-random.normal(-1.5, 1, rows)))
        scored = Scored((random.random(rows) < scores).astype(int), scores)
        low, high = percentile_interval(bootstrap([scored], [name], resamples, seed)[:, 0, 0])
        value = metric_of(name).function(scored)
        held += low <= truth <= high, max(0, 2 * value - high) <= truth <= 2 * value - low
    return held / simulations


def test_intervals_of_the_calibration_error_would_not_hold_it():
    percentile, corrected = coverage("calibration_error", 0.0)
    assert percentile == 0 and corrected < 0.6
    random = np.random.default_rng(0)
    shares = 1 / (1 + np.exp(-random.normal(-1.5, 1, 1_000_000)))
    log_loss = -np.mean(shares * np.log(shares) + (1 - shares) * np.log1p(-shares))
    assert min(coverage("log_loss", log_loss, 300, 200)) > 0.9  # by the same simulation, others do
