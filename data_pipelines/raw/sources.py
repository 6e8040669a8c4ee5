"""Raw tables as chunks of rows: delimited text (plain or compressed), Parquet, and frames in memory.

Files may be objects in a store, see `ctrzoo.stores`.

Listing the chunks of a source is cheap; other threads parse each chunk later. A source always has the same chunks, so
an interrupted preparation resumes at the chunk where it stopped.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import io
import itertools
import lzma
import pathlib
import tarfile
import typing
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as parquet

from ctrzoo.stores import as_path, explained, is_url, opened, reaching, stamp
from ctrzoo.suggest import unknown

from ..errors import unsupported
from .delimited import Format, header_of, parse
from .parquet_objects import RowGroups, opened_parquet

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config, Path

CHUNK_BYTES = 64 << 20
CHUNK_ROWS = 262_144
LARGEST_PRECISION = 38
LONGEST_ROW = 64 << 20
LONGEST_HEADER = 1 << 24
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
TARS = (".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".tbz2", ".txz", ".tar")


class Chunk(typing.NamedTuple):
    """Some consecutive rows of a raw table.

    Args:
        path: The file that contains them.
        parse: Function that takes the needed columns, `{name: whether numbers}`, and returns `Rows`.
        position: What the source needs to resume after this chunk, JSON-serializable.
        split: The split that the rows belong to; None if the file does not determine it.
    """

    path: str
    parse: typing.Callable
    position: dict
    split: str | None


class Rows(typing.NamedTuple):
    """The parsed rows of a chunk.

    Args:
        table: The rows that could be parsed, as a `pyarrow.Table` in which missing texts are null.
        row_numbers: The number of each row in its file, counted from 1.
        bad: `(number, reason)` of each row that could not be parsed.
    """

    table: pa.Table
    row_numbers: np.ndarray
    bad: list


@dataclasses.dataclass(frozen=True)
class TextSource:
    """Files of separated values.

    Args:
        paths: The files, in the order of their rows; `.gz`, `.bz2`, `.zst` and `.zip` are decompressed.
        format: The `Format`.
        splits: The split of each file, if files determine splits.
        chunk_bytes: Bytes of text per chunk.
    """

    paths: Sequence[Path]
    format: Format = Format()
    splits: Sequence[str] = ()
    chunk_bytes: int = CHUNK_BYTES

    def describe(self) -> Config:
        """Return everything the rows depend on, JSON-serializable."""
        files = [_stamp(path) for path in self.paths]
        return {"files": files, "chunk_bytes": self.chunk_bytes, **dataclasses.asdict(self.format)}

    def columns(self) -> list[str]:
        """Return the names of the columns.

        Raises:
            ValueError: If the first file is empty or unreadable.
        """
        return list(self.format.columns or self._header(self.paths[0]))

    def chunks(self, finished: list[Config]) -> Iterator[Chunk | None]:
        """Yield the chunks.

        Args:
            finished: The positions of the chunks that were finished earlier, in order. They are skipped: each yields
                None.

        Raises:
            ValueError: If a file is empty or not a text table with these columns.
            OSError: If a file cannot be read.
        """
        columns = self.columns()
        positions = collections.deque(finished)
        for index, path in enumerate(self.paths):
            split = self.splits[index] if self.splits else None
            if self.format.columns is None and self._header(path) != columns:
                raise ValueError(
                    f"{path}: the header differs from the one of {self.paths[0]}. Prepare only like tables together."
                )
            with readable(path), open_raw(path) as (file, share_read):
                line, offset, read = 1, 0, 0
                if self.format.columns is None:
                    read = offset = len(_first_line(path, file))
                    line = 2
                while positions and positions[0]["file"] == index:
                    position = positions.popleft()
                    line, offset = position["line"], position["offset"]
                    yield None
                _go_to(file, read, offset)
                rest, is_last = b"", False
                while not is_last:
                    block = file.read(max(self.chunk_bytes - len(rest), 1 << 16))
                    is_last = not block
                    content = rest + block
                    cut = len(content) if is_last else self.format.last_line_end(content)
                    content, rest = content[:cut], content[cut:]
                    if not content:
                        _check_length(path, line, len(rest))
                        continue
                    first, line, offset = line, line + content.count(b"\n"), offset + len(content)
                    share = (index + share_read()) / len(self.paths)
                    position = {"file": index, "line": line, "offset": offset, "share": share}
                    yield Chunk(str(path), _parser(path, self.format, columns, content, first), position, split)

    def _header(self, path):
        with readable(path), open_raw(path, ahead=False) as (file, _):
            return header_of(path, _first_line(path, file), self.format)


def _check_length(path, line, length):
    if length > LONGEST_ROW:
        raise ValueError(
            f"{path}, row {line}: the row does not end within {length:,} bytes. If cells begin with a quote that is "
            "never closed, such as an inch mark, write `quote: null` into the schema."
        )


def _parser(path, format, columns, content, first):
    def parse_chunk(needed):
        check_needed(path, needed, columns)
        try:
            return Rows(*parse(content, columns, needed, format, first))
        except pa.ArrowInvalid as error:
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"{path}, row {first:,} or later: not rows of a table ({reason}). Look for a quote that is never "
                "closed, or write `quote: null` into the schema."
            ) from None

    return parse_chunk


@dataclasses.dataclass(frozen=True)
class ParquetSource:
    """Parquet files.

    Args:
        paths: The files, in the order of their rows.
        splits: The split of each file, if files determine splits.
        chunk_rows: Rows per chunk.
    """

    paths: Sequence[Path]
    splits: Sequence[str] = ()
    chunk_rows: int = CHUNK_ROWS

    def describe(self) -> Config:
        """Return everything the rows depend on, JSON-serializable."""
        return {"files": [_stamp(path) for path in self.paths], "chunk_rows": self.chunk_rows}

    def columns(self) -> list[str]:
        """Return the names of the columns of the first file."""
        return [name for name, _ in _parquet_columns(self.paths[0])[0]]

    def chunks(self, finished: list[Config]) -> Iterator[Chunk | None]:
        """Yield the chunks; see `TextSource.chunks`."""
        positions = [(position["file"], position["start"]) for position in finished]
        for index, path in enumerate(self.paths):
            split = self.splits[index] if self.splits else None
            columns, rows = _parquet_columns(path)
            if not rows:
                raise ValueError(f"{path} has no rows. Leave it out, or correct the path.")
            starts = [start for start in range(0, rows, self.chunk_rows) if (index, start) not in positions]
            read = _rows_of(path, columns, self.chunk_rows, starts)
            for start in range(0, rows, self.chunk_rows):
                if (index, start) in positions:
                    yield None
                else:
                    share = (index + min(1, (start + self.chunk_rows) / rows)) / len(self.paths)
                    position = {"file": index, "start": start, "share": share}
                    parse_chunk = _parquet_parser(path, columns, start, read)
                    yield Chunk(str(path), parse_chunk, position, split)


def _parquet_columns(path):
    """Return `[(name, type)]` of a Parquet file's columns, and its number of rows."""
    with readable(path), opened_parquet(path) as place:
        try:
            file = parquet.ParquetFile(place)
            schema = file.schema_arrow
        except pa.ArrowNotImplementedError:  # polars writes integers of 128 bits, which pyarrow does not open
            if is_url(path):
                raise
            scan = pl.scan_parquet(path, glob=False)
            return list(scan.collect_schema().items()), scan.select(pl.len()).collect().item()
        return list(zip(schema.names, schema.types, strict=True)), file.metadata.num_rows


def _rows_of(path, columns, chunk_rows, starts):
    """Return a function from names of columns and a first row to the rows of a chunk.

    Args:
        path: The Parquet file.
        columns: What `_parquet_columns` returned.
        chunk_rows: Rows per chunk.
        starts: The first row of each chunk that will be read.
    """
    names = [name for name, _ in columns]
    # polars refuses a whole file for these, even if the columns are not needed.
    by_pyarrow = len(set(names)) < len(names) or any(_has_unknown_zone(dtype) for _, dtype in columns)
    if is_url(path):
        with readable(path):
            groups = RowGroups(as_path(path), chunk_rows, starts)
        if by_pyarrow:
            return lambda needed, start: _in_utc(groups.rows(needed, start))
        return lambda needed, start: pl.DataFrame(pl.from_arrow(groups.rows(needed, start))).to_arrow()
    if by_pyarrow:
        return lambda needed, start: _in_utc(_rows_by_pyarrow(path, needed, start, chunk_rows))

    def read(needed, start):
        scan = pl.scan_parquet(path, glob=False)
        return scan.slice(start, chunk_rows).select(needed).collect().to_arrow()

    return read


def _parquet_parser(path, columns, start, read):
    names = [name for name, _ in columns]

    def parse_chunk(needed):
        check_needed(path, needed, names, ", unlike the first file")
        for name, dtype in columns:
            if name in needed and not _is_supported(dtype):
                raise ValueError(f"{path}: {unsupported(name, dtype)}")
        with readable(path):
            table = read(list(needed), start)
        return Rows(table, np.arange(start + 1, start + 1 + len(table)), [])

    return parse_chunk


def num_rows(path: Path) -> int:
    """Return the number of rows of a Parquet file."""
    return _parquet_columns(path)[1]


def usable_rows(path: Path, start: int, rows: int) -> pa.Table:
    """Return some rows of a Parquet file, only the columns that a field can read; see `usable_columns`.

    Args:
        path: The file.
        start: The first row, from 0.
        rows: The number of rows.
    """
    source = ParquetSource([path])
    columns = _parquet_columns(path)[0]
    parse_chunk = _parquet_parser(path, columns, start, _rows_of(path, columns, rows, [start]))
    return parse_chunk(dict.fromkeys(usable_columns(source), False)).table


def _has_unknown_zone(dtype):
    """Tell whether a type has times in a zone that polars does not know, such as +05:30."""
    if not isinstance(dtype, pa.DataType):
        return False
    if isinstance(dtype, pa.BaseExtensionType):
        return _has_unknown_zone(dtype.storage_type)
    if pa.types.is_timestamp(dtype) and dtype.tz:
        try:
            pl.Series(dtype=pl.Datetime("us", dtype.tz))
        except pl.exceptions.PolarsError:
            return True
    return any(_has_unknown_zone(dtype.field(index).type) for index in range(dtype.num_fields))


def _is_supported(dtype):
    """Tell whether polars and pyarrow can both hold the cells of a type."""
    if not isinstance(dtype, pa.DataType):
        return dtype not in (pl.Int128, pl.UInt128)
    is_large = pa.types.is_decimal(dtype) and dtype.precision > LARGEST_PRECISION
    if is_large or isinstance(dtype, pa.BaseExtensionType):
        return False
    inner = [dtype.field(index).type for index in range(dtype.num_fields)]
    return all(_is_supported(part) and not _has_unknown_zone(part) for part in inner)


def _rows_by_pyarrow(path, names, start, rows):
    """Read rows of a Parquet file."""
    file = parquet.ParquetFile(path)
    ends = np.cumsum([file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)])
    first, last = np.searchsorted(ends, [start, min(start + rows, ends[-1]) - 1], side="right")
    groups = list(range(first, last + 1))
    table = file.read_row_groups(groups, columns=names, use_threads=False).select(names)
    return table.slice(start - ([0, *ends])[first], rows)


def _in_utc(table):
    """Return a table whose times of zones that polars does not know are in UTC."""
    for index, field in enumerate(table.schema):
        if _has_unknown_zone(field.type):
            times = table.column(index).cast(pa.timestamp(field.type.unit, "UTC"))
            table = table.set_column(index, field.name, times)
    return table


@dataclasses.dataclass(frozen=True)
class FrameSource:
    """A polars frame in memory.

    Args:
        path: Where it came from, for messages.
        frame: The frame.
        chunk_rows: Rows per chunk.
    """

    path: Path
    frame: pl.DataFrame
    chunk_rows: int = CHUNK_ROWS

    def describe(self) -> Config:
        """Return everything the rows depend on, JSON-serializable."""
        return {"files": [_stamp(self.path)], "rows": len(self.frame), "chunk_rows": self.chunk_rows}

    def columns(self) -> list[str]:
        """Return the names of the columns."""
        return self.frame.columns

    def chunks(self, finished: list[Config]) -> Iterator[Chunk | None]:
        """Yield the chunks; see `TextSource.chunks`."""
        done = len(finished)
        for index, start in enumerate(range(0, len(self.frame), self.chunk_rows)):
            frame = self.frame.slice(start, self.chunk_rows)
            numbers = np.arange(start + 1, start + 1 + len(frame))
            parse_chunk = _constant(Rows(frame.to_arrow(), numbers, []))
            position = {"start": start, "share": min(1, (start + self.chunk_rows) / len(self.frame))}
            yield None if index < done else Chunk(str(self.path), parse_chunk, position, None)


@dataclasses.dataclass(frozen=True)
class DerivedSource:
    """A source that derives columns from another source's parsed rows.

    Args:
        source: The other source.
        derive: Function that maps a polars frame of text columns to a frame with the same rows.
        derived: Names of the columns that `derive` returns.
        needed: Names of the columns that `derive` takes.
    """

    source: TextSource
    derive: typing.Callable
    derived: tuple
    needed: tuple

    def describe(self) -> Config:
        """Return everything the rows depend on, JSON-serializable."""
        return {**self.source.describe(), "derived": list(self.derived)}

    def columns(self) -> list[str]:
        """Return the names of the columns.

        Raises:
            ValueError: If the source lacks a column.
        """
        known = self.source.columns()
        for column in self.needed:
            if column not in known:
                raise ValueError(f"{self.source.describe()['files'][0][0]}: {unknown('column', column, known)}")
        return list(self.derived)

    def chunks(self, finished: list[Config]) -> Iterator[Chunk | None]:
        """Yield the chunks; see `TextSource.chunks`."""
        for chunk in self.source.chunks(finished):
            yield chunk and chunk._replace(parse=self._parser(chunk.parse))

    def _parser(self, parse_chunk):
        def parse_and_derive(needed):
            rows = parse_chunk(dict.fromkeys(self.needed, False))
            return rows._replace(table=self.derive(pl.from_arrow(rows.table)).select(list(needed)).to_arrow())

        return parse_and_derive


class Source(typing.Protocol):
    """A raw table: its columns, and its rows in chunks."""

    def describe(self) -> Config:
        """Return everything the rows depend on, JSON-serializable."""
        ...

    def columns(self) -> list[str]:
        """Return the names of the columns."""
        ...

    def chunks(self, finished: list[Config]) -> Iterator[Chunk | None]:
        """Yield the chunks; each chunk that was finished earlier yields None."""
        ...


def raw_files(raw: Path | None, what: str) -> tuple[pathlib.Path, ...]:
    """Return the path given as `raw`, as a tuple.

    Raises:
        ValueError: If no path was given.
    """
    if raw is None:
        raise ValueError(f"The raw data cannot be downloaded. Pass {what} as `raw` (--raw).")
    path = as_path(raw)
    if path.is_dir():
        raise ValueError(f"{raw} is a folder. Pass {what}.")
    return (path,)


def check_needed(path: Path, needed: Iterable[str], columns: Sequence[str], where: str = "") -> None:
    """Raise an error if a needed column is missing, or if several columns have its name.

    Args:
        path: The file, for the message.
        needed: Names of the needed columns.
        columns: Names of all columns.
        where: What else to say of the file.

    Raises:
        ValueError: If a column does not occur exactly once.

    >>> check_needed("clicks.csv", ["site"], ["click", "site", "b", "b"])
    """
    for column in needed:
        if column not in columns:
            raise ValueError(f"{path}{where}: {unknown('column', column, columns)}")
        if columns.count(column) > 1:
            raise ValueError(f"{path}: {columns.count(column)} columns are named '{column}'. Rename all but one.")


def usable_columns(source: Source) -> list[str]:
    """Return the names of a source's columns that a field can read: named, once, and of a type with a meaning here.

    >>> usable_columns(FrameSource("/dev/null", pl.DataFrame({"": [1], "site": ["a"]})))
    ['site']
    """
    names = source.columns()
    dtypes = dict(_parquet_columns(source.paths[0])[0]) if isinstance(source, ParquetSource) else {}
    return [
        name
        for name in names
        if name and names.count(name) == 1 and (name not in dtypes or _is_supported(dtypes[name]))
    ]


def _constant(rows):
    return lambda needed: rows


def _stamp(path):
    """Describe a file, or the folder of a data set: its name, and what changes when it is rewritten."""
    _check_exists(path)
    return stamp(as_path(path))


@contextlib.contextmanager
def open_raw(path: Path, ahead: bool = True) -> Iterator[tuple[Any, Callable[[], float]]]:
    """Yield a file of the decompressed bytes and a function that returns the share read so far.

    Args:
        path: The file, or an object in a store.
        ahead: Whether more of an object is fetched than what is read, see `opened`.

    Raises:
        ValueError: If a zip file does not hold exactly one file, or Python cannot unpack it.
    """
    path = as_path(path)
    size = path.stat().st_size
    if path.suffix == ".zip":
        with opened(path, ahead) as raw, zipfile.ZipFile(raw) as archive:
            archive.filename = str(path)
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check_one_table(path, [entry.filename for entry in entries])
            with open_entry(archive, entries[0]) as file:
                yield file, lambda: file.tell() / max(entries[0].file_size, 1)
    elif path.name.endswith(TARS):
        with opened(path, ahead) as raw, tarfile.open(fileobj=raw) as archive:
            # A second file suffices for the message: to list all of a large archive takes minutes.
            members = list(itertools.islice((member for member in archive if member.isfile()), 2))
            _check_one_table(path, [member.name for member in members])
            while archive.fileobj and archive.fileobj.read(1 << 20):  # the checksum of the content is at the end
                pass
            file = archive.extractfile(members[0])
            assert file is not None  # it is a file
            with file:
                yield file, lambda: file.tell() / max(members[0].size, 1)
    elif path.suffix in COMPRESSIONS:
        with _arrow_file(path, ahead) as raw, pa.CompressedInputStream(raw, COMPRESSIONS[path.suffix]) as stream:
            yield io.BufferedReader(stream), lambda: raw.tell() / size  # pyright: ignore[reportArgumentType]
    else:
        with opened(path, ahead) as file:
            yield file, lambda: file.tell() / size


@contextlib.contextmanager
def _arrow_file(path, ahead):
    if is_url(path):
        with opened(path, ahead) as file:
            yield pa.PythonFile(file, mode="r")
    else:
        with pa.OSFile(str(path)) as file:
            yield file


def _check_one_table(path, names):
    if len(names) != 1:
        held = f"several files, such as {' and '.join(names[:2])}" if names else "no file"
        raise ValueError(f"{path} holds {held}; expected one table. Unpack it and pass the table's path.")


def open_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo | str) -> typing.IO[bytes]:
    """Open a file of a `zipfile.ZipFile`.

    Raises:
        ValueError: If it is encrypted, or compressed with a method that Python does not support, such as Deflate64.
    """
    try:
        return archive.open(entry)
    except (NotImplementedError, RuntimeError) as error:
        message = f"{archive.filename} cannot be unpacked here ({error}). Unpack it yourself and pass the result."
        raise ValueError(message) from None


# What libraries raise for damaged files; polars also panics.
DAMAGES = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    pa.ArrowException,
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
)


class readable:  # noqa: N801  (used like a function)
    """Turns the errors that libraries raise for damaged files into one line that names the file."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self):
        with reaching(self.path):
            self._check()
        return self

    def _check(self):
        path = as_path(self.path)
        _check_exists(path)
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder. Pass its files, such as '{path}/*{path.suffix or '.csv'}'.")
        if path.is_file() and not path.stat().st_size:
            raise ValueError(f"{path} is empty. Leave it out, or correct the path.")

    def __exit__(self, kind, error, traceback):
        if error is not None and is_url(self.path) and (mended := explained(error, self.path)):
            raise mended from error
        reason = str(error).splitlines()[0] if str(error) else kind and kind.__name__
        if isinstance(error, pa.ArrowNotImplementedError):
            raise ValueError(f"{self.path} has content that cannot be read here ({reason}). Write it anew.") from None
        if isinstance(error, DAMAGES) or (isinstance(error, OSError) and error.errno is None):
            raise ValueError(
                f"{self.path} is damaged or of another kind ({reason}). Download or unpack it again."
            ) from None


def _check_exists(path):
    if not as_path(path).exists():
        raise FileNotFoundError(f"{path} does not exist. Correct the path.")


def _first_line(path, file):
    line = file.readline(LONGEST_HEADER + 1)
    if len(line) > LONGEST_HEADER:
        raise ValueError(f"{path}, row 1: the line does not end within {LONGEST_HEADER:,} bytes. Is it a text table?")
    return line


def _go_to(file, position, offset):
    """Move from a position to an offset in the decompressed bytes; a compressed stream is read up to there."""
    if isinstance(file, io.BufferedReader) and isinstance(file.raw, pa.CompressedInputStream):
        while position < offset:
            position += len(file.read(min(offset - position, 1 << 24)))
    else:
        file.seek(offset)
