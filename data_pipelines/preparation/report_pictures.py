"""Small pictures of a preparation, as SVG within a page: their colours are those of the page, light or dark."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import numpy as np

WIDTH, HEIGHT = 420, 120
# Room for the words below a picture.
BELOW = 20
POINTS = 60


def number_text(number: float) -> str:
    """Return a number as people read it.

    >>> number_text(1234.5), number_text(0.000123456)
    ('1,234.5', '0.000123456')
    """
    return f"{number:,.6g}"


def bar_of(parts: Mapping[str, float], words: str) -> str:
    """Return one bar for a cell of a table.

    Args:
        parts: Share of the bar's length by class of its colour, at most 1 together.
        words: What it shows.

    >>> bar_of({"own": 0.5}, "half").count("<rect")
    1
    """
    rects, start = [], 0.0
    for name, share in parts.items():
        if share > 0:
            rects.append(f'<rect class="{name}" x="{120 * start:.1f}" width="{120 * share:.1f}" height="12"></rect>')
        start += share
    return _svg(120, 12, rects, words)


def histogram(shares: Sequence[float], labels: Sequence[str], ends: tuple[str, str], words: str) -> str:
    """Return a histogram.

    Args:
        shares: The share of each bar.
        labels: What each bar stands for, shown by the mouse.
        ends: Texts below the left and the right end.
        words: What it shows.
    """
    width, highest = WIDTH / len(shares), max(shares)
    rects = []
    for place, (share, label) in enumerate(zip(shares, labels, strict=True)):
        height = HEIGHT * share / highest
        box = f'x="{place * width:.1f}" y="{HEIGHT - height:.1f}" width="{max(width - 1, 1):.1f}" height="{height:.1f}"'
        rects.append(f'<rect class="own" {box}><title>{html.escape(label)}: {share:.2%}</title></rect>')
    return _svg(WIDTH, HEIGHT + BELOW, [*rects, *_ends(*ends)], words)


def coverage_curve(counts: np.ndarray, words: str) -> str:
    """Return the share of all occurrences that the most frequent values make up, by their number on a log scale.

    Args:
        counts: How often each value occurred, the most frequent first.
        words: What it shows.
    """
    ranks = np.unique(np.geomspace(1, len(counts), POINTS).round().astype(int))
    shares = np.cumsum(counts)[ranks - 1] / counts.sum()
    across = np.log(ranks) / max(np.log(len(counts)), 1e-9)
    points = " ".join(f"{WIDTH * x:.1f},{HEIGHT * (1 - y):.1f}" for x, y in zip(across, shares, strict=True))
    curve = f'<polyline class="own" points="{points}" style="fill: none; stroke: currentColor; stroke-width: 2">'
    ends = _ends("the most frequent value", f"all {len(counts):,}")
    return _svg(WIDTH, HEIGHT + BELOW, [f"{curve}</polyline>", _base(), *ends], words)


def _base():
    return f'<rect class="missing" x="0" y="{HEIGHT}" width="{WIDTH}" height="1"></rect>'


def _ends(left, right):
    size = f'y="{HEIGHT + BELOW - 5}" font-size="12"'
    yield f'<text x="0" {size}>{html.escape(left)}</text>'
    yield f'<text x="{WIDTH}" {size} text-anchor="end">{html.escape(right)}</text>'


def _svg(width, height, parts, words):
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'<svg {size} role="img" aria-label="{html.escape(words)}">{"".join(parts)}</svg>'
