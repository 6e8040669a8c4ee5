"""The cells of Table 2 and the t-test, by hand."""

import csv

import pytest

from ctrzoo.experiments.claims.cells import printed_cells, read_runs, welch


def test_printed_cells():
    cells = printed_cells()
    assert list(cells) == ["criteo", "avazu", "movielens_1m"] and {len(table) for table in cells.values()} == {12}
    assert cells["avazu"]["cin"] == {"auc": 0.7758, "log_loss": 0.3829}


def test_runs_of_each_label():
    dataset, runs = read_runs()
    assert dataset == "movielens_1m" and len(runs) == 19
    assert {label for label, found in runs.items() if len(found["auc"]) == 5} == {"graphfm", "graphfm (paper)"}
    assert round(runs["lr"]["auc"][1], 4) == 0.7752 and round(runs["lr"]["log_loss"][2], 4) == 0.4388


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", "graphfm", "finished"), ("b", "fm", "finished")], "runs of one data set. It has: a, b"),
        ([("a", "graphfm", "failed")], "It has: none"),
        ([("a", "fm", "finished")], "runs labelled graphfm. It has: fm"),
    ],
)
def test_results_that_do_not_suffice_are_refused(tmp_path, rows, message):
    with open(tmp_path / "results.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["dataset", "label", "state", "test_auc", "test_log_loss"])
        writer.writerows([*row, 0.8, 0.4] for row in rows)
    with pytest.raises(ValueError, match=message):
        read_runs(tmp_path / "results.csv")


@pytest.mark.parametrize(("margin", "thousandths"), [(0.0, 10), (0.01, 0), (0.02, 10)])
def test_p_by_hand(margin, thousandths):
    # Each variance is 2 (thousandths squared), so t = difference / sqrt(2 / 2 + 2 / 2), with two degrees of freedom.
    t = thousandths / 2**0.5
    expected = 1 - t / (t**2 + 2) ** 0.5
    assert welch([0.810, 0.812], [0.800, 0.802], margin) == pytest.approx(expected, abs=1e-9)


def test_no_spread():
    assert welch([0.8], [0.7, 0.6]) is None
    assert (welch([0.75, 0.75], [0.5, 0.5]), welch([0.75, 0.75], [0.5, 0.5], 0.25)) == (0.0, 1.0)
