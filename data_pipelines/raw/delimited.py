"""Parse a piece of a text table and find its malformed rows."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import typing
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.csv as pyarrow_csv

if typing.TYPE_CHECKING:
    from ctrzoo.types import Path

# Pieces that fit into the processor's cache take half the time of large ones to parse.
PARSE_BYTES = 1 << 19
MANY_QUOTES = 100_000
BOM = b"\xef\xbb\xbf"


@dataclasses.dataclass(frozen=True)
class Format:
    r"""The format of a text table. An option added here is also a key of schema files.

    Args:
        separator: The character between columns.
        columns: Names of the columns; None if the first line of each file names them.
        quote: The character around cells that contain a separator or a line end; None for no quoting.
        missing: Text or texts that mark a missing cell, in addition to the empty text, such as `"NULL"`.

    Raises:
        ValueError: If the separator is not one character, or names or missing cells are not texts.

    >>> Format(separator="\t", columns=("label", "site"), quote=None).columns
    ('label', 'site')
    """

    separator: str = ","
    columns: tuple[str, ...] | None = None
    quote: str | None = '"'
    missing: str | tuple[str, ...] | None = ()

    def __post_init__(self):
        for key in ("separator", "quote"):
            value = getattr(self, key)
            if not (value is None and key == "quote") and (not isinstance(value, str) or len(value.encode()) != 1):
                raise ValueError(f"`{key}` must be one character. Received: {value!r}.")
        if isinstance(self.columns, str):
            raise ValueError(f"`columns` must be a list of names, such as [label, site]. Received: {self.columns!r}.")
        if self.columns is not None:
            object.__setattr__(self, "columns", _texts("columns", self.columns))
            _check_once("`columns` names", self.columns)
        object.__setattr__(self, "missing", () if self.missing is None else _texts("missing", self.missing))

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """Return the options that a schema file may set, which are all of them."""
        return tuple(option.name for option in dataclasses.fields(cls))

    @classmethod
    def from_schema(cls, config: Mapping[str, typing.Any], separator: str) -> Format:
        """Return the format that a schema file describes.

        Args:
            config: The content of the schema file.
            separator: The character between columns, if the schema does not set it.
        """
        options = {"separator": separator, **{key: config[key] for key in cls.keys() if key in config}}
        # Tab-separated text is seldom quoted: a quote that opens a cell belongs to it and must not swallow lines.
        return cls(**{"quote": None if options["separator"] == "\t" else '"', **options})

    def split_line(self, text: str) -> list[str]:
        """Return the cells of one line, such as the header."""
        quoting = csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE
        return next(csv.reader([text], delimiter=self.separator, quotechar=self.quote, quoting=quoting), [])

    def parse_options(self, handler: Callable | None = None) -> pyarrow_csv.ParseOptions:
        """Return pyarrow's options for finding the cells of all lines.

        Args:
            handler: Called with each row of a wrong width; returns `"skip"` or `"error"`.
        """
        return pyarrow_csv.ParseOptions(
            delimiter=self.separator,
            quote_char=self.quote or False,
            newlines_in_values=self.quote is not None,
            invalid_row_handler=handler,
        )

    def convert_options(self, types: Mapping[str, pa.DataType]) -> pyarrow_csv.ConvertOptions:
        """Return pyarrow's options for converting cells to the given types; other columns are left out."""
        return pyarrow_csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            strings_can_be_null=True,
            null_values=["", *(self.missing or ())],
        )

    def last_line_end(self, content: bytes) -> int:
        """Return the length of the complete lines at the beginning of some bytes."""
        end = content.rfind(b"\n") + 1
        quotes = content.count(self.quote.encode(), 0, end) if self.quote else 0
        # Within quotes, a line end is part of the cell. If every cell may be quoted, an even number of quotes means
        # that the last one is closed; if only a few are, they are checked one by one.
        if quotes % 2 or 0 < quotes < MANY_QUOTES:
            # The line end before an open cell may be in another cell of its row.
            while (begin := self._open_quote(content, end)) < end:
                end = content.rfind(b"\n", 0, begin) + 1
        return end

    def _open_quote(self, content, stop):
        """Return where a cell begins whose quotes are not closed before `stop`; `stop` if all quotes are closed.

        A quote within a cell that does not begin with a quote, such as an inch mark, is an ordinary character.
        """
        assert self.quote is not None  # called only for formats with quotes
        quote, before = self.quote.encode(), (self.separator.encode()[0], *b"\r\n")
        closing = re.compile(rb"(?:[^%b]++|%b%b)*+%b" % (4 * (re.escape(quote),)))
        position = content.find(quote, 0, stop)
        while position >= 0:
            after = position + 1
            if position == 0 or content[position - 1] in before:
                end = closing.match(content, after, stop)
                if not end:
                    return position
                after = end.end()
            position = content.find(quote, after, stop)
        return stop


def _texts(key, value):
    """Return one or several texts as a tuple; YAML converts unquoted -1, NULL and no to other types."""
    texts = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    if not all(isinstance(text, str) for text in texts):
        quoted = json.dumps(["NULL" if text is None else str(text) for text in texts], ensure_ascii=False)
        raise ValueError(f"`{key}` must be texts, in quotes: {key}: {quoted}. Received: {value!r}.")
    return texts


def _check_once(what, names):
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{what} these columns more than once: {', '.join(twice)}.")


def header_of(path: Path, line: bytes, format: Format) -> list[str]:
    """Return the column names in the first line of a file.

    Raises:
        ValueError: If the line is empty or not text, or a quote is not closed in it.
    """
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError(f"{path}, row 1: the header is not UTF-8 text. Convert the file to UTF-8.") from None
    try:
        names = format.split_line(text)
    except csv.Error as error:
        raise ValueError(f"{path}, row 1: the header is not a line of a table ({error}).") from None
    if format.quote and format._open_quote(line, len(line)) < len(line):
        raise ValueError(f"{path}, row 1: a quote in the header is never closed. Close it, or rename the column.")
    if not any(names):
        raise ValueError(f"{path}, row 1: expected the column names, but the line is empty.")
    return names


def parse(
    content: bytes, columns: Sequence[str], needed: Mapping[str, bool], format: Format, first: int
) -> tuple[pa.Table, np.ndarray, list[tuple[int, str]]]:
    """Parse whole lines of a table.

    Args:
        content: The bytes.
        columns: Names of all columns.
        needed: The columns to return, `{name: whether they are numbers}`.
        format: The `Format`.
        first: The number of the first line in its file.

    Returns:
        The `pyarrow.Table`, the number of each row, and `(number, reason)` of each row that cannot be used. A column of
        numbers is float64 if all its cells are numbers, otherwise text; all other columns are text. Missing cells are
        null.
    """
    if first == 1:
        content = content.removeprefix(BOM)
    if content.startswith(BOM):  # a part of the first cell, but pyarrow would remove one
        content = BOM + content
    types = {name: pa.float64() if is_number else pa.string() for name, is_number in needed.items()}
    content, bad = _without_stray_returns(content, format, first)
    if not bad:
        try:
            table = _read(content, columns, types, format)
            return table, _row_numbers(content, first, len(table)), []
        except pa.ArrowInvalid:
            pass
    table, numbers, others = _parse_carefully(content, columns, needed, format, first)
    return table, numbers, sorted(bad + others)


def _without_stray_returns(content, format, first):
    """Empty the rows with a carriage return that ends no line: pyarrow would cut them into two rows.

    Returns:
        The other rows with their lines, and `(number, reason)` of each row that was emptied.
    """
    bad = []
    if b"\r" not in content:  # much faster than to count
        return content, bad
    quoted = re.compile(rb"%b[^%b]*+%b" % (3 * (re.escape((format.quote or "\n").encode()),)))
    if content.count(b"\r") == content.count(b"\r\n") or b"\n" not in _without_cells(quoted, content, format):
        return content, bad
    lines = content.split(b"\n")
    begin = 0
    while begin < len(lines):
        end, row = begin + 1, lines[begin]
        while format.quote and end < len(lines) and format._open_quote(row, len(row)) < len(row):
            row, end = row + b"\n" + lines[end], end + 1
        if b"\r" in _without_cells(quoted, row.rstrip(b"\r"), format):
            bad.append((first + begin, "a carriage return (\\r) stands within the row. Remove it"))
            lines[begin:end] = [b""] * (end - begin)
        begin = end
    return b"\n".join(lines), bad


def _without_cells(quoted, content, format):
    """Return bytes without the cells in quotes."""
    return quoted.sub(b"", content) if format.quote else content


def _read(content, columns, types, format, handler=None, block_size=PARSE_BYTES, encoding="utf8"):
    return pyarrow_csv.read_csv(
        pa.py_buffer(content),
        pyarrow_csv.ReadOptions(use_threads=False, block_size=block_size, column_names=columns, encoding=encoding),
        format.parse_options(handler),
        format.convert_options(types),
    )


def _parse_carefully(content, columns, needed, format, first):
    """Parse all columns as bytes; record the rows that have another width or are not UTF-8."""
    bad = []

    def note(row):
        bad.append((row.number, f"{row.actual_columns} columns, expected {len(columns)}"))
        return "skip"

    # pyarrow shows the handler only rows that are text, so other bytes are read as the letters of Latin-1, one each.
    encoding = "utf8" if _is_text(content) else "latin-1"
    # In one block, because a row must not be longer than a block.
    block_size = 2 * max(len(content), PARSE_BYTES)
    table = _read(content, columns, dict.fromkeys(needed, pa.binary()), format, note, block_size, encoding)
    lines = _row_numbers(content, first, len(table) + len(bad))
    is_bad = np.zeros(len(lines), bool)
    is_bad[[number - 1 for number, _ in bad]] = True
    bad = [(int(lines[number - 1]), reason) for number, reason in bad]
    numbers = lines[~is_bad]
    kept = np.ones(len(table), bool)
    texts = {}
    for name in needed:
        cells = table[name].combine_chunks()
        if encoding == "utf8":
            texts[name] = cells.cast(pa.string())
        else:
            decoded = [_decoded(cell) for cell in cells.to_pylist()]
            for row, text in enumerate(decoded):
                if text is False and kept[row]:
                    kept[row] = False
                    bad.append((int(numbers[row]), f"column '{name}' is not UTF-8 text"))
            texts[name] = pa.array([text or None for text in decoded], pa.string())
    return pa.table(texts).filter(pa.array(kept)), numbers[kept], sorted(bad)


def _is_text(content):
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decoded(cell):
    """Return the text of a cell that was read as Latin-1; False if it is not UTF-8."""
    try:
        return cell if cell is None else cell.decode().encode("latin-1").decode()
    except UnicodeDecodeError:
        return False


def _row_numbers(content, first, rows):
    """Return each row's line number; if cells contain line ends, number the rows instead."""
    if content.count(b"\n") + (not content.endswith(b"\n")) != rows:
        lines = first + np.flatnonzero([bool(line.strip(b"\r")) for line in content.split(b"\n")])
        if len(lines) == rows:
            return lines
    return first + np.arange(rows)
