"""What is written and said of scored runs."""

import json
import pathlib

import numpy as np
import pytest

from ctrzoo.experiments.evaluation import evaluate_runs as evaluate_runs_module
from ctrzoo.experiments.evaluation.evaluate_runs import about, check_tasks, evaluate_runs
from ctrzoo.experiments.evaluation.measure import Estimate, Measured
from ctrzoo.experiments.evaluation.scored import ScoredRows, ScoredRun
from ctrzoo.experiments.evaluation.slices import Slicing
from ctrzoo.experiments.evaluation.tables import metric_table
from ctrzoo.metrics import Scored, expected_calibration_error

SOURCE = {"data": "data", "split": "test"}


def run_of(rows, folder="run", task="classification"):
    return ScoredRun(pathlib.Path(folder), "fm", task, rows)


def test_few_clicks_leave_resamples_out_and_that_is_said(tmp_path):
    labels = np.zeros(60)
    labels[:2] = 1
    rows = Scored(labels, np.random.default_rng(0).random(60))
    scored = ScoredRows([run_of(rows)], [], ["a note"], False)
    content, slices = evaluate_runs(scored, SOURCE, tmp_path / "out", 300, seed=1)
    undefined = content["runs"][0]["metrics"]["auc"]["undefined"]
    assert 20 < undefined < 70  # a resample has no click with probability exp(-2), 41 of 300
    assert content["notes"][0] == "a note" and slices == []
    assert (
        f"run: AUC is not defined in {undefined} of 300 resamples, which its interval leaves out." in content["notes"]
    )
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == content
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["metrics.json", "report.html"]
    again, _ = evaluate_runs(scored, SOURCE, tmp_path / "again", 300, seed=1)
    assert again == content
    other, _ = evaluate_runs(scored, SOURCE, tmp_path / "again", 300, seed=2)
    assert other["runs"][0]["metrics"]["auc"]["low"] != content["runs"][0]["metrics"]["auc"]["low"]


def test_slices_of_few_clicks_leave_resamples_out_and_that_is_said(tmp_path):
    labels, slices = np.zeros(400), np.arange(400) % 3
    labels[[*range(0, 99, 3), 1]] = 1  # 33 clicks in x, one in y, none in z
    rows = Scored(labels, np.random.default_rng(0).random(400))
    scored = ScoredRows([run_of(rows)], [Slicing("ad", slices, list("xyz"), 0)], [], False)
    content, table = evaluate_runs(scored, SOURCE, tmp_path / "out", 300, seed=1)
    assert table[0]["auc_undefined"] == 0 and table[2]["auc_undefined"] == 300
    assert 75 < table[1]["auc_undefined"] < 150  # a resample has no click with probability exp(-1), 110 of 300
    assert table[1]["calibration_undefined"] == table[1]["auc_undefined"] and table[1]["log_loss_undefined"] == 0
    of_calibration, note = content["notes"]
    assert of_calibration.startswith("The calibration error has no interval")
    assert note.startswith("In 1 of 3 slices by ad, intervals leave out resamples in which a metric is not defined.")


def test_a_metric_outside_of_its_interval_is_said_to_be_shifted():
    metrics = [{"pr_auc": Estimate(0.3, 0.31, 0.4, 0), "auc": Estimate(0.7, 0.6, 0.69, 2), "mse": Estimate(1, 1, 1, 0)}]
    rows = Scored(np.array([0, 1]), np.array([0.1, 0.2]))
    said = list(evaluate_runs_module._of_resamples(Measured(metrics, [], []), [run_of(rows)], 100))
    assert said[0].startswith("run: PR-AUC is outside of its interval")
    assert said[0].endswith("too high.") and said[2].endswith("too low.")
    assert said[1].startswith("run: AUC is not defined in 2 of 100 resamples") and len(said) == 3


def test_the_calibration_error_has_no_interval(tmp_path):
    random = np.random.default_rng(5)
    scores = random.random(400)
    labels = (random.random(400) < scores).astype(int)
    runs = [run_of(Scored(labels, scores)), run_of(Scored(labels, scores**2))]
    content, _ = evaluate_runs(ScoredRows(runs, [], [], False), SOURCE, tmp_path / "out", 100)
    found = content["runs"][1]["metrics"]["calibration_error"]
    assert found["value"] == pytest.approx(expected_calibration_error(labels, scores**2))
    assert found["low"] is found["high"] is None
    assert {"auc", "log_loss"} <= {each["metric"] for each in content["differences"]}
    assert "calibration_error" not in {each["metric"] for each in content["differences"]}
    assert any(note.startswith("The calibration error has no interval") for note in content["notes"])
    (row,) = [row for row in metric_table(content) if row["metric"] == "calibration error"]
    assert "[" not in row["run"]


def test_the_sentences(tmp_path):
    labels, groups = np.arange(40) % 2, np.arange(40) // 4
    rows = Scored(labels, np.linspace(0, 1, 40), np.full(40, 2, np.float32), groups)
    content, slices = evaluate_runs(
        ScoredRows([run_of(rows)], [Slicing("ad", labels, ["x", "y"], 0)], [], True), SOURCE, tmp_path / "out", 100
    )
    first, second, third = about(content)
    assert first == "40 rows in 10 groups of the test split of data, base rate 0.5."
    assert second.startswith("Intervals hold 95% of the values of 100 bootstrap resamples of groups")
    assert third.startswith("Rows have weights, 80 in all")
    assert (content["weight"], content["base_rate"], content["groups"]) == (80, 0.5, 10)
    lines = (tmp_path / "out" / "slices.csv").read_text().splitlines()
    assert len(lines) == 3 and lines[0].startswith("by,slice,values,rows,groups,run,base_rate,base_rate_low")
    assert [row["slice"] for row in slices] == ["x", "y"]
    unweighted, _ = evaluate_runs(ScoredRows([run_of(rows)], [], [], False), {"table": "t.csv"}, tmp_path / "o", 100)
    assert unweighted["weight"] is None and about(unweighted)[0].startswith("40 rows in 10 groups of t.csv, base")
    assert len(about(unweighted)) == 2


def test_runs_of_several_tasks_are_refused():
    rows = Scored(np.zeros(2), np.zeros(2))
    check_tasks([run_of(rows), run_of(rows)])
    with pytest.raises(ValueError, match="one task can be compared. Received: a of classification and b of ranking"):
        check_tasks([run_of(rows, "a"), run_of(rows, "b", "ranking")])
