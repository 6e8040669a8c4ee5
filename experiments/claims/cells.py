"""The cells of GraphFM's Table 2, our runs of it, and the test of a difference."""

from __future__ import annotations

import csv
import pathlib
import statistics
from collections.abc import Sequence

from scipy.stats import ttest_ind_from_stats

from ..published import read_published

TITLES = {"auc": "AUC", "log_loss": "log loss"}
RESULTS = pathlib.Path(__file__).parents[1] / "results" / "table2" / "results.csv"
BEST = "graphfm"
# Metrics of each label: printed numbers, or those of all seeds.
Cells = dict[str, dict[str, float]]
Runs = dict[str, dict[str, list[float]]]


def printed_cells() -> dict[str, Cells]:
    """Return the printed metrics of each label, by data set.

    >>> printed_cells()["movielens_1m"]["graphfm"]
    {'auc': 0.8535, 'log_loss': 0.3716}
    """
    cells: dict[str, Cells] = {}
    for row in read_published("graphfm_table2").to_dict("records"):
        numbers = {metric: float(row[metric]) for metric in TITLES}
        cells.setdefault(row["dataset"], {})[row["label"]] = numbers
    return cells


def read_runs(path: pathlib.Path = RESULTS) -> tuple[str, Runs]:
    """Return the data set, and the test metrics of each label by seed, of the finished runs of a sweep's `results.csv`.

    Raises:
        ValueError: If there are several data sets or none, or no run of GraphFM.
    """
    with open(path, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["state"] == "finished"]
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    if len(datasets) != 1:
        raise ValueError(f"{path} must have finished runs of one data set. It has: {', '.join(datasets) or 'none'}.")
    runs: Runs = {}
    for row in rows:
        found = runs.setdefault(row["label"], {metric: [] for metric in TITLES})
        for metric, numbers in found.items():
            numbers.append(float(row[f"test_{metric}"]))
    if BEST not in runs:
        raise ValueError(f"{path} must have runs labelled {BEST}. It has: {', '.join(runs)}.")
    return datasets[0], runs


def welch(higher: Sequence[float], lower: Sequence[float], margin: float = 0.0) -> float | None:
    """Return p of Welch's two-sided t-test of whether two means differ by something else than the margin.

    Args:
        higher: The metric of each seed of one model.
        lower: The metric of each seed of the other model.
        margin: The difference of the means under the null hypothesis.

    Returns:
        The p value; None with fewer than two seeds of a model.

    >>> round(welch([0.810, 0.812], [0.800, 0.802]), 4)
    0.0194
    """
    if min(len(higher), len(lower)) < 2:
        return None
    first, second = ((statistics.fmean(values), statistics.stdev(values), len(values)) for values in (higher, lower))
    if first[1] == second[1] == 0:  # the test divides by deviations
        return float(first[0] - second[0] == margin)
    return float(ttest_ind_from_stats(first[0] - margin, *first[1:], *second, equal_var=False).pvalue)
