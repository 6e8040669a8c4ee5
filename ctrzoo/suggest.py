"""Error messages that suggest the closest known name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def unknown(what: str, name: object, known: Iterable[object]) -> str:
    """Return the error message for an unknown name.

    >>> unknown("data set", "movielens1m", ["synthetic", "movielens_1m"])
    "Unknown data set 'movielens1m'. Did you mean 'movielens_1m'?"
    """
    names = [str(entry) for entry in known]
    near = difflib.get_close_matches(str(name), names, n=1)
    hint = f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(names) or 'none'}."
    return f"Unknown {what} '{name}'. {hint}"
