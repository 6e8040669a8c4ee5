"""Tables of Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any


def table_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines of a table, one row for each dictionary; the keys of the first one are the titles.

    >>> table_lines([{"model": "fm", "rows": 12}])
    ['| model | rows |', '|---|---|', '| fm | 12 |']
    """
    lines = [f"| {' | '.join(rows[0])} |", "|---" * len(rows[0]) + "|"]
    return lines + [f"| {' | '.join(str(cell) for cell in row.values())} |" for row in rows]
