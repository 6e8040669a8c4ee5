"""Variants of a model compared with the first of a sweep."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from ctrzoo.files import write_text
from ctrzoo.types import Config

from ..sweeps.results import spread, summary_of
from .cells import TITLES, welch
from .markdown import table_lines


def write_variants(rows: Sequence[Config], folder: pathlib.Path) -> None:
    """Write `variants.md`: test metrics of each label, and p of Welch's t-test against the sweep's first label.

    Args:
        rows: The rows of the sweep's results, all of one data set.
        folder: The folder of the sweep.
    """
    scores = {metric: f"test_{metric}" for metric in TITLES}
    finished = [row for row in rows if row["state"] == "finished"]
    values = {
        (row["label"], metric): [other[score] for other in finished if other["label"] == row["label"]]
        for row in finished
        for metric, score in scores.items()
    }
    lines, first = [], rows[0]["label"]
    for group in summary_of(finished):
        label = group["label"]
        cells = {"variant": label, "seeds": group["finished"]}
        for metric, title in TITLES.items():
            p = welch(values[label, metric], values.get((first, metric), [])) if label != first else None
            cells |= {f"test {title}": spread(group, scores[metric]), f"{title}, p": "" if p is None else f"{p:.2g}"}
        lines.append(cells)
    said = f"{len(finished)} of {len(rows)} runs are finished. The p values are from Welch's t-test against {first}."
    table = table_lines(lines) if lines else []
    write_text(folder / "variants.md", "\n".join(["# Variants", "", said, "", *table]) + "\n")
