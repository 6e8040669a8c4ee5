"""How the cells of each field become ids and values, in words, for clients that do it in their own language."""

from __future__ import annotations

import typing

from ...data_pipelines.encoding.specification import rows_of

if typing.TYPE_CHECKING:
    from ctrzoo.schema import Field

    from ...data_pipelines.encoding.fields import FieldEncoding

CURVES = {
    None: "x",
    "standard": "x",
    "min_max": "x",
    "log1p": "sign(x) · ln(1 + |x|)",
    "sqrt": "sign(x) · √|x|",
    "log_squared": "floor(ln(x)²) for x > 2, else x",
}
PARTS_IN_WORDS = {"weekday": "the weekday, 0 for Monday,", "is_weekend": "1 on Saturday and Sunday, else 0,"}
BUCKETS = "floor(ln(x)²) for x > 2, else floor(x) - 3"


class Rule(typing.NamedTuple):
    """What a client does with a field.

    Args:
        cells: The raw columns, and how a cell is read.
        ids: The ids of a row.
        values: The values of a row.
    """

    cells: str
    ids: str
    values: str


def rule_of(field: FieldEncoding, shape: Field, first_id: int) -> Rule:
    """Return the rule of a field.

    Args:
        field: The encoding of the field.
        shape: Its field of the schema.
        first_id: Its first global id.

    >>> from ctrzoo.data_pipelines.encoding.fields import FieldEncoding
    >>> field = FieldEncoding("city", values=["Oslo", "Rome"])
    >>> rule_of(field, field.schema_field(), 7).ids
    "the `id` of the text in `vocabulary.parquet`, rows of 'city'; without one 0 (unknown); 0 if missing"
    """
    if field.kind == "numerical":
        return Rule(f"{_column(field)}, a number x", str(first_id), f"{_scaled(field)}; 0 if missing")
    if field.kind == "vector":
        last = first_id + shape.num_slots - 1
        columns = ", ".join(f"`{name}`" for name in field.raw_columns)
        return Rule(f"{columns}: {shape.num_slots} numbers", f"{first_id} to {last}", "the numbers; 0 if missing")
    return Rule(_cells(field), _ids(field, shape, first_id), _values(field, shape))


def events_in_words(field: FieldEncoding) -> str:
    """Return what a caller sends as the cell of a sequence: the order, the separator, the length.

    >>> from ctrzoo.data_pipelines.encoding.fields import FieldEncoding
    >>> events_in_words(FieldEncoding("seen", "sequence", values=["a"], max_values=20))[:69]
    "events of the history 'seen', the oldest first, between `|`; empty if"
    """
    return (
        f"events of the history '{field.events or field.name}', the oldest first, between `{field.separator}`; empty "
        "if there are none. The columns of one history have equally many events, or an empty cell. An event without an "
        f"id in all of its columns is left out, and of the others the newest {field.max_values or 1} are kept"
    )


def _column(field):
    return f"`{field.column}`"


def _scaled(field):
    if not field.scale:
        return "0 always: the column was empty where it was fitted"
    curve = CURVES[field.transform]
    if field.offset == 0 and field.scale == 1:
        return curve
    return f"(y - {field.offset!r}) / {field.scale!r} with y = {curve}"


def _cells(field):
    if field.cross:
        return "the texts of " + " and ".join(f"`{name}`" for name in field.cross) + ', joined by `" & "`'
    if field.reads_times:
        part = PARTS_IN_WORDS.get(field.part, f"the {field.part}") if field.part else "the moment"
        zone = f" in {field.time_zone} (times without an offset stay as they are)" if field.time_zone else ""
        return f"{part} of the time in {_column(field)}{zone}"
    if field.transform == "log_squared_bucket":
        return f"the text of the whole number {BUCKETS}, of the number x in {_column(field)}"
    if field.makes_ids:
        return f"{_column(field)}, a number x"
    kind = "text" if field.type in (None, "text") else f"{field.type}, in its shortest writing"
    if field.hash_buckets and field.type == "decimal":
        kind = "decimal, written as C's `%.17e` does"
    if field.kind == "multivalued":
        weights = f", each with a weight after `{field.weight_separator}`" if field.is_weighted else ""
        kept = f", the {field.keep} {field.max_values} that have an id" if field.max_values else ""
        return f"{_column(field)}: values between `{field.separator}`{weights}{kept} ({kind})"
    if field.kind == "sequence":
        return f"{_column(field)}: {events_in_words(field)} ({kind})"
    return f"{_column(field)} ({kind})"


def _ids(field, shape, first_id):
    if field.makes_ids:
        rule = f"{first_id} + how many boundaries of the field in `encoding.json` are at most x"
    elif field.hash_buckets:
        rule = f"{first_id} + FarmHash64 of the text modulo {field.hash_buckets}"
    else:
        unknown = f"{first_id} (unknown)" if field.has_oov_id else "0 (unknown)"
        owner = field.share or field.name
        rule = f"the `id` of the text in `vocabulary.parquet`, rows of '{owner}'; without one {unknown}"
    if field.compositional is not None:
        rule = _two_ids(field, shape, first_id)
    if field.kind == "sequence":
        slots = f"{shape.num_slots} slot{'' if shape.num_slots == 1 else 's'}"
        return f"of each event, from the first slot on, {rule}{_missing(field, first_id)}. The rest of the {slots} is 0"
    return rule + _missing(field, first_id)


def _two_ids(field, shape, first_id):
    quotients, remainders = rows_of(field.num_values, field.compositional)
    if field.hash_buckets:
        number = f"FarmHash64 of the text modulo {field.hash_buckets}"
    else:
        number = "the place of the text among the field's rows of `vocabulary.parquet`, from 0" + (
            ", plus 1; 0 if it is not there" if field.has_oov_id else "; no id if it is not there"
        )
    return f"two: {first_id} + n // {remainders}, and {first_id + quotients} + n % {remainders}, where n is {number}"


def _missing(field, first_id):
    if field.cross:
        return "; 0 if a part is missing"
    if field.missing == "category" and field.makes_ids:
        return f"; {first_id + field.transformer.num_ids} if missing"
    return "; missing is the empty text, a value" if field.missing == "category" else "; 0 if missing"


def _values(field, shape):
    absent = "0 where the id is 0"
    if field.is_weighted:
        return f"the weight{', divided by their sum' if field.pooling == 'mean' else ''}; {absent}"
    if field.kind == "multivalued" and field.pooling == "mean":
        return f"1 divided by the number of values; {absent}"
    return f"1; {absent}"
