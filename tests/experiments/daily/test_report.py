"""The report of a rolling evaluation, with means worked by hand."""

from ctrzoo.experiments.daily.report import write_daily
from ctrzoo.experiments.daily.rolling import WAYS


def test_means_over_seeds_and_days(tmp_path):
    rows = [
        {
            "seed": seed,
            "day": day,
            "way": way,
            "auc": 0.5 + 0.1 * seed + 0.01 * day,
            "calibration": 1.0,
            "log_loss": 0.5,
        }
        for seed in (0, 1)
        for day in (1, 2)
        for way in WAYS
    ]
    write_daily(rows, tmp_path, "Two days")
    text = (tmp_path / "daily.md").read_text()
    assert text.startswith("# Two days\n") and "Means over 2 seed(s)" in text
    # Day 1: (0.51 + 0.61) / 2; day 2: (0.52 + 0.62) / 2.
    assert "| warm start on each day | 0.5600 | 0.5700 | 0.5650 |" in text
    assert (tmp_path / "daily.csv").read_text().count("\n") == 1 + len(rows)
    assert (tmp_path / "daily.png").read_bytes()[:4] == b"\x89PNG"
