"""The tables of an evaluation as texts, for the page and the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ctrzoo.metrics import metric_of
from ctrzoo.metrics.resampled import MEAN_LABEL

from .measure import MEAN_LABELS, OF_SLICES, WITHOUT_INTERVALS

UNDEFINED = "not defined"


def estimate_text(
    form: str, value: float | None, low: float | None, high: float | None, with_interval: bool = True
) -> str:
    """Return a metric, with its interval unless that is not wanted.

    >>> estimate_text("{:.3f}", 0.71234, 0.7, 0.72), estimate_text("{:.3f}", None, None, None)
    ('0.712 [0.700, 0.720]', 'not defined')
    """
    if value is None or value != value:
        return UNDEFINED
    if not with_interval:
        return form.format(value)
    if low is None or low != low:
        return f"{form.format(value)} [{UNDEFINED}]"
    return f"{form.format(value)} [{form.format(low)}, {form.format(high)}]"


def p_text(p: float | None) -> str:
    """Return a p-value.

    >>> p_text(0.0312), p_text(3e-7), p_text(None)
    ('0.031', '<0.0001', 'not defined')
    """
    if p is None or p != p:
        return UNDEFINED
    return "<0.0001" if p < 1e-4 else f"{p:.2g}"


def metric_table(content: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return a row for each metric, a column for each run.

    Args:
        content: What `metrics.json` holds.
    """
    return [
        {"metric": metric_of(name).title}
        | {
            run["run"]: estimate_text(
                metric_of(name).format,
                *(run["metrics"][name][key] for key in _ENDS),
                with_interval=name not in WITHOUT_INTERVALS,
            )
            for run in content["runs"]
        }
        for name in content["runs"][0]["metrics"]
    ]


_ENDS = ("value", "low", "high")


def difference_table(content: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return a row for each metric and pair of runs.

    Args:
        content: What `metrics.json` holds.
    """
    table = []
    for found in content["differences"]:
        row = {"metric": metric_of(found["metric"]).title, "runs": f"{found['run']} - {found['other']}"}
        row["difference"] = estimate_text("{:+.5f}", found["difference"], found["low"], found["high"])
        row |= {"p": p_text(found["p"])}
        if len(content["runs"]) > 2:
            row["p, corrected"] = p_text(found["p_holm"])
        table.append(row | {"test": found["test"]})
    return table


def slice_table(rows: Sequence[Mapping[str, Any]], task: str, with_intervals: bool = True) -> list[dict[str, str]]:
    """Return a row for each slice and run.

    Args:
        rows: Rows of `slices.csv` of one field or column.
        task: The task of the runs.
        with_intervals: Whether metrics have their intervals.
    """
    table = []
    for row in rows:
        shown = {row["by"]: row["slice"], "rows": f"{row['rows']:,}"}
        if row["groups"] is not None:
            shown["groups"] = f"{row['groups']:,}"
        shown["run"] = row["run"]
        for name in OF_SLICES[task]:
            if name in row:
                title, form = MEAN_LABELS[task], "{:.4f}"
                if name != MEAN_LABEL:
                    title, form = metric_of(name).title, metric_of(name).format
                value, low, high = (row[name + end] for end in ("", "_low", "_high"))
                shown[title] = estimate_text(form, value, low, high, with_intervals)
        table.append(shown)
    if len({row["run"] for row in rows}) == 1:
        for shown in table:
            del shown["run"]
    return table
