"""Error messages that suggest the closest known name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# To compare a name with more of them takes seconds, and nobody reads more of them.
MOST_COMPARED, MOST_LISTED = 10_000, 100


def unknown(what: str, name: object, known: Iterable[object]) -> str:
    """Return the error message for an unknown name.

    >>> unknown("data set", "movielens1m", ["synthetic", "movielens_1m"])
    "Unknown data set 'movielens1m'. Did you mean 'movielens_1m'?"
    """
    names = [str(entry) for entry in known]
    near = difflib.get_close_matches(str(name), names[:MOST_COMPARED], n=1)
    listed = names if len(names) <= MOST_LISTED else [*names[:MOST_LISTED], f"and {len(names) - MOST_LISTED:,} others"]
    hint = f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(listed) or 'none'}."
    return f"Unknown {what} '{name}'. {hint}"
