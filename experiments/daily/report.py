"""The report of rolling evaluations: a table and a picture of AUC and calibration over the days."""

from __future__ import annotations

import pathlib
import statistics
from collections.abc import Sequence

from matplotlib.figure import Figure

from ctrzoo.files import replaced, write_csv, write_text
from ctrzoo.types import Config

from .rolling import METRICS, WAYS


def write_daily(rows: Sequence[Config], folder: pathlib.Path, title: str) -> None:
    """Write `daily.csv`, `daily.md` and `daily.png`.

    Args:
        rows: What `roll` returned, with a `seed` in each row.
        folder: Where the files go.
        title: What was rolled.
    """
    write_csv(folder / "daily.csv", rows)
    means = {way: mean_by_day(rows, way) for way in WAYS}
    seeds = len({row["seed"] for row in rows})
    lines = [f"# {title}", "", f"Each day is tested before it is trained on. Means over {seeds} seed(s).", ""]
    for metric in METRICS:
        name = {"auc": "AUC", "calibration": "Predicted clicks per click", "log_loss": "Log loss"}[metric]
        days = sorted(means[next(iter(WAYS))])
        lines += [f"## {name}", "", f"| | {' | '.join(f'day {day}' for day in days)} | mean |"]
        lines.append("|---" * (len(days) + 2) + "|")
        for way, words in WAYS.items():
            numbers = [means[way][day][metric] for day in days]
            cells = " | ".join(f"{number:.4f}" for number in [*numbers, statistics.mean(numbers)])
            lines.append(f"| {words} | {cells} |")
        lines.append("")
    write_text(folder / "daily.md", "\n".join([*lines, "![AUC and calibration by day](daily.png)"]) + "\n")
    _draw(means, folder / "daily.png", title)


def mean_by_day(rows: Sequence[Config], way: str) -> dict[int, dict[str, float]]:
    """Return, for each day, the mean of each metric over seeds.

    >>> mean_by_day([{"day": 1, "way": "warm", "auc": a, "calibration": 1, "log_loss": 0} for a in (0, 1)], "warm")
    {1: {'auc': 0.5, 'calibration': 1, 'log_loss': 0}}
    """
    own = [row for row in rows if row["way"] == way]
    days = sorted({row["day"] for row in own})
    return {
        day: {metric: statistics.mean(row[metric] for row in own if row["day"] == day) for metric in METRICS}
        for day in days
    }


def _draw(means, path, title):
    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, metric, label in zip(figure.subplots(1, 2), METRICS, ("AUC", "predicted clicks per click"), strict=False):
        for number, (way, words) in enumerate(WAYS.items()):
            days = list(means[way])
            axes.plot(days, [means[way][day][metric] for day in days], "o-s-^-".split("-")[number] + "-", label=words)
        axes.set(xlabel="day", ylabel=label)
    figure.axes[1].axhline(1, color="0.7", linewidth=1)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    figure.suptitle(title)
    with replaced(path) as temporary:
        figure.savefig(temporary, dpi=120)
