"""The schema of a multi-field table: its fields, their kinds and their ids.

A *field* is a column (gender, price, genres). A *slot* is one (id, value) pair; a field owns one or more slots. Ids are
global: every field has its own range. **Id 0 means absent** and belongs to no field. The `Schema` is the only interface
between models and data pipelines.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ctrzoo.suggest import unknown
from ctrzoo.types import Config

KINDS = ("categorical", "numerical", "multivalued", "vector", "sequence")
POOLINGS = ("mean", "sum", "max")
FORMAT_VERSION = 1
MOST_IDS = 2**31 - 1
# Keys of a field that earlier versions do not know.
LATER = ("share", "cross", "compositional", "events")
SCHEMA_KEYS = ("format_version", "ctrzoo_version", "label", "fields")


@dataclasses.dataclass(frozen=True)
class Field:
    """One column of the table.

    Args:
        name: Unique name of the column.
        kind: `"categorical"` (one id, value 1), `"numerical"` (the field's own id, value = the scaled number, so its
            embedding is value times vector), `"multivalued"` (several ids), `"vector"` (a fixed number of numbers x,
            each with an id of its own, so its embedding is the projection `x @ table rows`) or `"sequence"` (the ids of
            events, the oldest first, each with the value 1; absent slots come last).
        vocabulary_size: Number of ids of the field; 1 for a numerical field, the length of a vector.
        num_slots: Maximum number of ids per row; above 1 only for a multi-valued field and a sequence, and the length
            of a vector. A compositional field has twice as many.
        pooling: How to pool the embeddings of a multi-valued field, and of a sequence in models that do not read its
            order: `"mean"`, `"sum"` or `"max"`, the largest number of each dimension. Weights of ids and `"max"`
            exclude each other.
        weighted: Whether the ids of a multi-valued field have weights in the data.
        share: Name of the field whose ids this field uses, such as `"item"` for the last item seen. It then has no ids,
            and so no rows of an embedding table, of its own.
        cross: Names of the two or three fields whose combinations are the values of this field, such as
            `("site", "ad")`; empty for a field of values of its own.
        compositional: Number R of remainders of a field whose values are too many for a table. Value n, counted from 0,
            has two ids, of the quotient n // R and of the remainder n % R, and its embedding is the sum of the two
            rows. A product, which the source takes too, would never learn where rows start at 0, as those of linear
            terms do. The slots of the quotients come first, as do their ids. Source: Shi et al., 2020, section 3,
            https://arxiv.org/abs/1909.02107.
        events: Name of the history of which a sequence is a column. The sequences of one history describe the same
            events slot by slot, such as the items and their categories. None for a sequence that is a history of its
            own, named after itself.

    Raises:
        ValueError: If an argument is out of range or does not fit the kind.

    >>> Field("genres", "multivalued", vocabulary_size=18, num_slots=6).num_slots
    6
    """

    name: str
    kind: str = "categorical"
    vocabulary_size: int = 1
    num_slots: int = 1
    pooling: str = "mean"
    weighted: bool = False
    share: str | None = None
    cross: tuple[str, ...] = ()
    compositional: int | None = None
    events: str | None = None

    def __post_init__(self):
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"A field's name must be a non-empty string. Received: {self.name!r}.")
        where = f"Field '{self.name}'"
        if self.kind not in KINDS:
            raise ValueError(f"{where}: the kind must be one of {', '.join(KINDS)}. Received: {self.kind!r}.")
        if self.pooling not in POOLINGS:
            raise ValueError(f"{where}: the pooling must be one of {', '.join(POOLINGS)}. Received: {self.pooling!r}.")
        for argument in ("vocabulary_size", "num_slots"):
            number = getattr(self, argument)
            if not isinstance(number, numbers.Integral) or isinstance(number, bool) or number < 1:
                raise ValueError(f"{where}: `{argument}` must be a whole number of at least 1. Received: {number!r}.")
            object.__setattr__(self, argument, int(number))  # JSON rejects NumPy integers
        if self.kind == "numerical" and self.vocabulary_size != 1:
            raise ValueError(
                f"{where}: a numerical field has one id, so `vocabulary_size` must be 1. "
                f"Received: {self.vocabulary_size}."
            )
        if self.kind == "vector" and self.num_slots != self.vocabulary_size:
            raise ValueError(
                f"{where}: each number of a vector has one id and one slot, so `vocabulary_size` and `num_slots` must "
                f"be equal. Received: {self.vocabulary_size} and {self.num_slots}."
            )
        if self.kind == "vector" and self.pooling != "mean":
            raise ValueError(f"{where}: the numbers of a vector are not pooled. Remove `pooling`.")
        if self.kind == "sequence" and self.compositional is not None:
            raise ValueError(f"{where}: each event of a sequence has one id. Remove `compositional`.")
        if self.events is not None and (not isinstance(self.events, str) or not self.events):
            raise ValueError(f"{where}: `events` must be the name of a history. Received: {self.events!r}.")
        if self.events is not None and self.kind != "sequence":
            raise ValueError(f"{where}: only a sequence has events. Remove `events`, or set kind='sequence'.")
        if self.compositional is not None:
            self._check_compositional(where)
        elif self.kind not in ("multivalued", "vector", "sequence") and self.num_slots != 1:
            raise ValueError(
                f"{where}: only a multi-valued field and a sequence have several slots. Received: {self.kind}, "
                f"{self.num_slots} slots. Set kind='multivalued', kind='sequence' or num_slots=1."
            )
        if self.weighted and self.kind != "multivalued":
            raise ValueError(f"{where}: only a multi-valued field has weights. Set kind='multivalued'.")
        if self.weighted and self.pooling == "max":
            raise ValueError(f"{where}: the pooling 'max' takes no weights. Set pooling='mean' or 'sum'.")
        if self.share is not None and (not isinstance(self.share, str) or not self.share):
            raise ValueError(f"{where}: `share` must be the name of another field. Received: {self.share!r}.")
        object.__setattr__(self, "cross", parts_of(self.name, self.cross))
        if self.cross and (self.kind != "categorical" or self.share is not None):
            raise ValueError(f"{where}: a cross is categorical and has ids of its own. Remove `kind` and `share`.")

    def _check_compositional(self, where):
        remainders = self.compositional
        if not isinstance(remainders, numbers.Integral) or isinstance(remainders, bool) or remainders < 1:
            raise ValueError(
                f"{where}: `compositional` must be a whole number of at least 1. Received: {remainders!r}."
            )
        object.__setattr__(self, "compositional", int(remainders))
        if self.holds_numbers or self.pooling == "max":
            raise ValueError(
                f"{where}: `compositional` is for categorical fields, and for multi-valued ones not pooled by max."
            )
        if remainders >= self.vocabulary_size:
            raise ValueError(
                f"{where}: a compositional field has ids of {remainders} remainders and of at least one quotient. "
                f"Received: {self.vocabulary_size} ids."
            )
        if self.num_slots % 2 or (self.kind == "categorical" and self.num_slots != 2):
            raise ValueError(
                f"{where}: a compositional field has two slots for each value. Received: {self.num_slots}."
            )

    @property
    def values_per_row(self) -> int:
        """The most values of a row."""
        return self.num_slots if self.compositional is None else self.num_slots // 2

    @property
    def holds_numbers(self) -> bool:
        """Whether the values of the field are numbers of the data, and its ids are the same in all rows."""
        return self.kind in ("numerical", "vector")


@dataclasses.dataclass(frozen=True)
class Schema:
    """The fields of a table, in model order.

    Features of a batch are `{"ids": int32 (batch, num_slots), "values": float32 (batch, num_slots)}`.

    Args:
        fields: The fields; `Field` objects or mappings of their arguments.
        label: Name of the label column.

    Raises:
        ValueError: If `fields` is empty, a name occurs twice, or a field shares ids that do not fit it.

    >>> schema = Schema([Field("user", vocabulary_size=10), Field("age", "numerical")])
    >>> schema.num_fields, schema.num_ids, schema.first_ids
    (2, 12, (1, 11))
    >>> schema = Schema([Field("item", vocabulary_size=10), Field("last_item", vocabulary_size=10, share="item")])
    >>> schema.num_ids, schema.first_ids
    (11, (1, 1))
    """

    fields: Sequence[Field]
    label: str = "label"

    def __post_init__(self):
        fields = tuple(field if isinstance(field, Field) else _field_from_dict(field) for field in self.fields)
        object.__setattr__(self, "fields", fields)
        if not fields:
            raise ValueError("A schema needs at least one field. Received: none.")
        names = [field.name for field in fields]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"Field names must differ. Received more than once: {', '.join(twice)}.")
        for field in fields:
            if field.share is not None:
                _check_share(field, dict(zip(names, fields, strict=True)))
            if field.cross:
                _check_cross(field, dict(zip(names, fields, strict=True)))
        _check_histories(self.histories, dict(zip(names, fields, strict=True)))
        if self.num_ids > MOST_IDS:
            largest = max(fields, key=lambda field: field.vocabulary_size)
            raise ValueError(
                f"A schema can have at most {MOST_IDS:,} ids, because ids have 32 bits. Received: {self.num_ids:,}. "
                f"The field '{largest.name}' has {largest.vocabulary_size:,}. Set fewer `hash_buckets` "
                "or `unused_ids`, a higher `min_count`, or `compositional: auto`."
            )
        if self.label in names:
            raise ValueError(f"The label '{self.label}' must not be a field: the model would see the answer.")

    @property
    def names(self) -> tuple[str, ...]:
        """Field names, in model order."""
        return tuple(field.name for field in self.fields)

    @property
    def num_fields(self) -> int:
        """Number of fields."""
        return len(self.fields)

    @functools.cached_property
    def num_slots(self) -> int:
        """Number of (id, value) pairs per row."""
        return sum(field.num_slots for field in self.fields)

    @functools.cached_property
    def num_ids(self) -> int:
        """Rows of an embedding table: id 0 (absent) and the ids of all fields."""
        return 1 + sum(field.vocabulary_size for field in self.fields if field.share is None)

    @functools.cached_property
    def first_ids(self) -> tuple[int, ...]:
        """The first global id of each field."""
        sizes = [field.vocabulary_size if field.share is None else 0 for field in self.fields]
        own = dict(zip(self.names, 1 + np.cumsum([0, *sizes[:-1]]), strict=True))
        return tuple(int(own[field.share or field.name]) for field in self.fields)

    @functools.cached_property
    def slot_fields(self) -> tuple[int, ...]:
        """The index of the field that owns each slot, `(num_slots,)`."""
        return tuple(index for index, field in enumerate(self.fields) for _ in range(field.num_slots))

    @functools.cached_property
    def histories(self) -> dict[str, tuple[str, ...]]:
        """The sequences of each history, in model order.

        >>> seen = Field("seen", "sequence", vocabulary_size=5, num_slots=3)
        >>> Schema([seen, Field("kinds", "sequence", num_slots=3, events="seen")]).histories
        {'seen': ('seen', 'kinds')}
        """
        found: dict[str, tuple[str, ...]] = {}
        for field in self.fields:
            if field.kind == "sequence":
                name = field.events or field.name
                found[name] = (*found.get(name, ()), field.name)
        return found

    def to_dict(self) -> Config:
        """Return the schema as plain dictionaries and lists."""
        return {
            "format_version": FORMAT_VERSION,
            "label": self.label,
            "fields": [_as_before(dataclasses.asdict(field)) for field in self.fields],
        }

    @classmethod
    def from_dict(cls, config: Config) -> Schema:
        """Build a schema from what `to_dict` returned.

        Raises:
            ValueError: If a key is missing or unknown, or the format version differs.
        """
        if not isinstance(config, Mapping) or "fields" not in config:
            raise ValueError("A schema must be a mapping with the key 'fields'.")
        version = config.get("format_version", FORMAT_VERSION)
        if version != FORMAT_VERSION:
            raise ValueError(
                f"The schema has format version {version}, this ctrzoo reads version {FORMAT_VERSION}. It was written "
                f"by ctrzoo {config.get('ctrzoo_version', '0.1.0')}; install it, or prepare the data again."
            )
        for key in config:
            if key not in SCHEMA_KEYS:
                raise ValueError(unknown("key of a schema", key, SCHEMA_KEYS))
        return cls(tuple(_field_from_dict(field) for field in config["fields"]), config.get("label", "label"))

    def to_json(self) -> str:
        """Return the schema as JSON text."""
        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Schema:
        """Read a schema from JSON text.

        Raises:
            ValueError: If the text is not JSON or not a schema.
        """
        try:
            config = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"The schema is not valid JSON: {error}.") from None
        return cls.from_dict(config)

    def differences(self, other: Schema) -> list[str]:
        """Describe each difference from another schema in a sentence; return an empty list if they are equal."""
        found = []
        if self.names != other.names:
            found.append(f"the fields are ({', '.join(self.names)}) and ({', '.join(other.names)})")
        if self.label != other.label:
            found.append(f"the label is '{self.label}' and '{other.label}'")
        others = {field.name: field for field in other.fields}
        for field in self.fields:
            twin = others.get(field.name, field)
            found += [
                f"`{key}` of field '{field.name}' is {value!r} and {getattr(twin, key)!r}"
                for key, value in dataclasses.asdict(field).items()
                if value != getattr(twin, key)
            ]
        return found


def _as_before(config):
    """Leave out the `LATER` keys of a field that does not use them, so that earlier versions can read the schema."""
    parts = list(config["cross"])
    return {key: parts if key == "cross" else value for key, value in config.items() if key not in LATER or value}


def parts_of(name: str, cross: Any) -> tuple[str, ...]:
    """Return the names of the fields that a field crosses; none if it is no cross.

    Args:
        name: Name of the field.
        cross: What is given as its `cross`: a list of names, or None.

    Raises:
        ValueError: If these are not two or three different names.

    >>> parts_of("site_ad", ["site", "ad"])
    ('site', 'ad')
    """
    if cross is None or cross == ():
        return ()
    parts = tuple(cross) if isinstance(cross, (list, tuple)) else (cross,)
    if not all(isinstance(part, str) for part in parts) or len(parts) not in (2, 3) or len(set(parts)) < len(parts):
        raise ValueError(
            f"Field '{name}': `cross` must be a list of two or three different fields, such as [site, ad]. "
            f"Received: {cross!r}."
        )
    return parts


def owner_of(name: str, shares: Mapping[str, str | None]) -> str:
    """Return the field whose ids a field shares, which must have ids of its own.

    Args:
        name: Name of the field.
        shares: For each field, the name of the one whose ids it shares, or None.

    Raises:
        ValueError: If it names no other field, or one that shares ids itself.

    >>> owner_of("last_item", {"item": None, "last_item": "item"})
    'item'
    """
    where, owner = f"Field '{name}': `share`", shares[name]
    if owner is None or owner not in shares:
        raise ValueError(f"{where}: {unknown('field', str(owner), shares)}")
    if shares[owner] is not None:
        which = "itself" if owner == name else f"'{owner}', which shares the ids of '{shares[owner]}'"
        raise ValueError(f"{where} must name a field with ids of its own. Received: {which}.")
    return owner


def _check_share(field, fields):
    owner = fields[owner_of(field.name, {name: entry.share for name, entry in fields.items()})]
    where = f"Field '{field.name}': `share`"
    if owner.cross:
        raise ValueError(f"{where} must name a field of a column. Received: '{owner.name}', which is a cross.")
    if field.holds_numbers or owner.holds_numbers:
        kinds = f"'{field.name}' is {field.kind}, '{owner.name}' is {owner.kind}"
        raise ValueError(f"{where} is for categorical and multi-valued fields and sequences. Received: {kinds}.")
    if field.compositional != owner.compositional:
        both = f"{field.compositional}, and {owner.compositional} of '{owner.name}'"
        raise ValueError(f"{where} needs the `compositional` of '{owner.name}'. Received: {both}.")
    if field.vocabulary_size != owner.vocabulary_size:
        sizes = f"{field.vocabulary_size}, and {owner.vocabulary_size} of '{owner.name}'"
        raise ValueError(f"{where} needs the `vocabulary_size` of '{owner.name}'. Received: {sizes}.")


def _check_histories(histories, fields):
    for name, columns in histories.items():
        lengths = {column: fields[column].num_slots for column in columns}
        if len(set(lengths.values())) > 1:
            raise ValueError(
                f"The sequences of the history '{name}' describe the same events, so they need the same `num_slots`. "
                f"Received: {', '.join(f'{length} of {column!r}' for column, length in lengths.items())}."
            )


def _check_cross(field, fields):
    where = f"Field '{field.name}': `cross`"
    for part in field.cross:
        if part not in fields:
            raise ValueError(f"{where}: {unknown('field', part, fields)}")
        other = fields[part]
        if other.cross:
            which = "itself" if part == field.name else f"'{part}', which is a cross"
            raise ValueError(f"{where} must name fields that are no crosses. Received: {which}.")
        if other.kind != "categorical":
            is_number = other.kind == "numerical"
            mend = "make it categorical, in a schema by `transform: quantile`" if is_number else "leave it out"
            raise ValueError(f"{where} takes categorical fields, and '{part}' is {other.kind}: {mend}.")


def _field_from_dict(config):
    known = [entry.name for entry in dataclasses.fields(Field)]
    if not isinstance(config, Mapping) or "name" not in config:
        raise ValueError(f"A field must be a mapping with a 'name'. Received: {config!r}.")
    others = sorted(set(config) - set(known))
    if others:
        raise ValueError(
            f"Field '{config['name']}' has unknown keys: {', '.join(others)}. Known keys: {', '.join(known)}."
        )
    return Field(**config)
