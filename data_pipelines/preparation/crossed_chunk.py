"""A compact chunk whose crosses have texts, once the fields of their parts are fitted."""

from __future__ import annotations

import typing
from collections.abc import Sequence

import numpy as np
import polars as pl

from ..encoding.crossing import joined, part_values, positions_of_parts

if typing.TYPE_CHECKING:
    from ..encoding.field import FieldEncoding
    from .first_pass import CompactChunk


class CrossedChunk:
    """One compact chunk, for fitting crosses.

    The first pass does not know the types of the parts yet. It stores each different combination of cells once:
    `part_j_p` is the place of the cell in the dictionary of part p of the cross j, or the number itself if the part has
    buckets.

    Args:
        chunk: The chunk: its files, or what offers its arrays and dictionaries in the same way.
        fields: The fields of the table. Those that are parts of crosses are fitted.
    """

    def __init__(self, chunk: CompactChunk, fields: Sequence[FieldEncoding]):
        self._chunk, self._fields = chunk, fields
        self.arrays = chunk.arrays

    def dictionary(self, field: int) -> tuple[pl.Series, np.ndarray]:
        """Return the texts of a cross and their counts. Several cells may have one text, such as 8 and 8.0."""
        values, codes = [], []
        places = positions_of_parts(self._fields[field], self._fields)
        with self.arrays() as arrays:
            stored = [arrays[f"part_{field}_{number}"] for number in range(len(places))]
        for place, part in zip(places, stored, strict=True):
            numbers = self._fields[place].makes_ids
            cells = pl.Series(part) if numbers else self._chunk.dictionary(place)[0]
            values.append(part_values(self._fields[place], cells))
            codes.append(np.arange(len(part)) if numbers else part)
        return joined(values, codes), self._chunk.dictionary(field)[1]
