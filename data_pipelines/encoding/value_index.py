"""Texts that are found among many others, again and again."""

from __future__ import annotations

import numpy as np
import polars as pl


class ValueIndex:
    """Where texts are among many different ones, in a time that hardly grows with their number.

    The hashes of the texts are sorted once. A join would hash all of them for each search.

    Args:
        texts: Different texts, without nulls.

    >>> ValueIndex(pl.Series(["red", "green"])).places(pl.Series(["green", "blue", None]))
    array([ 1, -1, -1])
    """

    def __init__(self, texts: pl.Series):
        hashes = _hashes(texts)
        self._texts = texts
        self._order = np.argsort(hashes).astype(np.uint32)  # polars has no longer series
        self._hashes = hashes[self._order]

    def places(self, wanted: pl.Series) -> np.ndarray:
        """Return the place of each text, int64 `(wanted,)`: -1 if it is not there, or null."""
        found = np.full(len(wanted), -1)
        open_ones = np.flatnonzero(wanted.is_not_null().to_numpy())
        hashes = _hashes(wanted.gather(open_ones))
        # In the order of hashes, the search reads memory from one end to the other.
        order = np.argsort(hashes)
        open_ones, hashes = open_ones[order], hashes[order]
        place = np.searchsorted(self._hashes, hashes)
        # Texts of the same hash are neighbors: each is compared.
        while len(open_ones):
            exists = place < len(self._hashes)
            exists[exists] = self._hashes[place[exists]] == hashes[exists]
            open_ones, hashes, place = open_ones[exists], hashes[exists], place[exists]
            candidates = self._order[place]
            same = (self._texts.gather(candidates) == wanted.gather(open_ones)).to_numpy()
            found[open_ones[same]] = candidates[same]
            open_ones, hashes, place = open_ones[~same], hashes[~same], place[~same] + 1
        return found


def _hashes(texts: pl.Series) -> np.ndarray:
    return texts.hash().to_numpy()
