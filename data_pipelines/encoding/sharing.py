"""Fields that share one range of ids, such as an item and the items seen before."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from ctrzoo.schema import owner_of

from .field import FieldEncoding

# What decides the id of a value, and must therefore be the same.
SAME = ("type", "min_count", "has_oov_id", "missing", "hash_buckets", "unused_ids", "missing_texts", "compositional")
SAME_TIMES = ("part", "time_zone", "time_format")


def check_shares(fields: Sequence[FieldEncoding]) -> None:
    """Check that fields fit those whose ids they share.

    Raises:
        ValueError: If a field names no other field, one that shares ids itself, or one whose values get other ids.

    >>> check_shares([FieldEncoding("item", min_count=2), FieldEncoding("last_item", share="item")])
    Traceback (most recent call last):
    ValueError: Field 'last_item' shares the ids of 'item', so `min_count` must be the same. Received: 1 and 2.
    """
    by_name = {field.name: field for field in fields}
    for field in fields:
        if field.share is None:
            continue
        where = f"Field '{field.name}'"
        owner = by_name[owner_of(field.name, {name: entry.share for name, entry in by_name.items()})]
        for one in (field, owner):
            if one.reads_numbers or one.assign_ids_online or one.cross:
                what = "takes numbers" if one.reads_numbers else "has `assign_ids_online`"
                raise ValueError(
                    f"{where}: `share` is for categories of a column that are counted or hashed. "
                    f"Field '{one.name}' {'is a cross' if one.cross else what}."
                )
        for key in (*SAME, *SAME_TIMES):
            pair = getattr(field, key), getattr(owner, key)
            if pair[0] != pair[1]:
                name = "oov" if key == "has_oov_id" else key
                raise ValueError(
                    f"{where} shares the ids of '{owner.name}', so `{name}` must be the same. "
                    f"Received: {pair[0]!r} and {pair[1]!r}."
                )


def sharing(fields: Sequence[FieldEncoding], index: int) -> list[int]:
    """Return the positions of all fields with the ids of a field, itself among them.

    >>> sharing([FieldEncoding("item"), FieldEncoding("user"), FieldEncoding("last_item", share="item")], 2)
    [0, 2]
    """
    owner = fields[index].share or fields[index].name
    return [other for other, field in enumerate(fields) if owner in (field.name, field.share)]


def with_shared_values(fields: Iterable[FieldEncoding]) -> tuple[FieldEncoding, ...]:
    """Return the fields; those that share ids have the values of the fields that they name.

    Raises:
        ValueError: As in `check_shares`.
    """
    fields = tuple(fields)
    if all(field.share is None for field in fields):
        return fields
    check_shares(fields)
    by_name = {field.name: field for field in fields}
    return tuple(
        field
        if field.share is None
        else dataclasses.replace(field, values=by_name[field.share].values, counts=by_name[field.share].counts)
        for field in fields
    )
