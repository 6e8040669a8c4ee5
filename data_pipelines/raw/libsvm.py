"""libsvm, libfm and libffm text as tables.

A libsvm or libfm line is `label index:value ...`: one multi-valued field of weighted features, unless the schema says
which fields they belong to. A libffm line is `label field:feature:value ...`: a column per field.
"""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as compute

from .delimited import Format
from .sources import Rows, TextSource, open_raw, readable
from .token_fields import MOST_FIELDS

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config, Path

    from .sources import Chunk
    from .token_fields import TokenFields

pc: typing.Any = compute
FIRST_BYTES = 4 << 20
# A token takes several times its text while it is parsed.
CHUNK_BYTES = 8 << 20
NUMBER = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"
TOKENS = {"libsvm": rf"^\d+:{NUMBER}$", "libffm": rf"^\d+:[^:]+:{NUMBER}$"}
SHAPES = {"libsvm": "index:value", "libffm": "field:feature:value"}
# What of a token is not its feature: the field of libffm text, and a weight of 1.
AROUND = {"libsvm": r":1(\.0*)?$", "libffm": r"^\d+:|:1(\.0*)?$"}
# A character that does not occur in such text, so each line is one cell.
LINES = Format("\x01", ("line",), quote=None)


@dataclasses.dataclass(frozen=True)
class SparseTextSource:
    """Files of libsvm or libffm text.

    The column `label` holds the labels as text. libsvm text also has `features`: a multi-valued cell such as
    `"3:0.5 7"`, to be read with `separator=" "` and `weight_separator=":"`; weights of 1 are left out. libffm text has
    `field0`, `field1`, ... in the same format; they are plain categories if every weight is 1. It also has `value0`,
    `value1`, ...: the number of the field's feature, if the field has just one. So has libsvm text whose `fields` are
    known; a field called `user` has the columns `user` and `value_user`.

    Args:
        paths: The files, in the order of their rows; they may be compressed.
        kind: `"libsvm"` or `"libffm"`.
        num_fields: Number of libffm fields, counted from 0; by default as many as in the first 4 MiB.
        splits: The split of each file, if files determine splits.
        chunk_bytes: Bytes of text per chunk.
        fields: The fields of libsvm text; by default all features are one field.
    """

    paths: Sequence[Path]
    kind: str
    num_fields: int | None = None
    splits: Sequence[str] = ()
    chunk_bytes: int = CHUNK_BYTES
    fields: TokenFields | None = None

    def describe(self) -> Config:
        """Return everything the rows depend on, JSON-serializable."""
        fields = None if self.fields is None else self.fields.describe()
        return {**self._lines.describe(), "kind": self.kind, "num_fields": self._num_fields(), "fields": fields}

    def columns(self) -> list[str]:
        """Return the names of the columns.

        Raises:
            ValueError: If the first file is empty or unreadable.
        """
        return ["label", *(column for column, _, _ in self._columns())]

    def chunks(self, finished: list[Config]) -> Iterator[Chunk | None]:
        """Yield the chunks; see `TextSource.chunks`."""
        columns = {column: (field, is_value) for column, field, is_value in self._columns()}
        num_fields = self._num_fields()
        for chunk in self._lines.chunks(finished):
            yield chunk and chunk._replace(parse=self._parser(chunk.parse, columns, num_fields))

    @property
    def _lines(self):
        return TextSource(self.paths, LINES, self.splits, self.chunk_bytes)

    def _columns(self):
        """Return the columns but the label: name, index of the field, and whether it holds the field's values."""
        if self.fields:
            names, values = self.fields.columns, self.fields.value_columns
        elif self.kind == "libsvm":
            return [("features", 0, False)]
        else:
            names, values = (
                [f"{what}{field}" for field in range(self._num_fields() or 0)] for what in ("field", "value")
            )
        ids = [(name, field, False) for field, name in enumerate(names)]
        return ids + [(name, field, True) for field, name in enumerate(values)]

    def _num_fields(self):
        if self.kind == "libsvm" or self.num_fields:
            return self.num_fields
        path = self.paths[0]
        with readable(path), open_raw(path) as (file, _):
            text = file.read(FIRST_BYTES).decode(errors="replace")
        texts = pl.Series([text]).str.extract_all(r"\s\d+:").explode().str.extract(r"(\d+)").drop_nulls().unique()
        if not len(texts):
            raise ValueError(f"{path} is not libffm text: expected `label field:feature:value ...`.")
        fields = {int(text): text for text in texts}
        largest = max(fields)
        if largest >= MOST_FIELDS:
            before = re.split(rf"\s{fields[largest]}:", text, maxsplit=1)[0]
            row = 1 + before.count("\n")
            raise ValueError(
                f"{path}, row {row:,}: the field number {largest} is too large. Number the fields from 0 to at most "
                f"{MOST_FIELDS - 1:,}."
            )
        return largest + 1

    def _parser(self, parse_lines, columns, num_fields):
        def parse(needed):
            rows = parse_lines({"line": False})
            lines, numbers = _lines_of(rows.table["line"], rows.row_numbers)
            tokens = _Tokens.of(lines)
            del lines
            bad = self._check(tokens, num_fields)
            kept = np.isin(np.arange(tokens.num_rows), list(bad), invert=True)
            cells = _Cells(tokens, kept, self._field_of_tokens(tokens, num_fields), self.kind)
            table = {
                name: tokens.labels.filter(pa.array(kept)) if name == "label" else cells.column(*columns[name])
                for name in needed
            }
            reasons = [(int(numbers[row]), reason) for row, reason in bad.items()]
            return Rows(pa.table(table), numbers[kept], sorted([*rows.bad, *reasons]))

        return parse

    def _check(self, tokens, num_fields):
        """Return the reasons why rows are malformed, by row."""
        is_wrong = _complement(pc.match_substring_regex(tokens.texts, TOKENS[self.kind]))
        bad = {row: f"{token!r}, expected {SHAPES[self.kind]}" for row, token in tokens.first_in_rows(is_wrong)}
        if self.fields and self.fields.by_position:
            expected = len(self.fields.names)
            for row in np.flatnonzero(tokens.lengths != expected).tolist():
                found = f"{tokens.lengths[row]} features, expected {expected}, one for each of the `positions`"
                bad.setdefault(row, found)
        elif self.fields:
            outside = self._field_of_texts(tokens, num_fields) < 0
            for row, token in tokens.first_in_rows(outside):
                bad.setdefault(row, f"the id of {token!r} is in no field of `format`")
        elif self.kind == "libffm":
            beyond = self._field_of_texts(tokens, num_fields) < 0
            for row, token in tokens.first_in_rows(beyond):
                bad.setdefault(row, f"{token!r} has a field above {num_fields - 1}, the last one in the first rows")
        return bad

    def _field_of_texts(self, tokens, num_fields):
        """Return the field of each different token, -1 if it has none or is malformed."""
        numbers = pl.Series(tokens.texts).str.extract(r"^(\d{1,18}):").cast(pl.Int64).fill_null(-1).to_numpy()
        if self.fields:
            return self.fields.of_ids(numbers)
        return np.where(numbers < num_fields, numbers, -1)

    def _field_of_tokens(self, tokens, num_fields):
        """Return the field of each token."""
        if self.fields and self.fields.by_position:
            return np.arange(len(tokens.codes)) - np.repeat(tokens.starts, tokens.lengths)
        if not self.fields and self.kind == "libsvm":
            return np.zeros(len(tokens.codes), np.uint16)
        return self._field_of_texts(tokens, num_fields)[tokens.codes]


def _lines_of(lines, numbers):
    """Return the lines that hold something, without comments, and their numbers."""
    lines = lines.combine_chunks()
    if pc.any(pc.match_substring(lines, "#")).as_py():
        lines = pc.replace_substring_regex(lines, r"#.*$", "")
    lines = pc.ascii_trim_whitespace(lines)
    is_full = pc.fill_null(pc.not_equal(lines, ""), False)
    if not pc.all(is_full).as_py():
        lines, numbers = lines.filter(is_full), numbers[is_full.to_numpy(zero_copy_only=False)]
    return lines, numbers


def _complement(mask):
    return ~mask.to_numpy(zero_copy_only=False)


@dataclasses.dataclass(frozen=True)
class _Tokens:
    """The tokens of lines. Most occur often, so each different one is looked at once.

    Args:
        labels: The first token of each line, a pyarrow array of strings.
        texts: The different tokens of all lines, likewise.
        codes: The index in `texts` of each token but the labels, `(tokens,)`.
        lengths: The number of tokens of each line, `(rows,)`.
    """

    labels: pa.Array
    texts: pa.Array
    codes: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, lines):
        split = pc.ascii_split_whitespace(lines)
        offsets = split.offsets.to_numpy()
        labels = split.values.take(pa.array(offsets[:-1]))
        encoded = split.values.dictionary_encode()
        codes = np.delete(encoded.indices.to_numpy(), offsets[:-1])
        return cls(labels, encoded.dictionary, codes, np.diff(offsets) - 1)

    @property
    def num_rows(self):
        return len(self.lengths)

    @property
    def starts(self):
        return np.cumsum(self.lengths) - self.lengths

    @property
    def rows(self):
        """The row of each token."""
        return np.repeat(np.arange(self.num_rows, dtype=np.int32), self.lengths)

    def first_in_rows(self, chosen):
        """Yield the row and the text of the first of some tokens in each row; `chosen` is by the different ones."""
        found = np.flatnonzero(chosen[self.codes])
        rows, first = np.unique(self.rows[found], return_index=True)
        for row, token in zip(rows.tolist(), found[first].tolist(), strict=True):
            yield row, self.texts[self.codes[token]].as_py()


class _Cells:
    """The columns of tokens.

    Args:
        tokens: The `_Tokens`.
        kept: Which rows are kept, `(rows,)`.
        fields: The field of each token, `(tokens,)`.
        kind: `"libsvm"` or `"libffm"`.
    """

    def __init__(self, tokens, kept, fields, kind):
        rows, self._codes = tokens.rows, tokens.codes
        if not kept.all():
            is_kept = kept[rows]
            rows, self._codes, fields = rows[is_kept], self._codes[is_kept], fields[is_kept]
            rows = (np.cumsum(kept) - 1).astype(np.int32)[rows]
        self._num_rows = int(kept.sum())
        fields = fields.astype(np.uint16)
        order = np.argsort(fields, kind="stable").astype(np.int32)
        self._rows, self._codes, self._fields = rows[order], self._codes[order], fields[order]
        self._texts = tokens.texts
        self._features = pc.replace_substring_regex(tokens.texts, AROUND[kind], "")

    def column(self, field, is_value):
        start, stop = np.searchsorted(self._fields, [field, field + 1])
        rows, codes = self._rows[start:stop], self._codes[start:stop]
        counts = np.bincount(rows, minlength=self._num_rows)
        if not is_value and counts.max(initial=0) > 1:
            offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
            lists = pa.ListArray.from_arrays(pa.array(offsets), self._features.take(pa.array(codes)))
            joined = pc.binary_join(lists, " ")
            return pc.if_else(pa.array(counts > 0), joined, None)
        index = np.full(self._num_rows, -1, np.int32)
        index[rows] = codes
        index = pa.array(index, mask=counts != 1)
        if not is_value:
            return self._features.take(index)
        return pc.replace_substring_regex(self._texts.take(index), r"^.*:", "")
