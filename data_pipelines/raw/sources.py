"""Raw tables as chunks of rows: delimited text (plain or compressed), Parquet, and frames in memory.

Listing the chunks of a source is cheap; other threads parse each chunk later. A source always has the same chunks, so
an interrupted preparation resumes at the chunk where it stopped.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import pathlib
import typing
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as parquet

from ctrzoo.suggest import unknown

from .delimited import Format, header_of, parse

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config, Path

CHUNK_BYTES = 64 << 20
CHUNK_ROWS = 262_144
LONGEST_ROW = 64 << 20
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}


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
                    read = offset = len(_first_line(file))
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
                    yield Chunk(str(path), _parser(self.format, columns, content, first), position, split)

    def _header(self, path):
        with readable(path), open_raw(path) as (file, _):
            return header_of(path, _first_line(file), self.format)


def _check_length(path, line, length):
    if length > LONGEST_ROW:
        raise ValueError(
            f"{path}, row {line}: the row does not end within {length:,} bytes. If cells begin with a quote that is "
            "never closed, such as an inch mark, write `quote: null` into the schema."
        )


def _parser(format, columns, content, first):
    return lambda needed: Rows(*parse(content, columns, needed, format, first))


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
        with readable(self.paths[0]):
            return parquet.ParquetFile(self.paths[0]).schema_arrow.names

    def chunks(self, finished: list[Config]) -> Iterator[Chunk | None]:
        """Yield the chunks; see `TextSource.chunks`."""
        positions = [(position["file"], position["start"]) for position in finished]
        for index, path in enumerate(self.paths):
            split = self.splits[index] if self.splits else None
            with readable(path):
                file = parquet.ParquetFile(path)
                rows, columns = file.metadata.num_rows, file.schema_arrow.names
            if not rows:
                raise ValueError(f"{path} has no rows. Leave it out, or correct the path.")
            for start in range(0, rows, self.chunk_rows):
                if (index, start) in positions:
                    yield None
                else:
                    share = (index + min(1, (start + self.chunk_rows) / rows)) / len(self.paths)
                    position = {"file": index, "start": start, "share": share}
                    parse_chunk = _parquet_parser(path, columns, start, self.chunk_rows)
                    yield Chunk(str(path), parse_chunk, position, split)


def _parquet_parser(path, columns, start, chunk_rows):
    def parse_chunk(needed):
        for column in needed:
            if column not in columns:
                raise ValueError(f"{path}, unlike the first file: {unknown('column', column, columns)}")
        with readable(path):
            frame = pl.scan_parquet(path, glob=False).slice(start, chunk_rows).select(list(needed)).collect()
        return Rows(frame.to_arrow(), np.arange(start + 1, start + 1 + len(frame)), [])

    return parse_chunk


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
    if pathlib.Path(raw).is_dir():
        raise ValueError(f"{raw} is a folder. Pass {what}.")
    return (pathlib.Path(raw),)


def _constant(rows):
    return lambda needed: rows


def _stamp(path):
    """Describe a file: its name, and what changes when it is rewritten."""
    with readable(path):
        status = pathlib.Path(path).stat()
    return [str(pathlib.Path(path).absolute()), status.st_size, status.st_mtime_ns]


@contextlib.contextmanager
def open_raw(path: Path) -> Iterator[tuple[Any, Callable[[], float]]]:
    """Yield a file of the decompressed bytes and a function that returns the share read so far.

    Raises:
        ValueError: If a zip file does not hold exactly one file, or Python cannot unpack it.
    """
    path = pathlib.Path(path)
    size = path.stat().st_size
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) != 1:
                raise ValueError(
                    f"{path} holds {len(entries)} files, expected one table. Unpack it and pass the table's path."
                )
            with open_entry(archive, entries[0]) as file:
                yield file, lambda: file.tell() / max(entries[0].file_size, 1)
    elif path.suffix in COMPRESSIONS:
        with pa.OSFile(str(path)) as raw, pa.CompressedInputStream(raw, COMPRESSIONS[path.suffix]) as file:
            yield file, lambda: raw.tell() / size
    else:
        with open(path, "rb") as file:
            yield file, lambda: file.tell() / size


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


class readable:  # noqa: N801  (used like a function)
    """Turns the errors that libraries raise for damaged files into one line that names the file."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self):
        path = pathlib.Path(self.path)
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist. Correct the path.")
        if path.is_file() and not path.stat().st_size:
            raise ValueError(f"{path} is empty.")
        return self

    def __exit__(self, kind, error, traceback):
        if isinstance(
            error, (zipfile.BadZipFile, zlib.error, EOFError, pa.ArrowException, pl.exceptions.PolarsError)
        ) or (isinstance(error, OSError) and error.errno is None):
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ValueError(
                f"{self.path} is damaged or of another kind ({reason}). Download or unpack it again."
            ) from None


def _first_line(file):
    line = b""
    while not line.endswith(b"\n"):
        byte = file.read(1)
        if not byte:
            break
        line += byte
    return line


def _go_to(file, position, offset):
    """Move from a position to an offset in the decompressed bytes; a compressed stream is read up to there."""
    if isinstance(file, pa.CompressedInputStream):
        while position < offset:
            position += len(file.read(min(offset - position, 1 << 24)))
    else:
        file.seek(offset)
