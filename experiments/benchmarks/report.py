"""Results as JSON, Markdown, a bar chart and tables on the terminal."""

from __future__ import annotations

import os
import pathlib
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from rich import box
from rich.table import Table

import ctrzoo
from ctrzoo.files import replaced, write_json, write_text
from ctrzoo.types import Config, Path

if TYPE_CHECKING:
    from .race import Measurement


COLUMNS = {
    "shape": "{shape}",
    "cores": "{cores}",
    "model": "{model}",
    "batch": "{batch_size:,}",
    "measured": "{label}",
    "samples/s": "{samples_per_second:,.0f}",
    "ms": "{wall}",
    "CPU ms": "{cpu}",
    "peak MB": "{peak_megabytes:,.0f}",
    "ratio": "{ratio:.2f}",
    "CPU ratio": "{cpu_ratio:.2f}",
}
NARROW = ("model", "measured", "samples/s", "ms", "CPU ms", "peak MB", "ratio", "CPU ratio")
CAPTION = (
    "ms: median per call; ratio: time relative to the first in the race, median over rounds, for wall clock and CPU."
)


def rows_of(measurements: Iterable[Measurement]) -> list[Config]:
    """Return a dictionary for each measurement, with a label that says what was measured."""
    rows = [measurement.to_dict() for measurement in measurements]
    for row in rows:
        row["label"] = row["implementation"] if row["mode"] in ("train", "predict") else row["mode"]
    if len({row["batch_size"] for row in rows}) > 1:
        for row in rows:
            row["label"] = f"{row['batch_size']:,} rows"
    return rows


def machine() -> Config:
    """Describe the machine and software that produced the numbers."""
    import importlib.metadata

    names = {}
    if pathlib.Path("/proc/cpuinfo").is_file():
        lines = [line.split(":", 1) for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if ":" in line]
        names = {key.strip(): value.strip() for key, value in lines}
    versions = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy")}
    return {
        "processor": names.get("model name", platform.processor()),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "ctrzoo": ctrzoo.__version__,
        **versions,
    }


def write_results(folder: Path, suites: Mapping[str, list[Config]], command: str) -> None:
    """Write `results.json`, `results.md` and one bar chart per suite.

    Args:
        folder: The folder; it is created.
        suites: The rows of each suite, by name.
        command: The command that produced them.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    facts = machine()
    write_json(folder / "results.json", {"command": command, "machine": facts, "suites": suites})
    lines = [f"Command: `{command}`", "", ", ".join(f"{key} {value}" for key, value in facts.items()), "", CAPTION]
    for name, rows in suites.items():
        lines += ["", f"## {name}", "", *markdown_table(rows)]
        if _is_race(rows):
            draw_chart(name, rows, folder / f"{name}.png")
    write_text(folder / "results.md", "\n".join(lines) + "\n")


def cells(row: Config) -> list[str]:
    """Return the cell texts of a table row."""
    if row["error"]:
        texts = [text.format(**row) for text in list(COLUMNS.values())[:5]]
        return [*texts, *[""] * (len(COLUMNS) - 6), row["error"][:60]]
    times = {"wall": _milliseconds(row["wall_ms"]), "cpu": _milliseconds(row["cpu_ms"])}
    return [text.format(**row, **times) for text in COLUMNS.values()]


def _milliseconds(number):
    return f"{number:,.0f}" if number >= 1000 else f"{number:.2f}"  # fits into a terminal of 80 columns


def markdown_table(rows: Sequence[Config]) -> list[str]:
    """Return the lines of a Markdown table."""
    columns, texts = (list(COLUMNS), map(cells, rows)) if _is_race(rows) else _plain(rows)
    return ["| " + " | ".join(line) + " |" for line in (columns, ["---"] * len(columns), *texts)]


def _is_race(rows):
    return not rows or "label" in rows[0]


def _plain(rows):
    """Return the columns and cell texts of arbitrary dictionaries."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return columns, [[_text(row.get(column)) for column in columns] for row in rows]


def _text(value):
    if value is None:
        return "–"
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def terminal_tables(name: str, rows: Sequence[Config]) -> Iterator[Table]:
    """Yield a `rich` table for each shape and number of cores, or a single table without them."""
    if not _is_race(rows):
        columns, texts = _plain(rows)
        table = Table(*columns, title=name, box=box.SIMPLE)
        for line in texts:
            table.add_row(*line)
        yield table
        return
    for shape, cores in dict.fromkeys((row["shape"], row["cores"]) for row in rows):
        table = Table(title=f"{name}: {shape}, {cores} core(s)", caption=CAPTION, box=box.SIMPLE)
        for column in NARROW:
            table.add_column(column, justify="left" if column in NARROW[:2] else "right", no_wrap=True)
        for row in rows:
            if (row["shape"], row["cores"]) == (shape, cores):
                texts = dict(zip(COLUMNS, cells(row), strict=True))
                shown = NARROW[:2] if row["error"] else NARROW  # the reason is too long for a cell
                table.add_row(*(texts[column] for column in shown))
        yield table


def draw_chart(name: str, rows: Sequence[Config], path: pathlib.Path) -> None:
    """Draw samples per second as bars: one panel per shape and number of cores, one group per model."""
    rows = [row for row in rows if not row["error"]]
    panels = list(dict.fromkeys((row["shape"], row["cores"]) for row in rows))
    if not panels:
        return
    labels = list(dict.fromkeys(row["label"] for row in rows))
    colors = dict(zip(labels, matplotlib.colormaps["tab10"](np.arange(len(labels)) % 10), strict=True))
    figure = Figure(figsize=(11, 3.2 * len(panels)), layout="constrained")
    for axes, panel in zip(figure.subplots(len(panels), 1, squeeze=False)[:, 0], panels, strict=True):
        here = [row for row in rows if (row["shape"], row["cores"]) == panel]
        models = list(dict.fromkeys(row["model"] for row in here))
        width = 0.8 / len(labels)
        for number, label in enumerate(labels):
            bars = {models.index(row["model"]): row["samples_per_second"] for row in here if row["label"] == label}
            places = np.array(list(bars)) + (number - (len(labels) - 1) / 2) * width
            axes.bar(places, bars.values(), width, label=label, color=colors[label])
        axes.set_xticks(range(len(models)), models)
        axes.set(yscale="log", ylabel="samples/s", title=f"{name}: {panel[0]}, {panel[1]} core(s)")
        axes.grid(axis="y", alpha=0.3)
        axes.legend(fontsize=8, ncols=len(labels))
    with replaced(path) as temporary:
        figure.savefig(temporary, dpi=120)
