"""Guess the format of a text table from its first lines."""

from __future__ import annotations

import csv
import io

import numpy as np

from .delimited import Format

SEPARATORS = (",", "\t", ";", "|")
MOST_LINES = 200
# A format is right if so many of the lines have as many cells as the first one.
LEAST_SHARE = 0.9


def sniff_format(content: bytes, usual: str, separator: str | None = None) -> Format:
    r"""Return the format of a text table: its separator, whether it uses quotes, and its columns if it has no header.

    Args:
        content: The first lines.
        usual: The separator that the file's name suggests. It wins if it is possible.
        separator: The separator, if it is known.

    >>> sniff_format(b"site;price;click\na;1,5;0\nb;2,5;1\n", usual=",").separator
    ';'
    >>> sniff_format(b"0,a,1.5\n1,b,2.5\n", usual=",").columns
    ('column1', 'column2', 'column3')
    """
    lines = content.decode("utf-8-sig", errors="replace").splitlines(keepends=True)
    is_cut = len(lines) > 2 and not lines[-1].endswith("\n")
    text = "".join(lines[: len(lines) - is_cut][:MOST_LINES])
    known = [separator] if separator else [usual, *(each for each in SEPARATORS if each != usual)]
    formats = [_with_best_quote(text, each) for each in known]
    shares = [_share_and_width(text, format) for format in formats]
    best = 0 if shares[0][0] >= LEAST_SHARE else max(range(len(formats)), key=lambda index: shares[index])
    format = formats[best] if shares[best][0] >= LEAST_SHARE else formats[0]
    rows = _rows(text, format)
    columns = tuple(f"column{number + 1}" for number in range(len(rows[0]))) if _is_headless(rows) else None
    return Format(format.separator, columns, format.quote)


def _with_best_quote(text, separator):
    usual = Format.from_schema({}, separator)
    other = Format(separator, quote=None if usual.quote else '"')
    return max((usual, other), key=lambda format: _share_and_width(text, format)[0])


def _share_and_width(text, format):
    """Return the share of lines that have the width of the first one, and this width; 0 if it is a single cell."""
    widths = np.array([len(row) for row in _rows(text, format)] or [0])
    return (float(np.mean(widths == widths[0])), int(widths[0])) if widths[0] > 1 else (0.0, 1)


def _rows(text, format):
    quoting = csv.QUOTE_MINIMAL if format.quote else csv.QUOTE_NONE
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=format.separator, quotechar=format.quote, quoting=quoting
    )
    try:
        return [row for row in reader if row]
    except csv.Error:
        return []


def _is_headless(rows):
    """Return whether the first row is data: it holds numbers, just in those columns that other rows hold them in.

    The names 0, 1, 2, ..., which pandas gives to columns, are a header.
    """
    if len(rows) < 2:
        return False
    first, others = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    numbers = [_is_number(cell) for cell in first]
    if not any(numbers) or not others or first == [str(number) for number in range(len(first))]:
        return False
    shares = np.mean([[_is_number(cell) or not cell for cell in row] for row in others], axis=0)
    return all(
        (share > 0.5) == is_number or not cell for share, is_number, cell in zip(shares, numbers, first, strict=True)
    )


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True
