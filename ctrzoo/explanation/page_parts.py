"""Parts of a report's page: pictures and tables."""

from __future__ import annotations

import html
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ctrzoo.explanation import plots as plots
from ctrzoo.page import image_of, table_of_cells


def picture(path: pathlib.Path, figure: Figure, words: str) -> str:
    """Write a figure as `<path>.png` and `<path>.svg`; return it as HTML, with words for who cannot see it."""
    plots.save_figure(figure, path)
    return image_of(path.with_name(f"{path.name}.png").read_bytes(), words)


def html_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return dictionaries with the same keys as a table."""
    return table_of_cells(list(rows[0]), [[cell(value) for value in row.values()] for row in rows])


def cell(value: Any) -> str:
    """Return the text of a cell: four digits of a number, a dash for NaN.

    >>> cell(0.25), cell(float("nan")), cell("a < b")
    ('0.2500', '–', 'a &lt; b')
    """
    if isinstance(value, float):
        return "–" if np.isnan(value) else f"{value:.4f}" if abs(value) < 1 else f"{value:.4g}"
    return "" if value is None else html.escape(str(value))
