"""The page of an evaluation: one HTML file with its pictures, which needs nothing else."""

from __future__ import annotations

import html
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from ctrzoo.metrics import metric_of
from ctrzoo.page import image_of, page_of, paragraphs, table_of

from .measure import BOOTSTRAP, DELONG
from .pictures import calibration_picture, curves_picture, slices_picture
from .scored import ScoredRun
from .tables import difference_table, metric_table, slice_table


def page(
    title: str,
    about: Sequence[str],
    runs: Sequence[ScoredRun],
    content: Mapping[str, Any],
    slices: Sequence[Mapping[str, Any]],
) -> str:
    """Return the page.

    Args:
        title: Its title.
        about: Sentences about the rows and about what was done.
        runs: The runs.
        content: What `metrics.json` holds.
        slices: What `slices.csv` holds; empty without slices.
    """
    parts = [*paragraphs(about), "<h2>Metrics</h2>", table_of(metric_table(content))]
    parts += paragraphs(content["notes"])
    if content["differences"]:
        parts += ["<h2>Differences</h2>", table_of(difference_table(content)), *paragraphs(_of_tests(content))]
    parts += _pictures(runs)
    for name, rows in itertools.groupby(slices, key=lambda row: row["by"]):
        of_field = list(rows)
        picture = slices_picture(of_field, runs[0].task)
        parts += [f"<h2>By {html.escape(name)}</h2>", image_of(picture, f"metrics by {name}")]
        parts.append(table_of(slice_table(of_field, runs[0].task)))
    return page_of(title, parts)


def _of_tests(content):
    tests = {difference["test"] for difference in content["differences"]}
    resamples, unit = content["bootstrap"]["resamples"], content["bootstrap"]["unit"]
    if DELONG in tests:
        yield "DeLong's test compares AUCs; it takes rows as independent."
    elif content["task"] == "classification":
        yield "Rows have groups or weights, which DeLong's test does not know, so resamples compare AUCs, too."
    if BOOTSTRAP in tests:
        yield (
            f"The paired bootstrap computes both runs on the same {resamples:,} resamples of {unit}; its smallest "
            f"possible p-value is {2 / (resamples + 1):.2g}."
        )
    if len(content["runs"]) > 2:
        yield "“p, corrected” is Holm's correction for the pairs of runs of each metric."


def _pictures(runs):
    rows = runs[0].rows
    if runs[0].task != "classification":
        return []
    parts = ["<h2>Calibration</h2>"]
    parts += [image_of(calibration_picture(run), f"calibration of {run.folder}") for run in runs]
    counted = rows.labels if rows.weights is None else rows.labels[rows.weights > 0]
    if counted.any() and not counted.all():
        parts += [
            "<h2>Curves</h2>",
            image_of(curves_picture(runs), f"ROC and precision-recall, {metric_of('auc').title}"),
        ]
    return parts
