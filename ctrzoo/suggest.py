"""Error messages that suggest the closest known names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

MOST = 3

# To compare a name with more of them takes seconds, and nobody reads more of them.
MOST_COMPARED, MOST_LISTED = 10_000, 100


def unknown(what: str, name: object, known: Iterable[object], synonyms: Mapping[str, str] | None = None) -> str:
    """Return the error message for an unknown name.

    Args:
        what: What the name stands for, such as `"data set"`.
        name: The unknown name.
        known: The known names.
        synonyms: Known names by other names for the same thing.

    >>> unknown("data set", "movielens1m", ["synthetic", "movielens_1m"])
    "Unknown data set 'movielens1m'. Did you mean 'movielens_1m'?"
    """
    names = [str(entry) for entry in known]
    near = closest(str(name), names[:MOST_COMPARED], synonyms)
    some = names if len(names) <= MOST_LISTED else [*names[:MOST_LISTED], f"and {len(names) - MOST_LISTED:,} others"]
    hint = f"Did you mean {listed(near)}?" if near else f"Known: {', '.join(some) or 'none'}."
    return f"Unknown {what} '{name}'. {hint}"


def closest(name: str, known: Iterable[str], synonyms: Mapping[str, str] | None = None) -> list[str]:
    """Return the known names that an unknown one may stand for, at most three, the likeliest first.

    In order: the same letters and digits, a synonym, a slip of the fingers, the same words among others, some
    likeness.

    >>> closest("DCN-v2", ["dcn", "dcn_v2"]), closest("dropout", ["deep_dropout", "deep_units", "linear_dropout"])
    (['dcn_v2'], ['deep_dropout', 'linear_dropout'])
    """
    spelled = {}
    for entry in known:
        spelled.setdefault(_letters(entry), entry)
    letters = _letters(name)
    if letters and letters in spelled:
        return [spelled[letters]]
    meant = {_letters(key): value for key, value in (synonyms or {}).items()}.get(letters)
    if meant is not None and _letters(meant) in spelled:
        return [spelled[_letters(meant)]]
    words = set(re.findall(r"[a-z]{3,}", (meant or name).lower()))
    alike = [entry for entry in spelled.values() if words and words <= set(re.findall(r"[a-z]+", entry.lower()))]
    for near in (_like(letters, spelled, 0.8), alike, _like(letters, spelled, 0.6)):
        if near:
            return near[:MOST]
    return []


def listed(names: Iterable[str]) -> str:
    """Return names in quotes, joined by "or".

    >>> listed(["a", "b", "c"])
    "'a', 'b' or 'c'"
    """
    *others, last = [f"'{name}'" for name in names]
    return f"{', '.join(others)} or {last}" if others else last


def _like(letters, spelled, cutoff):
    return [spelled[found] for found in difflib.get_close_matches(letters, spelled, n=1, cutoff=cutoff)]


def _letters(name):
    return re.sub(r"[\W_]", "", name).lower()
