"""How the files of a table are written, recorded with its encoding so that new files are read like the old ones."""

from __future__ import annotations

import dataclasses
import pathlib
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from .delimited import Format
from .libsvm import SparseTextSource
from .sources import COMPRESSIONS, TARS, ParquetSource, TextSource
from .token_fields import TokenFields

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config, Path

    from .sources import Source

SEPARATORS = {"csv": ",", "tsv": "\t"}
KINDS = ("csv", "tsv", "parquet", "libsvm", "libffm")


def kind_of(path: Path) -> str:
    """Return `"csv"`, `"tsv"`, `"parquet"`, `"libsvm"` or `"libffm"`, judging by a file's extension.

    Raises:
        ValueError: If the extension is unknown.
    """
    name = _unpacked(pathlib.PurePath(str(path)))
    kinds = {".csv": "csv", ".tsv": "tsv", ".txt": "tsv", ".parquet": "parquet"}
    kinds |= {".libsvm": "libsvm", ".svm": "libsvm", ".libfm": "libsvm", ".libffm": "libffm", ".ffm": "libffm"}
    if name.suffix not in kinds:
        raise ValueError(f"{path}: the name must end in {', '.join(kinds)} (text may be compressed).")
    return kinds[name.suffix]


def layout_of(source: Source) -> Config:
    """Return how the files of a source are written: their kind, and what differs from the kind's defaults.

    Args:
        source: A source; of other ones than files of a table, nothing is known.

    Returns:
        `kind`, one of `KINDS`; for CSV and TSV the arguments of `Format` that differ; for libffm `num_fields`, and for
        libsvm the arguments of `TokenFields`, if there are any. JSON-serializable.

    >>> layout_of(TextSource(["rows.csv"], Format(";", missing="NULL")))
    {'kind': 'csv', 'separator': ';', 'missing': ['NULL']}
    """
    if isinstance(source, ParquetSource):
        return {"kind": "parquet"}
    if isinstance(source, SparseTextSource):
        fields = None if source.fields is None else _merged(source.fields)
        found = {"num_fields": source.describe()["num_fields"], "fields": fields}
        return {"kind": source.kind, **{key: value for key, value in found.items() if value is not None}}
    if not isinstance(source, TextSource):
        return {}
    try:
        kind = kind_of(source.paths[0])
    except ValueError:  # the raw files of benchmarks may have any name
        kind = "csv"
    kind = kind if kind in SEPARATORS else "csv"
    form = source.format
    default = Format.from_schema({}, form.separator)  # whether cells are quoted depends on the separator
    differing = {key: getattr(form, key) for key in Format.keys() if getattr(form, key) != getattr(default, key)}
    if form.separator != SEPARATORS[kind]:
        differing = {"separator": form.separator, **differing}
    return {"kind": kind, **{key: list(v) if isinstance(v, tuple) else v for key, v in differing.items()}}


def source_like(
    files: Sequence[pathlib.Path], layout: Mapping[str, Any], kind: str | None = None, splits: Sequence[str] = ()
) -> ParquetSource | SparseTextSource | TextSource:
    """Return a source for files that are written like those of an earlier table, as far as they are of its kind.

    Args:
        files: The files. A name that ends in `.txt`, or in nothing, leaves open of which kind a text is; then it is of
            that of the earlier table.
        layout: What `layout_of` returned.
        kind: The kind of the files, one of `KINDS`; by default their names tell.
        splits: The split of each file, if files determine the splits.

    Raises:
        ValueError: If the files are of several kinds or an unknown one, or the layout is damaged.
    """
    before = layout.get("kind")
    kinds = sorted({kind or _kind_like(path, before) for path in files})
    if len(kinds) > 1:
        raise ValueError(f"All files must be of the same kind. Received: {', '.join(kinds)}.")
    known = layout if kinds[0] == before else {}
    return _source(files, kinds[0], known, layout.get("missing", ()), splits)


def _source(files, kind, known, missing, splits):
    """Return a source; `known` is the layout if it is one of this kind."""
    if kind == "parquet":
        return ParquetSource(files, splits)
    try:
        if kind in ("libsvm", "libffm"):
            fields = known.get("fields")
            fields = fields and TokenFields(**{key: tuple(values) for key, values in fields.items()})
            return SparseTextSource(files, kind, known.get("num_fields"), splits=splits, fields=fields)
        options = {key: value for key, value in known.items() if key in Format.keys()}
        options["missing"] = tuple(missing)
        options |= {"columns": tuple(options["columns"])} if "columns" in options else {}
        return TextSource(files, Format.from_schema(options, SEPARATORS[kind]), splits)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"The layout of the table in the encoding is damaged ({error}). Prepare it again.") from None


def _kind_like(path, before):
    if path.suffix and _unpacked(path).suffix not in ("", ".txt"):
        return kind_of(path)
    return before if before not in (None, "parquet") else "tsv" if _unpacked(path).suffix else "csv"


def _unpacked(path):
    packed = next((ending for ending in (*TARS, *COMPRESSIONS, ".zip") if path.name.endswith(ending)), "")
    return path.with_name(path.name.removesuffix(packed) or path.name)


def _merged(fields):
    """Return the arguments of `TokenFields`; ranges of one field that touch become one."""
    merged = []
    for start, end, owner in zip(fields.starts, fields.ends, fields.owners, strict=True):
        if merged and merged[-1][1] == start and merged[-1][2] == owner:
            merged[-1][1] = end
        else:
            merged.append([start, end, owner])
    starts, ends, owners = (list(column) for column in zip(*merged, strict=True)) if merged else ([], [], [])
    arguments = {"names": list(fields.names), "starts": starts, "ends": ends, "owners": owners}
    assert set(arguments) == {entry.name for entry in dataclasses.fields(fields)}
    return arguments
