"""Sample rows of a table from many places of it, so that a table sorted by time or label shows all that it holds."""

from __future__ import annotations

import collections
import pathlib
import typing
from collections.abc import Sequence

import numpy as np
import polars as pl

from ctrzoo.stores import opened
from ctrzoo.unfinished import temporary_folder

from ..raw.delimited import Format
from ..raw.layout import kind_of
from ..raw.sniffing import sniff_format
from ..raw.sources import COMPRESSIONS, num_rows, open_raw, readable, usable_rows
from .table import table_source

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config

SAMPLE_BYTES = 16 << 20
SAMPLE_ROWS = 100_000
PLACES = 16


class Sample(typing.NamedTuple):
    """Rows of a table.

    Args:
        frame: The rows as a polars frame of all columns; cells of text tables are text.
        kind: The kind of the files, as `kind_of` returns it.
        config: The keys of a schema that describe the format of the files.
        is_complete: Whether these are all rows.
        where: Where the rows are from, for messages.
    """

    frame: pl.DataFrame
    kind: str
    config: Config
    is_complete: bool
    where: str


def sample_table(files: Sequence[pathlib.Path], separator: str | None = None) -> Sample:
    """Return a sample of a table's rows. Compressed text is read from its beginning only.

    Args:
        files: The files of the table.
        separator: The character between columns of text, if it is known.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a file is not a table, or has no rows.
    """
    kind = kind_of(files[0])
    if kind == "parquet":
        return _parquet_sample(files)
    content, is_complete, where = _text_sample(files)
    config = {}
    if kind in ("csv", "tsv"):
        format = sniff_format(content[: 1 << 16], "," if kind == "csv" else "\t", separator)
        config = _config_of(format)
    with temporary_folder("sample") as folder:
        path = folder / f"sample.{kind}"
        path.write_bytes(content)
        frame = _rows(files[0], path, config)
        if kind == "libsvm" and (places := _num_places(frame["features"])):
            config = {"format": {"positions": places}}
            frame = _rows(files[0], path, config)
    return Sample(frame, kind, config, is_complete, f"{len(frame):,} rows {where}")


def _rows(path, sample, config):
    """Return the rows of a sample of a file."""
    names = table_source([path], (), config).columns()  # a wrong header is an error that names this file
    source = table_source([sample], (), config)
    columns = _single(source.columns(), names)
    if not columns:
        raise ValueError(f"{path} has no column of a name of its own. Received: {', '.join(names)}.")
    parts = [chunk.parse(dict.fromkeys(columns, False)) for chunk in source.chunks([]) if chunk]
    if not parts:
        raise ValueError(f"{path} has no rows below its header.")
    # Column by column, as polars would rename one without a name.
    frames = [pl.DataFrame({name: pl.Series(name, part.table[name]) for name in columns}) for part in parts]
    frame = pl.concat(frames)
    if not len(frame):
        bad = [reason for part in parts for _, reason in part.bad]
        raise ValueError(f"{path} has no rows that can be read{': ' + bad[0] if bad else ''}.")
    return frame


def _num_places(features):
    """Return the number of tokens of each libsvm line, if all have as many, and each place has ids of its own.

    >>> _num_places(pl.Series(["1 7", "2:0.5 8"])), _num_places(pl.Series(["1 7", "7 8"]))
    (2, None)
    """
    tokens = features.str.split(" ")
    lengths = tokens.list.len()
    if features.null_count() or lengths.n_unique() != 1 or lengths[0] < 2:
        return None
    ids = tokens.explode().str.extract(r"^([^:]*)")
    places = pl.DataFrame({"place": pl.int_range(len(ids), eager=True) % lengths[0], "id": ids}).unique()
    return None if places["id"].is_duplicated().any() else lengths[0]


def _single(columns, known):
    """Return the columns that are known and whose name is not another one's."""
    counts = collections.Counter(columns)
    return [name for name in columns if counts[name] == 1 and name in known]


def _config_of(format):
    config: Config = {"separator": format.separator}
    if format.quote != Format.from_schema(config, ",").quote:
        config["quote"] = format.quote
    return config | ({"columns": list(format.columns)} if format.columns else {})


def _text_sample(files):
    """Return whole lines, the first of which is the table's first; whether they are all lines; where they are from."""
    for path in files:
        with readable(path):
            pass
    if any(path.suffix in (*COMPRESSIONS, ".zip") for path in files):
        with readable(files[0]), open_raw(files[0]) as (file, _):
            content = file.read(SAMPLE_BYTES)
            is_complete = len(files) == 1 and not file.read(1)
        where = f"of {files[0].name}" if is_complete else f"at the beginning of {files[0].name}"
        return content if is_complete else _whole_lines(content), is_complete, where
    sizes = [path.stat().st_size for path in files]
    with opened(files[0], ahead=False) as file:
        header = file.readline()
    if sum(sizes) <= SAMPLE_BYTES:
        pieces = [path.read_bytes() for path in files]
        where = f"of {files[0].name}" if len(files) == 1 else f"of {len(files)} files"
    else:
        pieces = [_piece(files, sizes, place) for place in range(PLACES)]
        where = f"from {PLACES} places of {files[0].name}" if len(files) == 1 else f"from {PLACES} places"
    pieces = [piece.removeprefix(header) for piece in pieces]
    pieces = [piece if piece.endswith(b"\n") or not piece else piece + b"\n" for piece in pieces]
    header = header if header.endswith(b"\n") else header + b"\n"
    return header + b"".join(pieces), sum(sizes) <= SAMPLE_BYTES, where


def _piece(files, sizes, place):
    """Return some lines of the place-th part of all files, in the last part the last lines."""
    length = SAMPLE_BYTES // PLACES
    ends = np.cumsum(sizes)
    start = int((ends[-1] - length) * place / (PLACES - 1))
    index = int(np.searchsorted(ends, start, side="right"))
    offset = start - int(ends[index] - sizes[index])
    with opened(files[index]) as file:
        file.seek(max(offset - 1, 0))
        skipped = file.readline() if offset else b""
        content = file.read(max(length + 1 - len(skipped), 0) if offset else length)
        return content if not file.read(1) else _whole_lines(content)


def _whole_lines(content):
    return content[: content.rfind(b"\n") + 1]


def _parquet_sample(files):
    counts = []
    for path in files:
        with readable(path):
            counts.append(num_rows(path))
    total = sum(counts)
    if not total:
        raise ValueError(f"{files[0]} has no rows.")
    is_complete = total <= SAMPLE_ROWS
    slices = [(path, 0, count) for path, count in zip(files, counts, strict=True)]
    if not is_complete:
        length = SAMPLE_ROWS // PLACES
        ends = np.cumsum(counts)
        slices = []
        for start in np.linspace(0, total - length, PLACES).astype(int).tolist():
            index = int(np.searchsorted(ends, start, side="right"))
            slices.append((files[index], start - int(ends[index] - counts[index]), length))
    frames = [pl.DataFrame(pl.from_arrow(usable_rows(path, start, length))) for path, start, length in slices]
    with readable(files[0]):
        frame = pl.concat(frames, how="diagonal_relaxed")
    where = f"of {files[0].name}" if len(files) == 1 else f"of {len(files)} files"
    where = where if is_complete else f"from {PLACES} places"
    return Sample(frame, "parquet", {}, is_complete, f"{len(frame):,} rows {where}")
