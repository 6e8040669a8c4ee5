"""Draft a schema from a table's first rows, for the user to edit."""

from __future__ import annotations

import json
import pathlib
import typing

import polars as pl
import yaml

from ctrzoo.files import write_text

from ..errors import plain_cells
from ..raw.sources import usable_columns
from .table import find_tables, kind_of, table_source

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config, Path

LABELS = ("label", "click", "clicked", "is_click", "target", "y")
SPLIT = {"train": 0.8, "valid": 0.1, "test": 0.1, "seed": 0}
SAMPLE_ROWS = 100_000
# A column of numbers with fewer distinct values is treated as categorical.
FEW_VALUES = 30


def draft_schema(tables: Path, path: Path) -> Config:
    """Write a schema file for a table.

    Args:
        tables: A path or pattern, as for `prepare_own_table`.
        path: The file to write, JSON or YAML. It must not exist.

    Returns:
        The schema, as written to the file.

    Raises:
        FileExistsError: If the file exists.
        FileNotFoundError: If the table does not exist.
        ValueError: If no column looks like a label.
    """
    path = pathlib.Path(path)
    if path.exists():
        raise FileExistsError(f"{path} exists. Delete it, or name another file for the draft.")
    files, _ = find_tables(tables)
    source = table_source(files[:1], (), {})
    first = next(source.chunks([]), None)
    if first is None:
        raise ValueError(f"{files[0]} has no rows below its header.")
    table = first.parse(dict.fromkeys(usable_columns(source), False)).table
    frame = pl.DataFrame(pl.from_arrow(table.slice(0, SAMPLE_ROWS)))
    kind = kind_of(files[0])
    schema = draft_sparse(frame) if kind in ("libsvm", "libffm") else draft(frame)
    if kind in ("csv", "tsv"):
        schema = {"separator": "," if kind == "csv" else "\t", **schema}
    text = (
        json.dumps(schema, indent=2)
        if path.suffix == ".json"
        else yaml.safe_dump(json.loads(json.dumps(schema)), sort_keys=False)
    )
    write_text(path, text)
    return schema


def draft(frame: pl.DataFrame) -> Config:
    """Return a schema for a polars frame of sample rows.

    The draft omits columns with a different value in every row, because a model cannot learn from them. It also omits
    columns that no field supports: structures, lists of lists, bytes that are not text.

    >>> frame = pl.DataFrame({"click": ["0", "1"] * 50, "tags": ["a|b", "c"] * 50})
    >>> draft(frame)["fields"]
    [{'name': 'tags', 'kind': 'multivalued', 'separator': '|'}]
    """
    columns = {cells.name: cells for cells in map(_usable, frame) if cells is not None}
    label = next((name for name, cells in columns.items() if name.lower() in LABELS and _is_label(cells)), None)
    label = label or next((name for name, cells in columns.items() if _is_label(cells)), None)
    if label is None:
        raise ValueError(f"No column holds only 0 and 1, as a label does. Columns: {', '.join(frame.columns)}.")
    fields = [_field(cells, len(frame)) for name, cells in columns.items() if name != label]
    return {"label": label, "fields": [field for field in fields if field], "split": SPLIT}


def draft_sparse(frame: pl.DataFrame) -> Config:
    """Return a schema for sample rows of libsvm or libffm text, as `SparseTextSource` reads them.

    >>> frame = pl.DataFrame({"field0": ["3", "4"], "value0": ["1", "1"], "field1": ["1:0.5", "1:2"]})
    >>> [field["kind"] for field in draft_sparse(frame)["fields"]]
    ['categorical', 'numerical']
    """
    fields = []
    for name in frame.columns:
        cells = frame[name].drop_nulls()
        if name == "label" or name.startswith("value") or not len(cells):
            continue
        one_feature = cells.str.extract(r"^([^:]*)").n_unique() == 1
        if name != "features" and one_feature and cells.str.contains(r"^[^ ]*:[^ ]*$").any():
            fields.append({"name": name, "column": name.replace("field", "value"), "kind": "numerical"})
        elif cells.str.contains("[ :]").any():
            fields.append({"name": name, "kind": "multivalued", "separator": " ", "weight_separator": ":"})
        else:
            fields.append({"name": name, "kind": "categorical", "min_count": 2})
    return {"label": "label", "fields": fields, "split": SPLIT}


def _usable(cells):
    """Return a column with codes and bytes as text, or None if no field supports it."""
    is_list = isinstance(cells.dtype, (pl.List, pl.Array))
    try:
        plain = plain_cells(cells.explode() if is_list else cells)
    except ValueError:
        return None
    return cells if is_list else plain


def _is_label(cells):
    return not cells.dtype.is_nested() and set(cells.cast(pl.Float64, strict=False).unique().to_list()) == {0.0, 1.0}


def _field(cells, rows):
    name = {"name": cells.name}
    if isinstance(cells.dtype, (pl.List, pl.Array)):
        return {**name, "kind": "multivalued"}
    present = cells.drop_nulls()
    numbers = present.cast(pl.Float64, strict=False)
    distinct = present.n_unique()
    if len(present) and not numbers.null_count():
        whole = (numbers == numbers.round()).all()
        if distinct > FEW_VALUES and not (whole and cells.name.lower().endswith("id")):
            return {**name, "kind": "numerical", "transform": "log1p" if numbers.max() > 100 else "standard"}
    if distinct == rows and rows > FEW_VALUES:
        return None
    texts = present.cast(pl.String)
    for separator in ("|", ";", ","):
        if len(texts) and texts.str.contains(separator, literal=True).mean() > 0.2:
            return {**name, "kind": "multivalued", "separator": separator}
    # A model learns little about values that occur in only a few rows.
    return {**name, "kind": "categorical", "min_count": 10 if distinct > 1000 else 2}
