"""Fields that a graph reads together: one operation for all of them, not one for each.

A graph of 39 fields has hundreds of operations. For one row, starting them takes longer than what they compute.
"""

from __future__ import annotations

import typing
from collections.abc import Hashable, Sequence

from .cell_types import Decimal
from .transforms import Transform

if typing.TYPE_CHECKING:
    from .field import FieldEncoding


def alike(fields: Sequence[FieldEncoding]) -> list[list[int]]:
    """Return the places of fields that are read alike, in groups of at least two.

    These are categories of texts with the same type and the same texts for missing cells, which are looked up or hashed
    to equally many buckets, and numbers with the same transform.

    Args:
        fields: The fields of a table.

    >>> from ctrzoo.data_pipelines.encoding.field import FieldEncoding
    >>> fields = [FieldEncoding("site"), FieldEncoding("user", hash_buckets=9), FieldEncoding("ad")]
    >>> alike(fields)
    [[0, 2]]
    """
    groups: dict[Hashable, list[int]] = {}
    for place, field in enumerate(fields):
        kind = _kind_of_text(field) or _kind_of_number(field)
        if kind:
            groups.setdefault(kind, []).append(place)
    return [places for places in groups.values() if len(places) > 1]


def _kind_of_text(field):
    """Return what texts that are read together must agree in, None for other fields."""
    if field.kind != "categorical" or field.cross or field.transform or field.reads_times:
        return None
    if field.compositional is not None or (isinstance(field.cell_type, Decimal) and not field.hash_buckets):
        return None
    return ("text", type(field.cell_type), tuple(field.missing_texts), field.hash_buckets)


def _kind_of_number(field):
    """Return what numbers that are read together must agree in, None for other fields."""
    if field.kind != "numerical" or not field.scale or type(field.transformer).graph is not Transform.graph:
        return None
    return ("number", field.transform, tuple(field.missing_texts))
