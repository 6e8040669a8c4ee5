"""Vocabularies that grow: counts go on where earlier rows ended, and new values get ids next to those that exist.

A value that has an id keeps it. A value that passes `min_count` with the new rows takes, in the order of the texts, the
lowest id that is free, then one of the field's `unused_ids`, then an id behind all others. With `expire`, a value that
was not seen for so many extensions is forgotten, with its count, and its id is free.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Sequence

import numpy as np
import polars as pl

from .field import FieldEncoding

# Each value that was seen: how often in all rows, and in which extension last, 0 being the first preparation.
COUNTS = {"text": pl.String, "count": pl.Int64, "last": pl.Int32}
# What a model depends on stays as it was fitted first.
KEPT = "Types, scalings, buckets, lengths and the most values of a cell"


class Change(typing.NamedTuple):
    """What an extension did to the values of a field.

    Args:
        kept: Number of values that kept their ids.
        appended: Number of values that got an id.
        dropped: Number of values whose ids were freed, because they were not seen for long.
        rare: Number of values that are counted, but have no id yet.
        forgotten: Number of those that were not seen for long and are no longer counted.
    """

    kept: int
    appended: int
    dropped: int
    rare: int
    forgotten: int


class Grown(typing.NamedTuple):
    """A field whose vocabulary has grown.

    Args:
        field: The fitted field.
        counts: The values seen so far, as `COUNTS` describes them.
        change: What changed.
    """

    field: FieldEncoding
    counts: pl.DataFrame
    change: Change


@dataclasses.dataclass(frozen=True, eq=False)
class Growing:
    """Where the vocabulary of a field continues.

    Args:
        field: The fitted `FieldEncoding`; None if nothing was fitted yet.
        counts: The values seen so far, as `COUNTS` describes them.
        extension: The number of this extension; 0 is the first preparation.
        expire: After how many extensions without it a value is dropped; None drops none.
    """

    field: FieldEncoding | None = None
    counts: pl.DataFrame = dataclasses.field(default_factory=lambda: pl.DataFrame(schema=COUNTS))
    extension: int = 0
    expire: int | None = None

    def grown(self, field: FieldEncoding, found: pl.DataFrame) -> Grown:
        """Return the field with its vocabulary grown by new rows.

        Args:
            field: The field, fitted by earlier rows if there were any.
            found: What `count_values` counted in the new rows.

        >>> field, seen = FieldEncoding("city", min_count=2, values=["Oslo", "Rome"]), ["Bonn", "Oslo", "Rome"]
        >>> before = pl.DataFrame({"text": seen, "count": [1, 2, 5], "last": [0, 0, 0]}, schema=COUNTS)
        >>> found = pl.DataFrame({"text": ["Bonn", "Rome"], "count": [1, 1]})
        >>> grown = Growing(field, before, extension=1, expire=1).grown(field, found)
        >>> grown.field.values.to_list(), grown.field.counts.to_list(), grown.change.dropped
        (['Bonn', 'Rome'], [2, 6], 1)
        """
        today = found.select(pl.col("text"), pl.col("count").alias("today"))
        counts = self.counts.join(today, on="text", how="full", coalesce=True).select(
            "text",
            pl.col("count").fill_null(0) + pl.col("today").fill_null(0),
            pl.when(pl.col("today").is_null()).then("last").otherwise(self.extension).cast(pl.Int32).alias("last"),
        )
        known = pl.col("text").is_in(field.values.drop_nulls().implode())
        is_old = pl.lit(False) if self.expire is None else self.extension - pl.col("last") >= self.expire
        old, counts = counts.filter(is_old), counts.filter(~is_old)
        dropped = old.filter(known)["text"]
        values = field.values.set(field.values.is_in(dropped.implode()).fill_null(False), None)
        rare = counts.filter(~known)
        new = rare.filter(pl.col("count") >= field.min_count)["text"].sort()
        values, num_appended = _filled(values, new)
        own = values.to_frame("text").join(counts, on="text", how="left", maintain_order="left")["count"].fill_null(0)
        unused = field.unused_ids if self.field is None else max(field.unused_ids - num_appended, 0)
        field = dataclasses.replace(field, values=values, counts=own, unused_ids=unused)
        kept = len(values.drop_nulls()) - len(new)
        change = Change(kept, len(new), len(dropped), len(rare) - len(new), len(old) - len(dropped))
        return Grown(field, counts.sort("text"), change)


def _filled(values, new):
    """Put new values into the ids that are free, and the others behind; return how many these are."""
    free = values.is_null().arg_true().to_numpy()[: len(new)]
    values = values.scatter(free, new.head(len(free))) if len(free) else values
    behind = new.tail(len(new) - len(free))
    return pl.concat([values, behind]).alias("values"), len(behind)


def continued(field: FieldEncoding) -> FieldEncoding:
    """Return a fitted field as it goes on: the number of remainders of a compositional field no longer changes.

    >>> continued(FieldEncoding("user", values=["a", "b", "c"], compositional="auto")).compositional
    2
    """
    return dataclasses.replace(field, compositional=field.schema_field().compositional)


def same_ids(field: FieldEncoding, other: FieldEncoding) -> np.ndarray:
    """Return, for each local id of a field, the local id of the same value in another encoding of it.

    An id that no value has in either encoding stands for itself. -1 is a value that the other encoding does not have;
    -2 is moreover an id that another value has there, or a free one that a value has there.

    Args:
        field: The field.
        other: The other encoding, of the same specification.

    Returns:
        The ids `(field.num_values,)` of the local ids 1, 2, and so on.

    >>> same_ids(FieldEncoding("city", values=["Rome", "Bonn"]), FieldEncoding("city", values=["Oslo", "Rome"]))
    array([ 2, -2])
    """
    local = np.arange(1, field.num_values + 1)
    if not field.uses_vocabulary:
        return local
    taken, was_taken = (each.known_values["id"].to_numpy() for each in (field, other))
    new = np.where(np.isin(local, was_taken), -2, -1)
    ids = np.where((local <= other.num_values) & ~np.isin(local, was_taken), local, new)
    found = field.known_values.join(other.known_values, on="text", how="left", maintain_order="left")["id_right"]
    ids[taken - 1] = np.where(found.is_null(), new[taken - 1], found.fill_null(0))
    return ids


def same_ids_of_fields(fields: Sequence[FieldEncoding], others: Sequence[FieldEncoding]) -> dict[str, np.ndarray]:
    """Return `same_ids` of each field, by name.

    Raises:
        ValueError: If the fields differ in more than their vocabularies.

    >>> same_ids_of_fields([FieldEncoding("city", values=["Rome"])], [FieldEncoding("city", values=["Oslo", "Rome"])])
    {'city': array([2])}
    >>> same_ids_of_fields([FieldEncoding("city")], [FieldEncoding("city", min_count=2)])
    Traceback (most recent call last):
    ValueError: Field 'city' is read in another way than before: `min_count` was 2, is 1. Prepare the ... --extend.
    """
    names, before = [field.name for field in fields], [field.name for field in others]
    if names != before:
        raise ValueError(
            f"The fields were {', '.join(before)}, and are {', '.join(names)}. Prepare the new rows with --extend."
        )
    for field, other in zip(fields, others, strict=True):
        now, earlier = (continued(each).to_dict(with_values=False) for each in (field, other))
        for key in sorted({*now, *earlier} - {"unused_ids"}):
            if now.get(key) != earlier.get(key):
                raise ValueError(
                    f"Field '{field.name}' is read in another way than before: `{key}` was "
                    f"{getattr(other, key)!r}, is {getattr(field, key)!r}. Prepare the new rows with --extend."
                )
    return {field.name: same_ids(field, other) for field, other in zip(fields, others, strict=True)}
