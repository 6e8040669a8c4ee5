"""Pictures of explanations: a row's heat maps, the graph of fields, what shuffling says of it.

Each function returns a matplotlib `Figure`; `save_figure` writes it as PNG and SVG.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ctrzoo.files import replaced
from ctrzoo.plot_text import plain
from ctrzoo.plots import LARGEST, STYLE
from ctrzoo.types import Path

MOST_COLUMNS = 3
# A bar for each of more fields would be illegible.
MOST_FIELDS = 60
# The height of a label and of the axes that `check_figure` draws it into, in points.
LABEL_HEIGHT, AXES_HEIGHT = 9, 240
# Longer texts of values are cut, in the middle.
MOST_LETTERS = 22


@matplotlib.rc_context(STYLE)
def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as `<path>.png` and `<path>.svg`."""
    path = pathlib.Path(path)
    for suffix in ("png", "svg"):
        with replaced(path.with_name(f"{path.name}.{suffix}")) as temporary:
            figure.savefig(temporary, dpi=110, bbox_inches="tight", pad_inches=0.15)


def shortened(text: str, length: int = MOST_LETTERS) -> str:
    """Cut the middle out of a long text.

    >>> shortened("a-very-long-campaign-name", 11)
    'a-ver…-name'
    """
    kept = length - 1
    return text if len(text) <= length else f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"


@matplotlib.rc_context(STYLE)
def instance_figure(
    matrices: Mapping[str, np.ndarray], names: Sequence[str], texts: Sequence[str] | None, title: str
) -> Figure:
    """Draw the matrices of one row as heat maps, labelled with the row's own values.

    Args:
        matrices: `(fields, fields)` by name. Those with negative entries are drawn from blue to red, white at zero.
        names: Field names.
        texts: What the row's fields hold, or None.
        title: Text above all.
    """
    labels = [f"{name} = {shortened(text)}" for name, text in zip(names, texts, strict=True)] if texts else names
    columns = min(len(matrices), MOST_COLUMNS)
    rows = -(-len(matrices) // columns)
    size = min(1.2 + 0.24 * len(names), LARGEST)
    wide = 0.075 * max(map(len, labels))  # inches that the texts at the left take
    figure = Figure(figsize=(columns * (size + 0.7) + wide, rows * (size + 0.9) + 0.3), layout="constrained")
    figure.suptitle(plain([title])[0], fontsize=11)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes, (name, matrix) in zip(panels, matrices.items(), strict=False):
        most = max(float(np.abs(matrix).max()), 1e-12)
        signed = matrix.min() < 0
        image = axes.imshow(matrix, cmap="RdBu_r" if signed else "Blues", vmin=-most if signed else 0, vmax=most)
        figure.colorbar(image, ax=axes, shrink=0.75).ax.tick_params(labelsize=7)
        axes.set_title(name, fontsize=9)
        axes.set_xticks(range(len(names)), plain(names), rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
        axes.set_yticks(range(len(names)), plain(labels), fontsize=8)
    for axes in panels[len(matrices) :]:
        axes.set_axis_off()
    return figure


@matplotlib.rc_context(STYLE)
def matrix_figure(
    mean: np.ndarray, top_share: np.ndarray, names: Sequence[str], planted: Sequence[tuple[int, int]], top: int
) -> Figure:
    """Draw the mean graph, and next to it the share of the rows in which each edge is among the strongest."""
    size = min(1.4 + 0.3 * len(names), LARGEST)
    figure = Figure(figsize=(2 * (size + 1.2), size + 0.5), layout="constrained")
    titles = ("mean strength", f"share of rows in which an edge is among the {top} strongest")
    for axes, matrix, title in zip(figure.subplots(1, 2), (mean, top_share), titles, strict=True):
        matrix = np.where(np.eye(len(names), dtype=bool), np.nan, matrix)
        figure.colorbar(axes.imshow(matrix, cmap="Blues", vmin=0), ax=axes, shrink=0.8)
        axes.set_title(title, fontsize=10)
        axes.set_xticks(range(len(names)), plain(names), rotation=60, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(names)), plain(names))
        for i, j in planted:
            for corner in ((i, j), (j, i)):
                square = (corner[0] - 0.5, corner[1] - 0.5)
                axes.add_patch(Rectangle(square, 1, 1, fill=False, edgecolor="red", linewidth=1.5))
    return figure


@matplotlib.rc_context(STYLE)
def graph_figure(
    mean: np.ndarray, names: Sequence[str], sizes: np.ndarray, planted: Sequence[tuple[int, int]], title: str
) -> Figure:
    """Draw the strongest edges between fields, twice as many as fields, as a graph.

    Args:
        mean: Strengths `(fields, fields)`.
        names: Field names.
        sizes: What each field is worth, `(fields,)`: the areas of the nodes.
        planted: Pairs `(i, j)` that truly interact, drawn in red.
        title: Text above.
    """
    count = len(names)
    angles = np.pi / 2 - 2 * np.pi * np.arange(count) / count
    x, y = np.cos(angles), np.sin(angles)
    figure = Figure(figsize=(7.5, 7), layout="constrained")
    axes = figure.subplots()
    first, second = np.triu_indices(count, 1)
    strengths = mean[first, second]
    for edge in np.argsort(strengths)[-2 * count :]:
        i, j, share = first[edge], second[edge], strengths[edge] / max(strengths.max(), 1e-12)
        color = "crimson" if (i, j) in planted else "tab:blue"
        if share > 0:
            axes.plot(x[[i, j]], y[[i, j]], color=color, linewidth=0.3 + 6 * share, alpha=0.15 + 0.8 * share, zorder=1)
    sizes = np.maximum(sizes, 0) / max(sizes.max(), 1e-12)
    axes.scatter(x, y, s=40 + 500 * sizes, color="#444444", zorder=2)
    for name, angle, column in zip(plain(names), angles, x, strict=True):
        side = "center" if abs(column) < 0.1 else "left" if column > 0 else "right"
        axes.text(1.13 * np.cos(angle), 1.11 * np.sin(angle), name, ha=side, va="center")
    axes.set(xlim=(-1.6, 1.6), ylim=(-1.35, 1.35), title=title)
    axes.set_aspect("equal")
    axes.set_axis_off()
    return figure


@matplotlib.rc_context(STYLE)
def fields_figure(losses: np.ndarray, names: Sequence[str], lost: str = "AUC lost") -> Figure:
    """Draw what is lost by shuffling each field, mean and standard deviation over `(repeats, fields)`.

    Args:
        losses: How much worse the metric becomes, `(repeats, fields)`.
        names: Field names.
        lost: What that is called.
    """
    mean, order = losses.mean(axis=0), np.argsort(losses.mean(axis=0))[-MOST_FIELDS:]
    figure = Figure(figsize=(6.5, 1 + 0.26 * len(order)), layout="constrained")
    axes = figure.subplots()
    axes.barh(
        plain([names[int(field)] for field in order]), mean[order], xerr=losses.std(axis=0)[order], color="tab:blue"
    )
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set(xlabel=f"{lost} when the field is shuffled")
    if len(order) < len(names):
        axes.set_title(f"the {len(order)} of {len(names):,} fields that lose most", fontsize=9)
    axes.grid(axis="x", alpha=0.3)
    return figure


def _label_highest(axes, x, y, labels, count=4):
    """Label the highest points; a label that would cover the one above it moves down, with a line to its point."""
    low, high = axes.get_ylim()
    least_drop = 0.0
    for index in np.argsort(y)[::-1][:count]:
        drop = (high - y[index]) / (high - low) * AXES_HEIGHT
        placed = max(drop, least_drop)
        least_drop = placed + LABEL_HEIGHT
        right = x[index] > (np.min(x) + np.max(x)) / 2
        axes.annotate(
            labels[index],
            (x[index], y[index]),
            xytext=(-7 if right else 7, 3 - (placed - drop)),
            textcoords="offset points",
            ha="right" if right else "left",
            fontsize=7,
            arrowprops={"arrowstyle": "-", "linewidth": 0.4, "color": "0.5"} if placed > drop else None,
        )


@matplotlib.rc_context(STYLE)
def check_figure(
    panels: Sequence[Any], pairs: Sequence[tuple[int, int]], names: Sequence[str], planted: Sequence[tuple[int, int]]
) -> Figure:
    """Draw what the model says of pairs against what shuffling them says.

    Args:
        panels: `(x, y, x label, y label, title)` for each picture; x and y have a number for each pair.
        pairs: The pairs `(i, j)`.
        names: Field names.
        planted: Pairs that truly interact, in red.
    """
    figure = Figure(figsize=(5.2 * len(panels), 4.4), layout="constrained")
    names = plain(names)
    colors = ["crimson" if pair in planted else "tab:blue" for pair in pairs]
    for axes, (x, y, x_label, y_label, title) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
    ):
        axes.scatter(x, y, c=colors, s=22, alpha=0.8)
        labels = [f"{names[i]} × {names[j]}" for i, j in pairs]
        _label_highest(axes, np.asarray(x), np.asarray(y), labels, min(max(4, len(planted)), 8))
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.set_title(title, fontsize=9)
        axes.grid(alpha=0.3)
    return figure
