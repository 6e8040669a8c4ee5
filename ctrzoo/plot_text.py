"""Names and values as labels of pictures."""

from __future__ import annotations

from collections.abc import Sequence


def plain(texts: Sequence[str]) -> list[str]:
    r"""Return texts that matplotlib draws as they are: dollar signs would open mathematics.

    >>> print(*plain(["price in $"]))
    price in \$
    """
    return [text.replace("$", r"\$") for text in texts]
