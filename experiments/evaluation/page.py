"""The page of an evaluation: one HTML file with its pictures, which needs nothing else."""

from __future__ import annotations

import base64
import html
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ctrzoo.explanation.report import STYLE
from ctrzoo.metrics import metric_of

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
    parts = [f"<h1>{html.escape(title)}</h1>", *_paragraphs(about), "<h2>Metrics</h2>", _table(metric_table(content))]
    parts += _paragraphs(content["notes"])
    if content["differences"]:
        parts += ["<h2>Differences</h2>", _table(difference_table(content)), *_paragraphs(_of_tests(content))]
    parts += _pictures(runs)
    for name, rows in itertools.groupby(slices, key=lambda row: row["by"]):
        of_field = list(rows)
        picture = slices_picture(of_field, runs[0].task)
        parts += [f"<h2>By {html.escape(name)}</h2>", _image(picture, f"metrics by {name}")]
        parts.append(_table(slice_table(of_field, runs[0].task)))
    head = f'<head><meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style></head>'
    return f'<!DOCTYPE html>\n<html lang="en">{head}\n<body>\n' + "\n".join(parts) + "\n</body></html>\n"


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
    parts += [_image(calibration_picture(run), f"calibration of {run.folder}") for run in runs]
    counted = rows.labels if rows.weights is None else rows.labels[rows.weights > 0]
    if counted.any() and not counted.all():
        parts += [
            "<h2>Curves</h2>",
            _image(curves_picture(runs), f"ROC and precision-recall, {metric_of('auc').title}"),
        ]
    return parts


def _paragraphs(sentences: Iterable[str]) -> list[str]:
    return [f"<p>{html.escape(sentence)}</p>" for sentence in sentences]


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    head = "".join(f"<th>{html.escape(key)}</th>" for key in rows[0])
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row.values())}</tr>\n" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>"


def _image(picture: bytes, words: str) -> str:
    data = base64.b64encode(picture).decode("ascii")
    return f'<div><img alt="{html.escape(words)}" src="data:image/png;base64,{data}"></div>'
