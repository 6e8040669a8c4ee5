"""What the columns of a frame are, by the rules of `ctrzoo-prepare --infer_schema`."""

from __future__ import annotations

import typing
from collections.abc import Mapping

import pandas as pd
import polars as pl

from ..data_pipelines.encoding.frame import series_of
from ..data_pipelines.preparation.column_draft import draft_column

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config


class Columns(typing.NamedTuple):
    """What the columns of a frame are.

    Args:
        arguments: Arguments of `FrameEncoder`.
        missing: By column, the texts that stand for missing cells.
        reasons: By column, why it is a field of its kind.
        left_out: By column, why it is no field.
    """

    arguments: Config
    missing: Mapping[str, tuple[str, ...]]
    reasons: Mapping[str, str]
    left_out: Mapping[str, str]


def columns_of(frame: pd.DataFrame) -> Columns:
    """Say what the columns of a frame are.

    Args:
        frame: The frame; the names of its columns are texts.

    Raises:
        ValueError: If no column can be a field, or columns separate their values in different ways.

    >>> found = columns_of(pd.DataFrame({"site": list("ab") * 50, "day": ["2024-06-01"] * 100}))
    >>> found.arguments
    {'categorical': ['site'], 'numerical': [], 'multivalued': [], 'vector': [], 'min_count': {'site': 2}}
    >>> found.left_out
    {'day': 'dates, which do not recur in later rows'}
    """
    drafts = {name: draft_column(_series(name, frame[name])) for name in frame.columns}
    fields = [field for draft in drafts.values() for field in (draft.field, *draft.more) if field]
    if not fields:
        reasons = "; ".join(f"{name} is left out: {draft.reason}" for name, draft in drafts.items())
        raise ValueError(f"No column can be a field. Name the columns of each kind, such as categorical. {reasons}.")
    whole = [field for field in fields if "part" not in field]
    kinds = ("categorical", "numerical", "multivalued", "vector")
    arguments: Config = {kind: [field["name"] for field in whole if field["kind"] == kind] for kind in kinds}
    parts, formats = {}, {}
    for field in fields:
        if "part" in field:
            parts.setdefault(field["column"], []).append(field["part"])
            if "time_format" in field:
                formats[field["column"]] = field["time_format"]
    chosen = {
        "min_count": {field["name"]: field["min_count"] for field in fields if "min_count" in field},
        "scaling": {field["name"]: field["transform"] for field in fields if "transform" in field},
        "time_parts": parts,
        "time_format": formats,
        **_separator(fields),
    }
    return Columns(
        arguments | {option: value for option, value in chosen.items() if value},
        {name: draft.missing for name, draft in drafts.items() if draft.missing},
        {name: draft.reason for name, draft in drafts.items() if draft.field},
        {name: draft.reason for name, draft in drafts.items() if not draft.field},
    )


def _series(name, cells):
    """Return a column for `draft_column`; text is as it is written, and a single value among lists is a list."""
    is_list = cells.map(pd.api.types.is_list_like) if cells.dtype == object else pd.Series([False])
    if not is_list.any():
        return series_of(name, cells)
    lists = [list(cell) if several else [cell] for cell, several in zip(cells, is_list, strict=True)]
    known = [None if absent else cell for cell, absent in zip(lists, cells.isna(), strict=True)]
    return pl.Series(name, known, strict=False)


def _separator(fields):
    separators: dict[str, str] = {}
    for field in fields:
        if "separator" in field:
            separators.setdefault(field["separator"], field["name"])
    if len(separators) > 1:
        (one, first), (other, second), *_ = separators.items()
        raise ValueError(
            f"Column '{first}' separates values by {one!r} and column '{second}' by {other!r}, but a table has one "
            "separator. Split the cells of one of them into lists."
        )
    return {"separator": next(iter(separators))} if separators else {}


def without_markers(frame: pd.DataFrame, missing: Mapping[str, tuple[str, ...]]) -> pd.DataFrame:
    """Return a frame with None for each text that stands for a missing cell.

    Args:
        frame: The frame.
        missing: The texts by column, as in `Columns`.

    >>> without_markers(pd.DataFrame({"price": ["1.5", "NULL"]}), {"price": ("NULL",)})["price"].to_list()
    ['1.5', None]
    """
    cleaned = {}
    for name, texts in missing.items():
        cells = frame[name].astype(object)
        stripped = cells.map(lambda cell: cell.strip() if isinstance(cell, str) else cell)
        cleaned[name] = cells.where(~stripped.isin(texts), None)
    return frame.assign(**cleaned) if cleaned else frame
