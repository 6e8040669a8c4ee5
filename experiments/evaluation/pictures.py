"""Pictures of an evaluation as PNG: calibration, ROC and precision-recall curves, a metric by slice."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from ctrzoo.metrics import Scored, metric_of
from ctrzoo.metrics.resampled import MEAN_LABEL
from ctrzoo.plot_text import plain
from ctrzoo.plots import LARGEST, STYLE, plot_calibration
from ctrzoo.unfinished import temporary_folder

from .measure import MEAN_LABELS, OF_SLICES
from .scored import ScoredRun

# A curve has at most so many points, more than a picture has columns of pixels.
POINTS = 1000


def calibration_picture(run: ScoredRun) -> bytes:
    """Return the calibration of a run, see `ctrzoo.plots.plot_calibration`."""
    with temporary_folder("picture") as folder:
        path = folder / "calibration.png"
        plot_calibration(run.rows.labels, run.rows.scores, path, plain([str(run.folder)])[0], run.rows.weights)
        return path.read_bytes()


def curves(rows: Scored) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the points of the ROC and the precision-recall curve, from the highest score to the lowest.

    Rows of equal scores are one point. Of more than `POINTS` points, equally spaced ones are left.

    Args:
        rows: Rows of both classes.

    Returns:
        False positive rate, recall and precision, each `(points,)`.

    >>> rows = Scored(np.array([0, 1, 1, 0]), np.array([0.1, 0.4, 0.8, 0.4]))
    >>> [values.round(2).tolist() for values in curves(rows)]
    [[0.0, 0.5, 1.0], [0.5, 1.0, 1.0], [1.0, 0.67, 0.5]]
    """
    order = np.argsort(-rows.scores.astype(np.float64), kind="stable")
    scores, labels = rows.scores[order], rows.labels[order]
    weights = np.ones(len(order)) if rows.weights is None else rows.weights[order].astype(np.float64)
    found, shown = np.cumsum(weights * (labels > 0)), np.cumsum(weights)
    ends = np.flatnonzero(np.r_[scores[1:] != scores[:-1], True])
    ends = ends[shown[ends] > 0]
    if len(ends) > POINTS:
        ends = ends[np.linspace(0, len(ends) - 1, POINTS).astype(np.int64)]
    wrong = shown - found
    return wrong[ends] / wrong[-1], found[ends] / found[-1], found[ends] / shown[ends]


@matplotlib.rc_context(STYLE)
def curves_picture(runs: Sequence[ScoredRun]) -> bytes:
    """Return the ROC and the precision-recall curves of runs on rows of both classes."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    roc, precision_recall = figure.subplots(1, 2)
    for run in runs:
        false_rate, recall, precision = curves(run.rows)
        (label,) = plain([str(run.folder)])
        roc.plot(np.r_[0, false_rate], np.r_[0, recall], label=label)
        precision_recall.plot(recall, precision, label=label)
    roc.plot([0, 1], [0, 1], color="black", linestyle=":", label="by chance")
    rows = runs[0].rows
    rate = float(np.average(rows.labels.astype(np.float64), weights=rows.weights))
    precision_recall.axhline(rate, color="black", linestyle=":", label=f"by chance, {rate:.3g}")
    roc.set(title="ROC", xlabel="false positive rate", ylabel="true positive rate")
    precision_recall.set(title="precision and recall", xlabel="recall", ylabel="precision", ylim=(0, 1.02))
    for axes in (roc, precision_recall):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return _png(figure)


@matplotlib.rc_context(STYLE)
def slices_picture(table: Sequence[Mapping[str, Any]], task: str) -> bytes:
    """Return the mean label and the first metric of slices with their intervals.

    Args:
        table: Rows of `ctrzoo.experiments.evaluation.measure.measure_slices` of one field or column.
        task: The task of the runs.
    """
    names = list(dict.fromkeys(row["slice"] for row in table))
    folders = list(dict.fromkeys(row["run"] for row in table))
    shown = [name for name in OF_SLICES[task] if name in table[0]][:2]
    height = min(1.2 + 0.16 * len(names) * (1 + len(folders)), LARGEST)
    figure = Figure(figsize=(9, height), layout="constrained")
    for axes, metric in zip(figure.subplots(1, len(shown), sharey=True, squeeze=False)[0], shown, strict=True):
        of_runs = folders[:1] if metric == MEAN_LABEL else folders
        for place, folder in enumerate(of_runs):
            rows = {row["slice"]: row for row in table if row["run"] == folder}
            numbers = [[rows[name][metric + end] for end in ("", "_low", "_high")] for name in names]
            values, low, high = np.array(numbers, np.float64).T
            places = np.arange(len(names)) + 0.5 * ((place + 0.5) / len(of_runs) - 0.5)
            errors = np.maximum([values - low, high - values], 0)  # a skewed interval may leave out its own value
            label = None if metric == MEAN_LABEL else plain([folder])[0]
            color = "gray" if metric == MEAN_LABEL else f"C{place}"
            axes.errorbar(values, places, xerr=errors, fmt="o", markersize=3, capsize=2, label=label, color=color)
        title = MEAN_LABELS[task] if metric == MEAN_LABEL else metric_of(metric).title
        axes.set(xlabel=title)
        axes.set_yticks(range(len(names)), plain(names))
        axes.grid(alpha=0.3)
        if len(of_runs) > 1:  # within the axes it would cover bars
            figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=8)
    figure.axes[0].invert_yaxis()
    return _png(figure)


def _png(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
