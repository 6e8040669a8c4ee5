"""Escape names and values for use as labels in pictures."""

from __future__ import annotations

from collections.abc import Iterable


def plain(texts: Iterable[str]) -> list[str]:
    r"""Return texts that matplotlib draws literally: an unescaped dollar sign would start math mode.

    >>> print(*plain(["price in $"]))
    price in \$
    """
    return [text.replace("$", r"\$") for text in texts]
