"""Draft a schema from rows of a table, for the user to edit."""

from __future__ import annotations

import json
import pathlib
import re
import typing
from collections.abc import Mapping

import numpy as np
import polars as pl
import yaml

from ctrzoo.files import write_text
from ctrzoo.suggest import unknown

from ..encoding.cells import numbers_of
from ..encoding.labels import HIGHEST_GRADE, LIKELY_POSITIVE, Label
from ..errors import plain_cells
from .column_draft import MARKER, draft_column
from .sampling import sample_table
from .table import find_tables

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config, Path

LABELS = ("label", "click", "clicked", "is_click", "target", "y")
# Among other columns of two values, those with such a part in their name come first.
LABEL_PARTS = ("label", "click", "target", "conver", "purchas", "bought", "buy", "install", "like", "respon")
# Columns with these names are roles of a row, not fields, if their cells allow it.
WEIGHTS = ("weight", "sample_weight", "row_weight")
IDS = ("id", "row_id", "event_id", "impression_id", "request_id")
SPLIT = {"train": 0.8, "valid": 0.1, "test": 0.1, "seed": 0}
# So many of a label's cells may be invalid.
MOST_BAD_LABELS = 0.01
MOST_LABEL_VALUES = 20
# An error names the reasons of so many columns.
MOST_REASONS = 5


class Draft(typing.NamedTuple):
    """A drafted schema.

    Args:
        schema: The content of a schema file.
        reasons: Why each column was drafted so, or left out.
        notes: What else the user should know, in lines.
    """

    schema: Config
    reasons: Mapping[str, str]
    notes: list[str]


def draft_schema(tables: Path, path: Path, separator: str | None = None, label: str | None = None) -> Config:
    """Write a schema file for a table.

    Args:
        tables: A path or pattern, as for `prepare_own_table`.
        path: The file to write, JSON or YAML. It must not exist. YAML says in comments why each column is drafted so.
        separator: The character between columns of text; by default it is found.
        label: The label column; by default it is found.

    Returns:
        The schema, as written to the file.

    Raises:
        FileExistsError: If the file exists.
        FileNotFoundError: If the table does not exist.
        ValueError: If no column looks like a label, or no column can be a field.
    """
    check_absent(path)
    drafted = draft_table(tables, separator, label)
    write_draft(drafted, path)
    return drafted.schema


def check_absent(path: Path) -> None:
    """Raise an error if a file exists.

    Raises:
        FileExistsError: If it does.
    """
    if pathlib.Path(path).exists():
        raise FileExistsError(f"{path} exists. Delete it, or name another file for the draft.")


def draft_table(tables: Path, separator: str | None = None, label: str | None = None) -> Draft:
    """Return the draft of a schema for a table; see `draft_schema`.

    Raises:
        FileNotFoundError: If the table does not exist.
        ValueError: If no column looks like a label, or no column can be a field.
    """
    files, _ = find_tables(tables)
    sample = sample_table(files, separator)
    try:
        if sample.kind in ("libsvm", "libffm"):
            drafted = draft_sparse(sample.frame, label)
            drafted.notes.extend(_notes_of_places(sample))
        else:
            drafted = draft(sample.frame, label, sample.is_complete)
        _check_fields(drafted)
    except ValueError as error:
        found = (
            f" The separator is {sample.config['separator']!r}: set another by --separator."
            if "separator" in sample.config
            else ""
        )
        hint = found if len(sample.frame.columns) < 2 else ""
        raise ValueError(f"{files[0]}: {error}{hint} Drafted from {sample.where}.") from None
    return Draft(
        {**sample.config, **drafted.schema}, drafted.reasons, [f"Drafted from {sample.where}.", *drafted.notes]
    )


def _notes_of_places(sample):
    if "format" in sample.config:
        places = sample.config["format"]["positions"]
        return [f"Each line has {places} tokens, and each place has ids of its own, so each place is a field."]
    if sample.kind == "libsvm":
        return ["All features are one field, so models of interactions find no pairs. Name fields by `format`."]
    return []


def _check_fields(drafted):
    if not drafted.schema["fields"]:
        reasons = [f"{_inline(name)} is {reason}" for name, reason in drafted.reasons.items()]
        listed = f": {'; '.join(reasons[:MOST_REASONS])}" if reasons else ""
        raise ValueError(f"No column can be a field{listed}.")


def draft(frame: pl.DataFrame, label: str | None = None, is_complete: bool = True) -> Draft:
    """Return a draft for a polars frame of sample rows.

    Args:
        frame: The rows.
        label: The label column; by default it is found.
        is_complete: Whether these are all rows of the table.

    Raises:
        ValueError: If no column looks like a label.

    >>> frame = pl.DataFrame({"click": ["0", "1"] * 50, "tags": ["a|b", "c"] * 50, "day": ["2024-06-01"] * 100})
    >>> draft(frame).schema["fields"]
    [{'name': 'tags', 'kind': 'multivalued', 'separator': '|'}]
    >>> draft(frame).reasons["day"]
    'left out: dates, which do not recur in later rows'
    """
    column, entry, notes = _label(frame, label)
    roles, notes_of_roles = _roles(frame, column)
    notes += notes_of_roles
    others = {column, *roles.values()}
    drafts = {cells.name: draft_column(cells, is_complete) for cells in frame if cells.name not in others}
    fields = [field for drafted in drafts.values() for field in (drafted.field, *drafted.more) if field]
    _name_apart(fields, frame.columns)
    reasons = {
        name: drafted.reason if drafted.field else f"left out: {drafted.reason}" for name, drafted in drafts.items()
    }
    missing = sorted({marker for drafted in drafts.values() for marker in drafted.missing})
    by_time = [drafted.split for drafted in drafts.values() if drafted.split]
    if by_time:
        notes.append(f"To split by time instead, write split: {_inline(by_time[0])}")
    head: Config = {"missing": missing} if missing else {}
    schema = {**head, "label": entry, **roles, "fields": fields, "split": dict(SPLIT)}
    return Draft(schema, reasons, notes)


def _roles(frame, label):
    """Return the columns that are weights by name and by their cells, and notes."""
    roles, notes = {}, []
    names = {name.lower(): name for name in reversed(frame.columns) if name != label}
    for name in WEIGHTS:
        if name in names and "weight" not in roles and _are_weights(frame[names[name]]):
            roles["weight"] = names[name]
            notes.append(f"'{_one_line(names[name])}' is taken as the weight of a row. Make it a field if it is none.")
    ids = [names[name] for name in IDS if name in names and frame[names[name]].n_unique() == len(frame)]
    if ids:
        notes.append(f"To keep the id of each row with it, write id: {_inline(ids[0])}")
    return roles, notes


def _are_weights(cells):
    try:
        numbers = numbers_of(plain_cells(cells))
    except ValueError:
        return False
    return bool((numbers >= 0).all()) and bool(numbers.any())


def _name_apart(fields, columns):
    """Rename fields that are a part of a column, but are called like another column."""
    for field in fields:
        while field.get("column", field["name"]) != field["name"] and field["name"] in columns:
            field["name"] += "_2"


def draft_sparse(frame: pl.DataFrame, label: str | None = None) -> Draft:
    """Return a draft for sample rows of libsvm or libffm text, as `SparseTextSource` reads them.

    >>> features = {"field0": ["3", "4"], "value0": ["1", "1"], "field1": ["1:0.5", "1:2"]}
    >>> draft_sparse(pl.DataFrame({"label": ["1", "-1"], **features})).schema["fields"][1]
    {'name': 'field1', 'column': 'value1', 'kind': 'numerical'}
    """
    _, entry, notes = _label(frame, label or "label")
    fields, reasons = [], {}
    for name in frame.columns:
        cells = frame[name].drop_nulls()
        if name == "label" or name.startswith("value") or not len(cells):
            continue
        one_feature = cells.str.extract(r"^([^:]*)").n_unique() == 1
        if name != "features" and one_feature and cells.str.contains(r"^[^ ]*:[^ ]*$").any():
            fields.append({"name": name, "column": name.replace("field", "value"), "kind": "numerical"})
            reasons[name] = "one feature, whose weight is the number"
        elif cells.str.contains("[ :]").any():
            fields.append({"name": name, "kind": "multivalued", "separator": " ", "weight_separator": ":"})
            reasons[name] = "several features or weights"
        else:
            fields.append({"name": name, "kind": "categorical", "min_count": 2})
            reasons[name] = "one feature of weight 1"
    return Draft({"label": entry, "fields": fields, "split": dict(SPLIT)}, reasons, notes)


def write_draft(drafted: Draft, path: Path) -> None:
    """Write a draft as a schema file, in YAML with a comment for each column, or in JSON."""
    path = pathlib.Path(path)
    if path.suffix == ".json":
        write_text(path, json.dumps(drafted.schema, indent=2))
        return
    lines = [f"# {_one_line(note)}" for note in drafted.notes]
    for key, value in drafted.schema.items():
        if key == "fields":
            lines += ["fields:", *(_field_line(field, drafted.reasons) for field in value)]
        else:
            lines.append(_inline({key: value})[1:-1])
    used = {field[key] for field in drafted.schema["fields"] for key in ("name", "column") if key in field}
    left_out = [name for name in drafted.reasons if name not in used]
    lines += [f"# {_inline(name)} is {_one_line(drafted.reasons[name])}" for name in left_out]
    write_text(path, "\n".join(lines) + "\n")


def _field_line(field, reasons):
    reason = reasons.get(field["name"]) or reasons[field["column"]]
    return f"- {_inline(field)}  # {_one_line(reason)}"


def _inline(value):
    """Return a value as YAML in one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=float("inf"), allow_unicode=True)
    return text.removesuffix("...\n").strip()


def _one_line(text):
    return " ".join(str(text).split())


def _label(frame, name):
    """Return the label column, its entry in a schema, and notes."""
    if name is not None:
        if name not in frame.columns:
            raise ValueError(unknown("label column", name, frame.columns))
        candidates = [name]
    else:
        by_name = {column.lower(): column for column in reversed(frame.columns)}
        candidates = [by_name[label] for label in LABELS if label in by_name]
    for column in candidates:
        entry, notes = _entry(frame[column], is_named=True)
        if entry:
            return column, entry, notes
    if name is not None:
        kind = _kind_of_numbers(frame[name])
        if kind is not None:
            task = {"graded": "grades, for ranking; kind: real is for regression", "real": "numbers, for regression"}
            return name, {"column": name, "kind": kind}, [f"The label '{_one_line(name)}' holds {task[kind]}."]
        raise ValueError(
            f"The label '{name}' holds {frame[name].n_unique():,} different values. Write the schema yourself and name "
            f"the positive ones: label: {{column: {name}, positive: [...]}}."
        )
    found = {cells.name: _entry(cells, is_named=False) for cells in frame if cells.name.strip()}
    found = {column: (entry, notes) for column, (entry, notes) in found.items() if entry}
    # Zeros and ones are labels rather than two words.
    for column in sorted(
        found, key=lambda column: (not isinstance(found[column][0], str), not _is_like_a_label(column))
    ):
        entry, notes = found[column]
        others = [other for other in found if other != column]
        also = f" So do {', '.join(others)}; to choose, pass --label." if others else ""
        return column, entry, [*notes, f"'{_one_line(column)}' looks like the label.{also}"]
    columns = ", ".join(frame.columns)
    raise ValueError(f"No column holds only 0 and 1, as a label does: name one by --label. Columns: {columns}.")


def _kind_of_numbers(cells):
    """Return the kind of a label that holds numbers; None if not all cells are numbers."""
    try:
        numbers = numbers_of(plain_cells(cells))
    except ValueError:
        return None
    if np.isnan(numbers).any() or not len(numbers):
        return None
    return (
        "graded"
        if (numbers == numbers.round()).all() and 0 <= numbers.min() <= numbers.max() <= HIGHEST_GRADE
        else "real"
    )


def _is_like_a_label(name):
    return any(part in name.lower() for part in LABEL_PARTS)


def _entry(cells, is_named):
    """Return a label's entry in a schema and notes; None if the column is no label.

    Args:
        cells: The cells of the column.
        is_named: Whether the column's name says that it is a label. Then it may hold just one class.
    """
    if cells.dtype.is_temporal():
        return None, []
    try:
        cells = plain_cells(cells)
    except ValueError:
        return None, []
    if cells.n_unique() > MOST_LABEL_VALUES:
        return None, []
    label = Label(cells.name)
    counts = label.counts(cells)
    empty = counts.pop("", 0)
    classes = {text: label.meaning(text) for text in counts}
    bad = sum(count for text, count in counts.items() if classes[text] is None)
    few = MOST_BAD_LABELS * len(cells)
    both = set(classes.values()) >= {0, 1}
    plain = [value for value in classes.values() if value is not None]
    if plain and bad + empty <= few and (both or is_named):
        notes = [] if both else [f"All labels of the sampled rows are {plain[0]}."]
        if bad + empty:
            notes.append(f"{bad + empty:,} labels are not 0 or 1: pass --bad_rows=skip, or correct them.")
        if label.is_ambiguous(counts):
            return {"column": cells.name, "positive": "1"}, [*notes, "The labels -1 and 0 are both taken as negative."]
        return cells.name, notes
    if len(counts) == 2 and empty <= few:
        positive = min(counts, key=lambda text: (text.lower() not in LIKELY_POSITIVE, counts[text]))
        (other,) = set(counts) - {positive}
        if re.search(MARKER, other) and is_named:
            entry = {"column": cells.name, "positive": positive, "negative": ["", other]}
            return entry, [f"The labels '{_one_line(other)}' are taken as negative."]
        if is_named or positive.lower() in LIKELY_POSITIVE[1:]:
            return {"column": cells.name, "positive": positive}, [f"Is '{_one_line(positive)}' the positive label?"]
    if len(counts) == 1 and empty and is_named:
        entry = {"column": cells.name, "positive": next(iter(counts)), "negative": ""}
        return entry, ["Empty labels are taken as negative."]
    return None, []
