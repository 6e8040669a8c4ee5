"""What a user says of a field, and its checks."""

from __future__ import annotations

import dataclasses
import functools
import math

from ctrzoo.schema import KINDS, POOLINGS, parts_of
from ctrzoo.suggest import unknown

from .cell_types import AUTO, CELL_TYPES, CellType
from .clock import Clock
from .times import PARTS
from .transforms import TRANSFORMS, transforms_of

MISSING = ("absent", "category", "reserved")
KEPT = ("first", "last")
LEAST = {"min_count": 1, "hash_buckets": 1, "num_buckets": 2, "max_values": 1, "unused_ids": 0, "length": 1}
TYPES = {
    "column": (str | None, "a text"),
    "oov": (bool | None, "true or false"),
    "assign_ids_online": (bool, "true or false"),
    "separator": (str, "a text, in quotes"),
    "weight_separator": (str | None, "a text, in quotes"),
    "part": (str | None, "a text, such as hour"),
    "time_zone": (str | None, "a text, such as Europe/Berlin"),
    "time_format": (str | None, "a text, such as '%d.%m.%Y'"),
    "share": (str | None, "the name of another field"),
    "events": (str | None, "the name of a history"),
}
# What says how the cells of a column are read; the parts of a cross say it of theirs.
OF_COLUMNS = (
    *("column", "transform", "type", "missing_texts", "part", "time_zone", "time_format"),
    *("share", "assign_ids_online"),
)


def rows_of(num_values: int, compositional: int | str) -> tuple[int, int]:
    """Return the numbers of quotients and of remainders of so many values.

    >>> rows_of(1_000_000, "auto"), rows_of(10, 4)
    ((1000, 1000), (3, 4))
    """
    remainders = math.isqrt(num_values - 1) + 1 if isinstance(compositional, str) else compositional
    return -(-num_values // remainders), remainders


@dataclasses.dataclass(frozen=True, eq=False)
class FieldSpecification:
    """How one column is to become ids or numbers, before anything is fitted.

    Args:
        name: Name of the field.
        kind: `"categorical"`, `"numerical"`, `"multivalued"`, `"vector"` or `"sequence"`, as in the `Schema`. The cells
            of a sequence list events, the oldest first.
        column: The column of the raw table; by default of the field's name.
        min_count: Values that occur less often share the OOV id with unseen values; each place in a multi-valued
            cell counts. With 1 the field has no OOV id and an unseen value is absent, unless `oov` says otherwise.
        oov: Whether the field has an OOV id; by default if `min_count` is above 1.
        missing: What a missing or empty cell is: `"absent"` (id 0, value 0), `"category"` (a value like
            others: the empty text), `"reserved"` (absent, although the empty text is counted and gets an
            id, as in the original preparation of Criteo).
        hash_buckets: Ids are 1 + FarmHash64(text) mod `hash_buckets`, as `keras.layers.Hashing` has
            them, and nothing is counted.
        transform: What becomes of a number, see `ctrzoo.data_pipelines.encoding.transforms`: for a numerical field
            `"log_squared"`, `"log1p"`, `"sqrt"`, `"min_max"`, `"standard"` or None; for a categorical field
            `"quantile"` or `"log_squared_bucket"` turns numbers into categories, None takes text.
        num_buckets: The most buckets of `"quantile"`.
        separator: What separates the values of a multi-valued cell of text, the events of a sequence or the numbers of
            a vector. All may be a list in square brackets, too.
        weight_separator: What separates a value from its weight within a multi-valued cell; None if
            there are no weights.
        max_values: The most values kept of a multi-valued cell; by default the most seen. Beyond 50, a few longer
            cells are cut to what 99.9 % of the cells have, and the report says how many values were cut. Of the events
            of a sequence the newest are kept.
        keep: Which values of a multi-valued cell with more than `max_values` are kept, in the order of the cell:
            the `"first"` or the `"last"`. Values without an id do not count.
        pooling: `"mean"`, `"sum"` or `"max"` of the embeddings of the values of a multi-valued cell. `"max"`
            is the largest number of each dimension and takes no weights.
        unused_ids: Ids that no value has, but that count in the field's vocabulary size.
        assign_ids_online: Whether ids were assigned while the rows were read: in the prepared rows the first
            `min_count - 1` occurrences of each value have the OOV id. Later rows get the final ids.
        type: The type of the values, see `ctrzoo.data_pipelines.encoding.cell_types`: `"integer"`, `"decimal"`,
            `"boolean"`, `"time"` or `"text"`, so that 8 and 8.0 are one value. `"auto"` decides it by all cells when
            the field is fitted. None takes text as it is written.
        missing_texts: Texts that stand for a missing cell, in addition to the empty one, such as `("NULL", "-1")`.
        part: The part of a time that is the category: `"hour"` (0 to 23), `"weekday"` (0 is Monday, 6 Sunday), `"day"`
            of the month, `"month"` (1 to 12) or `"is_weekend"` (0 or 1). The cells must hold times.
        time_zone: The IANA name of the zone that parts are of, such as `"Europe/Berlin"`; by default UTC. Times with an
            offset from UTC, and numbers since 1970, are converted to it. Other times are taken as they are written.
        time_format: How cells write times, if not as 2024-06-20 12:00:00, for a field with a `part` or of the type
            `"time"`: `"%d.%m.%Y"`, `"%m/%d/%Y %I:%M %p"` and the like, or `"epoch_seconds"` or
            `"epoch_milliseconds"` for numbers since 1970. Such a field refuses cells that are no times.
        share: Name of another field with the same values, such as `"item"` for a field of the last items. Both use one
            range of ids, and so the same rows of embedding tables. Values are counted in both columns.
        cross: Names of two or three categorical fields, such as `("site", "ad")`: the values of this field are their
            combinations, and it has no column. A cross names fields, because these say how cells are read, so a column
            that is only crossed must be a field too. See `ctrzoo.data_pipelines.encoding.crossing`.
        length: The number of numbers in each cell of a vector field; by default that of the cells of the fit. A missing
            cell is a vector of zeros.
        columns: The columns of numbers that make up a vector, in place of one `column` of lists. All of a row, or
            none, must be there.
        compositional: For more values than an embedding table should have rows: the number of rows of a table of
            remainders, beside one of quotients. The embedding of a value is the sum of its two rows, so that R and N /
            R rows do for N values. `"auto"` is the square root of N, which needs the fewest rows. Each value has a
            pair of its own. Source: Shi et al., 2020, https://arxiv.org/abs/1909.02107.
        events: The history of which a sequence is a column; by default one of its own, with its name. See
            `ctrzoo.data_pipelines.encoding.histories`.

    Raises:
        ValueError: If an argument is none of these or does not fit the kind.

    >>> FieldSpecification("site", min_count=3).has_oov_id, FieldSpecification("site").has_oov_id
    (True, False)
    """

    name: str
    kind: str = "categorical"
    column: str | None = None
    min_count: int = 1
    oov: bool | None = None
    missing: str = "absent"
    hash_buckets: int | None = None
    transform: str | None = None
    num_buckets: int = 20
    separator: str = "|"
    weight_separator: str | None = None
    max_values: int | None = None
    keep: str = "first"
    pooling: str = "mean"
    unused_ids: int = 0
    assign_ids_online: bool = False
    type: str | None = None
    missing_texts: tuple[str, ...] = ()
    part: str | None = None
    time_zone: str | None = None
    time_format: str | None = None
    share: str | None = None
    cross: tuple[str, ...] = ()
    length: int | None = None
    columns: tuple[str, ...] = ()
    compositional: int | str | None = None
    events: str | None = None

    def __post_init__(self):
        object.__setattr__(self, "missing_texts", tuple(self.missing_texts))
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"A field's name must be a non-empty text. Received: {self.name!r}.")
        where = f"Field '{self.name}'"
        object.__setattr__(self, "cross", parts_of(self.name, self.cross))
        if self.cross:
            self._check_cross(where)
        for key, allowed in (("kind", KINDS), ("missing", MISSING), ("pooling", POOLINGS), ("keep", KEPT)):
            if getattr(self, key) not in allowed:
                texts = " For texts that mark a missing cell, write `missing_texts`." if key == "missing" else ""
                raise ValueError(
                    f"{where}: `{key}` must be one of {', '.join(allowed)}. Got {getattr(self, key)!r}.{texts}"
                )
        self._check_vector(where)
        allowed = transforms_of(self.kind)
        if self.transform not in allowed:
            raise ValueError(
                f"{where}: `transform` of a {self.kind} field must be one of {', '.join(map(str, allowed))}. "
                f"Received: {self.transform!r}."
            )
        for key, least in LEAST.items():
            number = getattr(self, key)
            is_none = number is None and key in ("hash_buckets", "max_values", "length")
            if not is_none and (not isinstance(number, int) or isinstance(number, bool) or number < least):
                raise ValueError(f"{where}: `{key}` must be a whole number of at least {least}. Received: {number!r}.")
        for key, (types, what) in TYPES.items():
            if not isinstance(getattr(self, key), types):
                raise ValueError(f"{where}: `{key}` must be {what}. Received: {getattr(self, key)!r}.")
        for key in ("separator", "weight_separator"):
            if (self.holds_several or self.kind == "vector") and getattr(self, key) == "":
                kind = "multi-valued field" if self.kind == "multivalued" else self.kind
                raise ValueError(f"{where}: `{key}` of a {kind} must not be empty. Write one, such as ';'.")
        if self.kind == "multivalued" and self.missing != "absent":
            raise ValueError(f"{where}: a multi-valued field without values is absent. Remove `missing`.")
        self._check_sequence(where)
        if self.is_weighted and self.pooling == "max":
            raise ValueError(f"{where}: the pooling 'max' takes no weights. Remove `weight_separator`, or pool by sum.")
        if self.assign_ids_online and not self.has_oov_id:
            raise ValueError(
                f"{where}: `assign_ids_online` needs an OOV id and counted values. Set `min_count` above 1."
            )
        if self.hash_buckets and (self.holds_numbers or self.makes_ids):
            raise ValueError(f"{where}: numbers are not hashed. Remove `hash_buckets` or make the field categorical.")
        if self.compositional is not None:
            self._check_compositional(where, self.compositional)
        if self.type not in (None, AUTO, *CELL_TYPES):
            raise ValueError(f"{where}: {unknown('type', str(self.type), (*CELL_TYPES, AUTO))}")
        if self.type is not None and (self.reads_numbers or self.holds_numbers):
            raise ValueError(f"{where}: `type` is for categories, and this field takes numbers. Remove `type`.")
        if self.assign_ids_online and self.type not in (None, "text"):
            raise ValueError(f"{where}: `assign_ids_online` takes texts as they are written. Remove `type`.")
        object.__setattr__(self, "column", None if self.cross else self.column or self.name)
        if self.part is not None or self.time_zone is not None or self.time_format is not None:
            self._check_times(where)

    def _check_cross(self, where):
        if self.kind != "categorical":
            raise ValueError(f"{where}: a cross is categorical. Remove `kind`. Received: {self.kind!r}.")
        for key in OF_COLUMNS:
            if getattr(self, key):
                raise ValueError(
                    f"{where}: `{key}` is for fields of a column, and the parts of a cross have theirs. Remove it."
                )

    def _check_vector(self, where):
        if self.kind != "vector":
            for key, default in (("length", None), ("columns", ())):
                if getattr(self, key) != default:
                    raise ValueError(f"{where}: `{key}` is for vectors. Remove it, or set `kind: vector`.")
            return
        is_list = isinstance(self.columns, (list, tuple)) and self.columns != []
        if not is_list or not all(isinstance(name, str) and name for name in self.columns):
            raise ValueError(
                f"{where}: `columns` must be a list of names of columns, such as [v1, v2]. Received: {self.columns!r}."
            )
        object.__setattr__(self, "columns", tuple(self.columns))
        twice = next((name for name in self.columns if self.columns.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{where}: `columns` must differ. Received more than once: {twice}.")
        if self.columns and self.column not in (None, self.name):
            raise ValueError(f"{where}: a vector has one `column` or several `columns`. Remove one of the two keys.")
        if self.columns and self.length not in (None, len(self.columns)):
            raise ValueError(
                f"{where}: the `length` of {len(self.columns)} `columns` is not {self.length!r}. Remove `length`."
            )
        if self.transform is not None:
            raise ValueError(f"{where}: a vector has no `transform`. Remove it, and scale the numbers in the table.")
        if self.share is not None:
            raise ValueError(f"{where}: `share` is for fields with ids, and a vector has numbers. Remove `share`.")

    def _check_sequence(self, where):
        if self.kind != "sequence":
            if self.events is not None:
                raise ValueError(f"{where}: only a sequence has events. Remove `events`, or set `kind: sequence`.")
            return
        if self.missing != "absent":
            raise ValueError(f"{where}: a sequence without events is absent. Remove `missing`.")
        if self.keep != "first":
            raise ValueError(f"{where}: a sequence keeps its newest events, which are the last. Remove `keep`.")
        for key in ("weight_separator", "assign_ids_online", "compositional"):
            if getattr(self, key):
                raise ValueError(f"{where}: a sequence takes no `{key}`. Remove it.")

    def _check_compositional(self, where, remainders):
        is_number = isinstance(remainders, int) and not isinstance(remainders, bool)
        if not (is_number and remainders >= 1) and remainders != AUTO:
            raise ValueError(
                f"{where}: `compositional` must be a whole number of at least 1, or 'auto'. Received: {remainders!r}."
            )
        if self.holds_numbers or self.makes_ids:
            raise ValueError(f"{where}: `compositional` is for values that are counted or hashed. Remove it.")
        if self.pooling == "max":
            raise ValueError(
                f"{where}: the pooling 'max' takes whole embeddings, and those of a compositional field are sums. "
                "Pool by sum or mean, or remove `compositional`."
            )
        rows = rows_of(self.hash_buckets + self.unused_ids, remainders) if self.hash_buckets else (0, 0)
        if self.hash_buckets and sum(rows) >= self.hash_buckets + self.unused_ids:
            raise ValueError(
                f"{where}: `compositional` saves nothing, as {rows[0]:,} quotients and {rows[1]:,} remainders are no "
                f"fewer than the {self.hash_buckets + self.unused_ids:,} ids. Remove it, or set another number."
            )

    def _check_times(self, where):
        if self.part not in (None, *PARTS):
            raise ValueError(f"{where}: {unknown('part', str(self.part), PARTS)}")
        if self.kind != "categorical" or self.transform:
            raise ValueError(
                f"{where}: `part`, `time_zone` and `time_format` are for categories without a `transform`. Remove "
                "them, or correct the kind or the transform."
            )
        if self.part is not None and self.type is not None:
            raise ValueError(f"{where}: a `part` is a whole number, whatever the `type`. Remove one of them.")
        if self.part is None and self.time_zone is not None:
            raise ValueError(f"{where}: `time_zone` is for fields with a `part`. Add it, or remove `time_zone`.")
        if self.part is None and self.type != "time":
            raise ValueError(f"{where}: `time_format` is for times. Add `type: time` or a `part`, or remove it.")
        try:
            _ = self.clock
        except ValueError as error:
            raise ValueError(f"{where}: {error}.".replace("..", ".")) from None

    @property
    def reads_times(self) -> bool:
        """Whether the raw cells must be times."""
        return self.part is not None or self.time_format is not None

    @functools.cached_property
    def clock(self) -> Clock:
        """The object that turns times into texts."""
        return Clock(self.column or self.name, self.part, self.time_format, self.time_zone, self.missing_texts)

    def idle(self) -> dict[str, str]:
        """Return the options that have no effect on this field, and which fields they are for."""
        idle = dict.fromkeys(OF_COLUMNS, "fields of a column") if self.cross else {}
        if self.kind != "multivalued":
            idle |= dict.fromkeys(("weight_separator", "keep"), "multi-valued fields")
        if not self.holds_several:
            idle |= dict.fromkeys(("max_values", "pooling"), "multi-valued fields and sequences")
            idle["separator"] = "multi-valued fields, sequences and vectors in one column"
        if self.kind == "vector" and not self.columns:
            idle.pop("separator")
        if self.transform != "quantile":
            idle["num_buckets"] = "fields with the transform 'quantile'"
        if self.columns:
            idle["length"] = "vectors in one column"
        if (self.reads_numbers or self.holds_numbers) and not self.uses_vocabulary:
            idle |= dict.fromkeys(("min_count", "oov"), "fields whose values are counted")
        if self.hash_buckets:
            idle |= dict.fromkeys(("min_count", "oov"), "fields whose values are counted, not hashed")
        if self.holds_numbers:
            idle |= dict.fromkeys(("missing", "unused_ids"), "fields with ids")
        return idle

    @property
    def holds_numbers(self) -> bool:
        """Whether what is stored of the field is numbers, not ids."""
        return self.kind in ("numerical", "vector")

    @property
    def holds_several(self) -> bool:
        """Whether a cell holds any number of values."""
        return self.kind in ("multivalued", "sequence")

    @property
    def raw_columns(self) -> tuple[str, ...]:
        """The columns of the raw table that the field is read from."""
        return self.columns or tuple(filter(None, [self.column]))

    @property
    def cell_type(self) -> CellType:
        """The object that writes each value in one way."""
        return CELL_TYPES["text" if self.type in (None, AUTO) else self.type]

    @property
    def makes_ids(self) -> bool:
        """Whether the transform turns numbers into ids."""
        return TRANSFORMS[self.transform].makes_ids

    @property
    def has_oov_id(self) -> bool:
        """Whether out-of-vocabulary values, the rare and the unseen, have an id."""
        return self.uses_vocabulary and (self.min_count > 1 if self.oov is None else self.oov)

    @property
    def uses_vocabulary(self) -> bool:
        """Whether ids come from counted values."""
        return not self.holds_numbers and not self.hash_buckets and not self.makes_ids

    @property
    def reads_numbers(self) -> bool:
        """Whether each raw cell must be a number."""
        return self.kind == "numerical" or self.transform is not None or bool(self.columns)

    @property
    def is_weighted(self) -> bool:
        """Whether values of a multi-valued cell have weights."""
        return self.weight_separator is not None and self.kind == "multivalued"
