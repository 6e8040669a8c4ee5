"""What is measured of scored rows: metrics with intervals, differences of runs with p-values, metrics of slices."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ctrzoo.metrics import (
    Scored,
    bootstrap,
    bootstrap_p_value,
    delong,
    evaluate_scores,
    holm,
    metric_of,
    percentile_interval,
)
from ctrzoo.metrics.resampled import MEAN_LABEL
from ctrzoo.tasks import Task

from .scored import ScoredRun
from .slices import Slicing, rows_in

# What is measured of a slice, by task; and what the mean label is called.
OF_SLICES = {
    "classification": (MEAN_LABEL, "auc", "log_loss", "calibration"),
    "regression": (MEAN_LABEL, "rmse", "mae"),
    "ranking": (MEAN_LABEL, "ndcg@10", "mrr", "grouped_auc"),
}
MEAN_LABELS = {"classification": "base rate", "regression": "mean label", "ranking": "mean grade"}
# The noise of labels raises the calibration error, and resamples add noise of their own. In simulations, percentile
# intervals held the error without noise in 0 to 95 % of cases and bias-corrected ones in 30 to 95 %, least for models
# that are calibrated. Differences of runs would inherit that, as noise raises a small error more than a large one.
WITHOUT_INTERVALS = ("calibration_error",)
DELONG, BOOTSTRAP = "DeLong", "paired bootstrap"


class Estimate(NamedTuple):
    """A metric with its 95% interval.

    Args:
        value: The metric, NaN if it is not defined.
        low: Where the interval begins, NaN if it is not defined, or the metric is one of `WITHOUT_INTERVALS`.
        high: Where it ends.
        undefined: In how many resamples the metric was not defined.
    """

    value: float
    low: float
    high: float
    undefined: int


class Difference(NamedTuple):
    """How much a metric of two runs differs.

    Args:
        metric: The name of the metric.
        run: The index of the first run.
        other: The index of the run whose metric is subtracted.
        value: The difference.
        low: Where its 95% interval begins.
        high: Where it ends.
        p: The p-value of no difference.
        p_holm: The p-value, corrected for the pairs of runs of this metric.
        test: `DELONG` or `BOOTSTRAP`.
    """

    metric: str
    run: int
    other: int
    value: float
    low: float
    high: float
    p: float
    p_holm: float
    test: str


class Measured(NamedTuple):
    """What was measured of all rows.

    Args:
        metrics: The estimates of each run, a list of `{name: Estimate}`.
        differences: Those of each metric and pair of runs, metric by metric.
        notes: Which metrics are not defined, and why.
    """

    metrics: list[dict[str, Estimate]]
    differences: list[Difference]
    notes: list[str]


def metrics_to_measure(task: Task, has_groups: bool, monitored: Iterable[str | None] = ()) -> list[str]:
    """Return the names of the metrics that training reports at its end.

    Args:
        task: The task of the runs.
        has_groups: Whether rows have groups.
        monitored: What the training of each run watched, if it was not what the task watches.

    >>> from ctrzoo.tasks import task_of
    >>> metrics_to_measure(task_of("regression"), False, ["mse"])
    ['rmse', 'mae', 'mse']
    """
    grouped = task.metrics_of_groups if has_groups else ()
    watched = [name for name in monitored if name]
    return list(dict.fromkeys([*task.metrics, *grouped, *watched, task.monitor, *task.final_metrics]))


def measure(
    runs: Sequence[ScoredRun],
    names: Sequence[str],
    resamples: int,
    seed: int,
    advance: Callable[[], object] | None = None,
) -> Measured:
    """Measure runs on all rows.

    The AUCs of two runs are compared by DeLong's test if rows have neither weights nor groups. Otherwise, and for the
    other metrics, resamples are compared. Metrics of `WITHOUT_INTERVALS` are not.

    Args:
        runs: The runs; their rows differ only in the scores.
        names: Names of metrics.
        resamples: Resamples of the bootstrap.
        seed: Their seed.
        advance: Called after each resample.

    Raises:
        ValueError: If a metric cannot be computed, such as without groups.
    """
    rows = [run.rows for run in runs]
    values, notes = [], []
    for run in runs:
        found, said = _values(run.rows, names)
        values.append(found)
        notes += said
    sampled = [name for name in names if name not in WITHOUT_INTERVALS]
    drawn = bootstrap(rows, sampled, resamples, seed, advance)
    metrics = [
        {name: Estimate(of_run[name], math.nan, math.nan, 0) for name in names}
        | {name: _estimate(of_run[name], drawn[:, run, place]) for place, name in enumerate(sampled)}
        for run, of_run in enumerate(values)
    ]
    differences = []
    for place, name in enumerate(sampled):
        of_pairs = [
            _difference(name, pair, [of_run[name] for of_run in values], drawn[:, :, place], rows)
            for pair in itertools.combinations(range(len(runs)), 2)
        ]
        corrected = holm([found.p for found in of_pairs])
        differences += [found._replace(p_holm=p) for found, p in zip(of_pairs, corrected, strict=True)]
    return Measured(metrics, differences, list(dict.fromkeys(notes)))


def _values(rows: Scored, names):
    """Return metrics by name, and why some are not defined."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of what is not defined, which the notes say together
        values = evaluate_scores(rows, names)
    titles = [metric_of(name).title for name, value in values.items() if math.isnan(value)]
    if not titles:
        return values, []
    counted = rows.labels if rows.weights is None else rows.labels[rows.weights > 0]
    why = (
        "all rows are negative"
        if not counted.any()
        else "all rows are positive"
        if counted.all()
        else "no group holds both classes"
    )
    return values, [f"Not defined: {', '.join(titles)} ({why})."]


def _estimate(value, drawn):
    return Estimate(value, *percentile_interval(drawn), int(np.isnan(drawn).sum()))


def _difference(name, pair, values, drawn, rows):
    run, other = pair
    first = rows[run]
    if name == "auc" and first.weights is None and first.groups is None and not math.isnan(values[run]):
        found = delong(first.labels, [first.scores, rows[other].scores]).difference(0, 1)
        return Difference(name, run, other, *found, math.nan, DELONG)
    between = drawn[:, run] - drawn[:, other]
    ends = percentile_interval(between)
    return Difference(
        name, run, other, values[run] - values[other], *ends, bootstrap_p_value(between), math.nan, BOOTSTRAP
    )


def measure_slices(
    runs: Sequence[ScoredRun],
    slicings: Sequence[Slicing],
    resamples: int,
    seed: int,
    advance: Callable[[int], object] | None = None,
) -> list[dict[str, Any]]:
    """Measure runs on each slice; rows are resampled within it.

    Args:
        runs: The runs; their rows differ only in the scores.
        slicings: How the rows are divided.
        resamples: Resamples of each slice.
        seed: Their seed.
        advance: Called with the number of rows of each slice that is done.

    Returns:
        Rows of a table: `by`, `slice`, `values` (how many the slice pools), `rows`, `groups` (None without any), `run`,
        and of each metric its name, `_low` and `_high`, None where it is not defined, and `_undefined`: in how many
        resamples it was not.
    """
    table, names = [], OF_SLICES[runs[0].task]
    has_groups = runs[0].rows.groups is not None
    names = [name for name in names if has_groups or name == MEAN_LABEL or not metric_of(name).needs_groups]
    for slicing in slicings:
        for place, (text, numbers) in enumerate(slicing.rows()):
            of_runs = [rows_in(run.rows, numbers) for run in runs]
            drawn = bootstrap(of_runs, names, resamples, seed)
            is_pool = slicing.pooled and place == len(slicing.texts) - 1
            groups = of_runs[0].groups
            for run, rows in enumerate(of_runs):
                row = {"by": slicing.name, "slice": text, "values": slicing.pooled if is_pool else 1}
                row |= {"rows": len(numbers), "groups": None if groups is None else len(np.unique(groups))}
                row["run"] = str(runs[run].folder)
                for column, name in enumerate(names):
                    value = _value(rows, name)
                    low, high = percentile_interval(drawn[:, run, column])
                    for key, number in ((name, value), (f"{name}_low", low), (f"{name}_high", high)):
                        row[key] = None if math.isnan(number) or math.isnan(value) else number
                    row[f"{name}_undefined"] = int(np.isnan(drawn[:, run, column]).sum())
                table.append(row)
            if advance:
                advance(len(numbers))
    return table


def _value(rows, name):
    if rows.weights is not None and not rows.weights.any():
        return math.nan
    if name == MEAN_LABEL:
        weights = None if rows.weights is None else rows.weights.astype(np.float64)
        return float(np.average(rows.labels.astype(np.float64), weights=weights))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of one class; the table shows that the metric is not defined
        return metric_of(name).function(rows)
