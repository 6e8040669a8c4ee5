"""The picture of `docs/understand/scale.md`: measured steps on predicted lines, and what follows for many devices."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from ctrzoo.files import replaced
from ctrzoo.types import Path

from .costs import Prices, predicted
from .measuring import DEVICES as FEW
from .measuring import Point, backend_of
from .terabyte import DEVICES, rows_per_second

COLORS = {
    "mirrored": "tab:blue",
    "mirrored_dense": "tab:cyan",
    "divided_tables": "tab:orange",
    "divided_batch": "tab:red",
    "owner_updates": "tab:green",
}
SHAPE = (512, 16, 64)


def draw(points: Mapping[Point, float], prices: Mapping[str, Prices], path: Path) -> None:
    """Draw measured points on predicted lines, then predicted rows per second for widths 16 and 128.

    Args:
        points: Measured points and their processor seconds.
        prices: The fitted prices of each backend.
        path: The picture to write.
    """
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    measured, *predictions = figure.subplots(1, 3)
    for name, color in COLORS.items():
        own = {
            point.num_devices: seconds
            for point, seconds in points.items()
            if point.strategy == name and _has_shape(point)
        }
        if own:
            lines = [Point(name, number, *SHAPE) for number in FEW]
            values = [1e3 * predicted(point, prices[backend_of(point)]) for point in lines]
            measured.plot(FEW, values, color=color)
            measured.plot(list(own), [1e3 * seconds for seconds in own.values()], "o", color=color, label=name)
    measured.set_title("CPU devices on one core: measured points, predicted lines", fontsize=10)
    measured.set_xlabel("devices")
    measured.set_ylabel("processor ms per step, all devices together")
    for axes, width in zip(predictions, (16, 128), strict=True):
        for name, color in COLORS.items():
            found = {number: rows_per_second(name, width, number) for number in DEVICES}
            found = {number: rows for number, rows in found.items() if rows}
            axes.plot(list(found), [rows / 1e6 for rows in found.values()], marker=".", color=color, label=name)
        axes.set_title(f"predicted: Criteo 1 TB, width {width}, batch 65,536", fontsize=10)
        axes.set_xlabel("devices of 80 GB")
        axes.set_ylabel("million rows/s")
    for axes, ticks in zip((measured, *predictions), (FEW, DEVICES, DEVICES), strict=True):
        axes.set_xscale("log", base=2)
        axes.set_xticks(ticks, [str(number) for number in ticks])
    for axes in predictions:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
    for axes in (measured, *predictions):
        axes.grid(alpha=0.3, which="both")
    measured.legend(fontsize=8)
    predictions[0].legend(fontsize=8)
    with replaced(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")


def _has_shape(point):
    return (point.batch_size, point.width, point.hidden) == SHAPE
