"""Parts of a report's page: pictures and tables."""

from __future__ import annotations

import base64
import html
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ctrzoo.explanation import plots as plots


def picture(path: pathlib.Path, figure: Figure, words: str) -> str:
    """Write a figure as `<path>.png` and `<path>.svg`; return it as HTML, with words for who cannot see it."""
    plots.save_figure(figure, path)
    data = base64.b64encode(path.with_name(f"{path.name}.png").read_bytes()).decode("ascii")
    return f'<div><img alt="{html.escape(words)}" src="data:image/png;base64,{data}"></div>'


def html_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return dictionaries with the same keys as a table."""
    head = "".join(f"<th>{html.escape(key)}</th>" for key in rows[0])
    body = "".join(f"<tr>{''.join(f'<td>{cell(value)}</td>' for value in row.values())}</tr>\n" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>"


def cell(value: Any) -> str:
    """Return the text of a cell: four digits of a number, a dash for NaN.

    >>> cell(0.25), cell(float("nan")), cell("a < b")
    ('0.2500', '–', 'a &lt; b')
    """
    if isinstance(value, float):
        return "–" if np.isnan(value) else f"{value:.4f}" if abs(value) < 1 else f"{value:.4g}"
    return "" if value is None else html.escape(str(value))
