"""The tables as texts."""

from ctrzoo.experiments.evaluation.tables import difference_table, estimate_text, metric_table, p_text, slice_table

AUC = {"value": 0.81236, "low": 0.8, "high": 0.82, "undefined": 0}
UNKNOWN = {"value": None, "low": None, "high": None, "undefined": 9}
DIFFERENCE = {
    "metric": "auc",
    "run": "a",
    "other": "b",
    "difference": 0.0123456,
    "low": -0.1,
    "high": 0.2,
    "p": 0.04321,
}
SLICE = {"by": "ad", "slice": "x", "values": 1, "rows": 1234, "groups": None, "run": "a"}
SLICE |= {
    "mean_label": 0.5,
    "mean_label_low": 0.4,
    "mean_label_high": 0.6,
    "auc": None,
    "auc_low": None,
    "auc_high": None,
}


def test_estimates():
    assert estimate_text("{:.2f}", 0.5, float("nan"), float("nan")) == "0.50 [not defined]"
    assert estimate_text("{:.2f}", float("nan"), 0, 1) == "not defined"
    assert estimate_text("{:.2f}", 0.5, 0.4, 0.6, with_interval=False) == "0.50"
    assert [p_text(p) for p in (1.0, 0.0499, 0.0001, 0.0, float("nan"))] == [
        "1",
        "0.05",
        "0.0001",
        "<0.0001",
        "not defined",
    ]


def test_metrics_of_runs():
    runs = [{"run": name, "metrics": {"auc": AUC, "calibration": UNKNOWN}} for name in ("a", "b")]
    assert metric_table({"runs": runs}) == [
        {"metric": "AUC", "a": "0.8124 [0.8000, 0.8200]", "b": "0.8124 [0.8000, 0.8200]"},
        {"metric": "calibration", "a": "not defined", "b": "not defined"},
    ]


def test_corrected_p_values_are_shown_of_more_than_two_runs():
    difference = DIFFERENCE | {"p_holm": 0.08642, "test": "DeLong"}
    row = {"metric": "AUC", "runs": "a - b", "difference": "+0.01235 [-0.10000, +0.20000]", "p": "0.043"}
    assert difference_table({"runs": [1, 2], "differences": [difference]}) == [row | {"test": "DeLong"}]
    corrected = row | {"p, corrected": "0.086", "test": "DeLong"}
    assert difference_table({"runs": [1, 2, 3], "differences": [difference]}) == [corrected]


def test_slices():
    (row,) = slice_table([SLICE], "classification")
    assert row == {"ad": "x", "rows": "1,234", "base rate": "0.5000 [0.4000, 0.6000]", "AUC": "not defined"}
    rows = slice_table([SLICE | {"groups": 7}, SLICE | {"groups": 7, "run": "b"}], "regression", with_intervals=False)
    assert rows[1] == {"ad": "x", "rows": "1,234", "groups": "7", "run": "b", "mean label": "0.5000"}
