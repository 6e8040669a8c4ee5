"""Pictures of a run: learning curves, calibration, and the interactions that a model found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullFormatter

from ctrzoo.files import replaced
from ctrzoo.metrics import (
    calibration,
    calibration_curve,
    expected_calibration_error,
    main_metrics,
    metric_of,
    metrics_of_row,
)
from ctrzoo.plot_text import FONTS, plain
from ctrzoo.types import Path

# Drawing settings for these pictures; the process' own settings stay unchanged.
STYLE: dict[Any, Any] = {"font.size": 9, **FONTS}
# Axes are logarithmic if the mean probabilities of bins differ by more than this factor.
WIDE = 30
LARGEST = 30  # a picture's longest side in inches, for any number of fields


@matplotlib.rc_context(STYLE)
def plot_learning_curves(
    histories: Mapping[str, Sequence[Mapping[str, Any]]],
    path: Path,
    best_reachable: Mapping[str, float] | None = None,
    monitor: str = "log_loss",
) -> None:
    """Draw training loss, the monitored validation metric and another one against epochs.

    Args:
        histories: For each model name, its history as `training.train` returns it.
        path: The picture to write.
        best_reachable: `{"auc", "log_loss"}` of the true probabilities, if they are known.
        monitor: The monitored metric.
    """
    names = metrics_of_row(next(iter(histories.values()))[0])
    others = [name for name in main_metrics(names) if name != monitor]
    shown = {name: metric_of(name).title for name in (monitor, *others[:1])}
    panels = {"loss": "training loss", **{f"valid_{name}": f"validation {title}" for name, title in shown.items()}}
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    lines = {}
    for axes, (key, title) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        for name, history in histories.items():
            axes.plot([row["epoch"] for row in history], [row[key] for row in history], marker=".", label=name)
        metric = key.removeprefix("valid_")
        if best_reachable and best_reachable.get(metric) is not None:  # no AUC if all rows have one class
            axes.axhline(best_reachable[metric], color="black", linestyle=":", label="best reachable")
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        lines |= {line.get_label(): line for line in axes.get_lines()}
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=8, fontsize=8)
    _save(figure, path)


@matplotlib.rc_context(STYLE)
def plot_calibration(
    labels: np.ndarray, probabilities: np.ndarray, path: Path, title: str, weights: np.ndarray | None = None
) -> None:
    """Draw the share of clicks against the predicted probability, in bins of equally many rows.

    The axes are logarithmic if the probabilities of bins span more than a decade and a half. A bin without a click has
    no place on such axes; the axis says how many there are.

    Args:
        labels: 0 or 1 for each row.
        probabilities: The predicted probability of each row.
        path: The picture to write.
        title: Names the model and the rows. The ratio of predicted to actual clicks and the expected calibration error
            are added.
        weights: A weight for each row.

    Raises:
        ValueError: As in `ctrzoo.metrics.calibration_curve`.
    """
    curve = calibration_curve(labels, probabilities, weights)
    ratio, error = (measure(labels, probabilities, weights) for measure in (calibration, expected_calibration_error))
    lowest, highest = float(curve.predicted.min()), float(curve.predicted.max())
    scale = "log" if curve.actual.any() and 0 < WIDE * lowest < highest else "linear"
    shown = curve.actual > 0 if scale == "log" else np.ones(len(curve.actual), bool)
    figure = Figure(figsize=(4.6, 4.4), layout="constrained")
    axes = figure.subplots()
    predicted, actual = curve.predicted[shown], curve.actual[shown]
    ends = np.array([min(lowest, actual.min()), max(highest, actual.max())])
    axes.plot(ends, ends, color="black", linestyle=":", label="as predicted")
    axes.plot(predicted, actual, marker=".", label=f"bins of about {len(labels) / len(curve.weight):,.0f} rows")
    hidden = int((~shown).sum())
    note = f" ({hidden} {'bin' if hidden == 1 else 'bins'} without a click not shown)" if hidden else ""
    axes.set(xscale=scale, yscale=scale)
    if scale == "log":  # by default, labels such as 2 x 10^-2 cover each other
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5) if highest < 1000 * lowest else (1,)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="predicted probability", ylabel=f"share of clicks{note}")
    axes.set_title(f"{title}\npredicted / actual {ratio:.3f}, calibration error {error:.2g}", fontsize=9)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    _save(figure, path)


@matplotlib.rc_context(STYLE)
def plot_interactions(
    matrix: np.ndarray, names: Sequence[str], path: Path, title: str, planted: Sequence[Iterable[str]] | None = None
) -> None:
    """Draw the strength of each pair of fields as a heat map.

    Args:
        matrix: Strengths `(fields, fields)`, symmetric.
        names: Field names.
        path: The picture to write.
        title: Names the model and says how the strengths were computed.
        planted: Pairs (sets of two field names) that truly interact. They are outlined, and drawn in a second panel.
    """
    matrix = np.where(np.eye(len(names), dtype=bool), np.nan, matrix)
    size = min(1.6 + 0.36 * len(names), LARGEST)
    figure = Figure(figsize=((2 if planted else 1) * (size + 1), size + 0.6), layout="constrained")
    panels = figure.subplots(1, 2 if planted else 1, squeeze=False)[0]
    image = panels[0].imshow(matrix, cmap="Blues")
    figure.colorbar(image, ax=panels[0], shrink=0.8)
    panels[0].set_title(title, fontsize=9)
    if planted:
        truth = np.full(matrix.shape, np.nan)
        for pair in planted:
            first, second = (list(names).index(name) for name in pair)
            truth[first, second] = truth[second, first] = 1
            for column, row in ((first, second), (second, first)):
                outline = Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="red")
                panels[0].add_patch(outline)
        panels[1].imshow(truth, cmap="Reds", vmin=0, vmax=1.5)
        panels[1].set_title("planted (red outline at the left)", fontsize=9)
    for axes in panels:
        axes.set_xticks(range(len(names)), plain(names), rotation=60, ha="right")
        axes.set_yticks(range(len(names)), plain(names))
    _save(figure, path)


@matplotlib.rc_context(STYLE)
def interaction_picture(matrix: np.ndarray, names: Sequence[str], title: str) -> np.ndarray:
    """Return a heat map of the strength of each pair of fields as an image, uint8 `(height, width, 4)`."""
    size = min(1.6 + 0.36 * len(names), LARGEST)
    figure = Figure(figsize=(size + 1, size + 0.6), layout="constrained", dpi=80)
    axes = figure.subplots()
    figure.colorbar(axes.imshow(matrix, cmap="Blues"), ax=axes, shrink=0.8)
    axes.set_title(title, fontsize=9)
    axes.set_xticks(range(len(names)), plain(names), rotation=60, ha="right")
    axes.set_yticks(range(len(names)), plain(names))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def _save(figure, path):
    with replaced(path) as temporary:
        figure.savefig(temporary, dpi=120)
