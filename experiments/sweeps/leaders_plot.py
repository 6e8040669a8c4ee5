"""The picture of a leaderboard: scores against costs, the Pareto front, and labels that do not overlap."""

from __future__ import annotations

import pathlib
import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.path import Path as MatplotlibPath
from matplotlib.ticker import LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from ctrzoo.files import replaced
from ctrzoo.plot_text import FONTS, plain

from .leaders import COSTS, SHOWN, TIMES, Leader, cost_text, front, higher_is_better, score_text, score_title

STYLE: dict[Any, Any] = {"font.size": 10, **FONTS}
# Where a label may stand: its distance from the point in pixels, the near places first, in 16 directions.
REACH = np.repeat([10, 18, 28, 40, 54, 70, 88, 110, 136, 168, 206, 250], 16)[:, None]
STEPS = np.tile([(np.cos(angle), np.sin(angle)) for angle in np.linspace(0, 2 * np.pi, 17)[:-1]], (12, 1))
LABEL_SIZE = 8
MARKERS = "osDP*"  # by device
WIDTH, HEIGHT = 8, 5.4  # of a panel, in inches


@matplotlib.rc_context(STYLE)
def plot_leaders(
    leaders: Sequence[Leader], path: pathlib.Path, score: str, note: str = "", costs: Sequence[str] = SHOWN
) -> None:
    """Draw scores with their deviations over seeds against costs, a panel for each data set and cost.

    Groups that are far from all others stand at the edge, with their numbers, so that they do not squeeze the others.

    Args:
        leaders: The groups of runs.
        path: The picture to write.
        score: The score, as `leaders.read_leaders` takes it.
        note: How the times were measured, for the line below.
        costs: Some of `leaders.COSTS`.
    """
    datasets = list(dict.fromkeys(each.dataset for each in leaders))
    panels = [(dataset, cost) for dataset in datasets for cost in costs]
    figure = Figure(figsize=(WIDTH, HEIGHT * len(panels)), layout="constrained", dpi=120)
    shown = []
    for axes, (dataset, cost) in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
        own = [each for each in leaders if each.dataset == dataset]
        axes.set_title(f"{dataset}, mean ± standard deviation over seeds", fontsize=10)
        shown.append((axes, own, cost, _draw(axes, own, cost, score)))
    if note:
        figure.supxlabel("\n".join(textwrap.wrap(plain([note])[0], 110)), fontsize=8)
    figure.draw_without_rendering()  # fixes the panels' places, which labels need
    for axes, own, cost, places in shown:
        _label(axes, own, cost, places, score)
    figure.set_layout_engine("none")
    with replaced(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _draw(axes, leaders, cost, score):
    """Draw the points, their spreads and the front of one panel; return the place of each point."""
    higher = higher_is_better(score)
    best, devices = front(leaders, cost, higher), sorted({each.device for each in leaders})
    axes.set(xscale="log", xlabel=COSTS[cost], ylabel=score_title(score) + ("" if higher else " (lower is better)"))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}" if value < 1 else f"{value:,.0f}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    places = _set_limits(axes, leaders, cost, higher)
    for each, (x, y) in zip(leaders, places, strict=True):
        color = "tab:orange" if each in best else "tab:blue"
        if (x, y) != (getattr(each, cost), each.score):
            edge = "v" if y != each.score else "<" if x > getattr(each, cost) else ">"
            axes.plot(x, y, edge, color=color, markersize=7, clip_on=False)
            continue
        look = {"fmt": MARKERS[devices.index(each.device) % len(MARKERS)], "markersize": 5, "color": color}
        spread = {"yerr": each.deviation or 0}
        if cost in TIMES:
            spread["xerr"] = [[x - getattr(each, f"{cost}_fastest")], [getattr(each, f"{cost}_slowest") - x]]
        for bars in axes.errorbar(x, y, **spread, **look, elinewidth=0.8, capsize=2)[1:]:
            for bar in bars:
                bar.set_alpha(0.5)
    compared = {f"Pareto front, {device}": {device} for device in devices} if cost in TIMES else {}
    if len(compared) < 2:
        compared = {"Pareto front": set(devices)}
    for title, included in compared.items():
        line = sorted((each for each in best if each.device in included), key=lambda each: getattr(each, cost))
        costs, scores = [getattr(each, cost) for each in line], [each.score for each in line]
        axes.plot(costs, scores, color="tab:orange", linewidth=1, drawstyle="steps-post", zorder=1, label=title)
    for device, marker in zip(devices, MARKERS, strict=False):
        if len(devices) > 1:
            axes.plot([], [], marker, color="tab:blue", label=device)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")
    return places


def _set_limits(axes, leaders, cost, higher):
    """Set the limits of both axes; return each point, those beyond the limits moved onto them."""
    costs, sign = np.array([getattr(each, cost) for each in leaders], float), 1 if higher else -1
    goodness = sign * np.array([each.score for each in leaders])
    left, right = 10 ** np.array(limits(np.log10(costs)))
    low, high = limits(goodness, keep_highest=True)
    axes.set(xlim=(left, right), ylim=(sign * low, sign * high))  # the better score is above
    return list(zip(np.clip(costs, left, right), sign * np.clip(goodness, low, high), strict=True))


def limits(values: np.ndarray, keep_highest: bool = False) -> tuple[float, float]:
    """Return the range of an axis: all values but those far below the lower quartile or above the upper one, padded.

    Far is more than 1.5 times the distance of the quartiles.

    Args:
        values: One value per point.
        keep_highest: Whether high values are kept however far they are.

    >>> limits(np.array([0.0, 10.0, 11.0, 12.0, 13.0]))
    (9.7, 13.3)
    """
    lower, upper = np.percentile(values, [25, 75])
    reach = 1.5 * (upper - lower)
    kept = values[(values >= lower - reach) & ((values <= upper + reach) | keep_highest)]
    padding = 0.1 * (kept.max() - kept.min()) or 0.1
    return float(kept.min() - padding), float(kept.max() + padding)


def _label(axes, leaders, cost, places, score):
    """Write the names next to the points, and the numbers of points that were moved to the edge."""
    texts = []
    for each, place in zip(leaders, places, strict=True):
        moved = place != (getattr(each, cost), each.score)
        numbers = f" ({score_text(each.score, score)}, {cost_text(each, cost)})" if moved else ""
        texts.append(each.name + numbers)
    texts = plain(texts)
    points = axes.transData.transform(places)
    for place, text, center in zip(places, texts, place_labels(axes, points, texts), strict=True):
        axes.annotate(
            text,
            place,
            xytext=axes.transAxes.inverted().transform(center),
            textcoords=axes.transAxes,
            ha="center",
            va="center",
            fontsize=LABEL_SIZE,
            arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.5, "shrinkA": 1, "shrinkB": 2},
        )


def place_labels(axes: Axes, points: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """Return a place for each label, near its point, so that no label covers another one, or a point.

    The labels of crowded points choose first. Places on lines are avoided too, if others are near. If no place is free,
    a label takes the one that covers least.

    Args:
        axes: The panel, in which all labels stay.
        points: The points in pixels, `(points, 2)`.
        texts: A label per point.

    Returns:
        The centers of the labels in pixels, `(points, 2)`.
    """
    sizes = np.array([_size(axes, text) for text in texts])
    taken = [np.hstack([points - 5, points + 5])]  # left, bottom, right, top
    if legend := axes.get_legend():
        taken.append(np.array([legend.get_window_extent().extents]))
    lines, inside, places = _lines(axes), np.array([axes.get_window_extent().extents]), np.zeros((len(points), 2))
    for number in np.argsort(_room(points), kind="stable"):
        centers = points[number] + STEPS * (REACH + np.abs(STEPS) * sizes[number] / 2)
        boxes = np.hstack([centers - sizes[number] / 2, centers + sizes[number] / 2])
        outside = np.prod(sizes[number]) - _shared(boxes, inside)
        covered = np.round(10 * outside + _shared(boxes, np.concatenate(taken)), 3)
        best = np.flatnonzero(covered == covered.min())  # the near places first
        crossed = [
            sum(line.intersects_bbox(Bbox.from_extents(*boxes[place]), filled=False) for line in lines)
            for place in best
        ]
        chosen = best[np.argmin(20 * np.array(crossed) + best)]
        places[number] = centers[chosen]
        taken.append(boxes[chosen : chosen + 1])
    return places


def _lines(axes):
    """Return the lines of a panel, the front and the spreads, in pixels."""
    fronts = [line.get_transform().transform_path(line.get_path()) for line in axes.lines if len(line.get_xdata()) > 1]
    stepped = [_steps(path) for path in fronts]
    bars = [axes.transData.transform_path(path) for lines in axes.collections for path in lines.get_paths()]
    return [*stepped, *bars]


def _steps(path):
    """Return a path through the same points that first goes along the axis of costs."""
    points = np.repeat(path.vertices, 2, axis=0)
    return MatplotlibPath(np.column_stack([points[1:, 0], points[:-1, 1]]))


def _room(points):
    """Return the distance of each point to the fifth nearest one."""
    distances = np.sort(np.linalg.norm(points[:, None] - points[None], axis=-1), axis=1)
    return distances[:, min(5, len(points) - 1)]


def _size(axes, text):
    shown = axes.text(0, 0, text, fontsize=LABEL_SIZE)
    box = shown.get_window_extent()
    shown.remove()
    return box.width + 4, box.height + 2


def _shared(boxes, others):
    """Return the area that each box shares with all others, for boxes `(boxes, 4)`."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.prod(np.maximum(high - low, 0), axis=-1).sum(axis=1)
