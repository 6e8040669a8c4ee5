"""libsvm and libffm text as tables.

A libsvm line is `label index:value ...`: one multi-valued field of weighted features. A libffm line is
`label field:feature:value ...`: a column per field.
"""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from .delimited import Format
from .sources import CHUNK_BYTES, Rows, TextSource, open_raw, readable

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config, Path

    from .sources import Chunk

FIRST_BYTES = 4 << 20
# Each field becomes two columns.
MOST_FIELDS = 10_000
NUMBER = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"
TOKENS = {"libsvm": rf"^\d+:{NUMBER}$", "libffm": rf"^\d+:[^:]+:{NUMBER}$"}
SHAPES = {"libsvm": "index:value", "libffm": "field:feature:value"}
# A character that does not occur in such text, so each line is one cell.
LINES = Format("\x01", ("line",), quote=None)


@dataclasses.dataclass(frozen=True)
class SparseTextSource:
    """Files of libsvm or libffm text.

    The column `label` holds the labels as text. libsvm text also has `features`: a multi-valued cell such as
    `"3:0.5 7"`, to be read with `separator=" "` and `weight_separator=":"`; weights of 1 are left out. libffm text has
    `field0`, `field1`, ... in the same format; they are plain categories if every weight is 1. It also has `value0`,
    `value1`, ...: the number of the field's feature, if the field has just one.

    Args:
        paths: The files, in the order of their rows; they may be compressed.
        kind: `"libsvm"` or `"libffm"`.
        num_fields: Number of libffm fields, counted from 0; by default as many as in the first 4 MiB.
        splits: The split of each file, if files determine splits.
        chunk_bytes: Bytes of text per chunk.
    """

    paths: Sequence[Path]
    kind: str
    num_fields: int | None = None
    splits: Sequence[str] = ()
    chunk_bytes: int = CHUNK_BYTES

    def describe(self) -> Config:
        """Return everything the rows depend on, JSON-serializable."""
        return {**self._lines.describe(), "kind": self.kind, "num_fields": self._fields()}

    def columns(self) -> list[str]:
        """Return the names of the columns.

        Raises:
            ValueError: If the first file is empty or unreadable.
        """
        if self.kind == "libsvm":
            return ["label", "features"]
        fields = range(self._fields() or 0)
        return ["label", *(f"field{field}" for field in fields), *(f"value{field}" for field in fields)]

    def chunks(self, finished: list[Config]) -> Iterator[Chunk | None]:
        """Yield the chunks; see `TextSource.chunks`."""
        num_fields = self._fields()
        for chunk in self._lines.chunks(finished):
            yield chunk and chunk._replace(parse=self._parser(chunk.parse, num_fields))

    @property
    def _lines(self):
        return TextSource(self.paths, LINES, self.splits, self.chunk_bytes)

    def _fields(self):
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

    def _parser(self, parse_lines, num_fields):
        def parse(needed):
            rows = parse_lines({"line": False})
            lines = (
                pl.DataFrame(pl.from_arrow(rows.table))["line"].str.replace(r"\s*#.*$", "").str.replace_all("\t", " ")
            )
            tokens = pl.DataFrame({"row": np.arange(len(lines)), "token": lines.str.split(" ")}).explode("token")
            tokens = tokens.with_columns(pl.col("token").str.strip_chars()).filter(pl.col("token") != "")
            is_label = tokens["row"].to_numpy() != np.roll(tokens["row"].to_numpy(), 1)
            is_label[:1] = True
            labels = tokens.filter(is_label)
            tokens = tokens.filter(~is_label)
            bad = self._bad(tokens, num_fields)
            kept = np.isin(labels["row"], list(bad), invert=True)
            table = {"label": labels["token"], "row": labels["row"]}
            table |= _cells(tokens.filter(~pl.col("row").is_in(list(bad))), self.kind, needed, labels["row"])
            frame = pl.DataFrame(table).filter(kept).select(list(needed))
            numbers = rows.row_numbers[labels["row"].to_numpy()]
            reasons = [(int(rows.row_numbers[row]), reason) for row, reason in bad.items()]
            return Rows(frame.to_arrow(), numbers[kept], sorted([*rows.bad, *reasons]))

        return parse

    def _bad(self, tokens, num_fields):
        """Return the reasons why rows are malformed, by row."""
        wrong = tokens.filter(~pl.col("token").str.contains(TOKENS[self.kind]))
        bad = {row: f"{token!r}, expected {SHAPES[self.kind]}" for row, token in reversed(wrong.rows())}
        if self.kind == "libffm":
            fields = pl.col("token").str.extract(r"^(\d+):").cast(pl.Int64, strict=False)
            fields = fields.fill_null(np.iinfo(np.int64).max)
            for row, token in reversed(tokens.filter(fields >= num_fields).rows()):
                bad.setdefault(row, f"{token!r} has a field above {num_fields - 1}, the last one in the first rows")
        return bad


def _cells(tokens, kind, needed, rows):
    """Return the columns built from tokens, `{name: series}`."""
    if kind == "libsvm":
        tokens = tokens.with_columns(field=pl.lit("features"), feature="token")
        tokens = tokens.with_columns(pl.col("feature").str.replace(r":1(\.0*)?$", ""))
    else:
        parts = pl.col("token").str.splitn(":", 2).struct
        tokens = tokens.with_columns(field="field" + parts[0], feature=parts[1].str.replace(r":1(\.0*)?$", ""))
    grouped = tokens.group_by("field", "row", maintain_order=True).agg(
        pl.col("feature").str.join(" "),
        pl.when(pl.len() == 1).then(pl.col("token").first().str.extract(r":([^:]*)$")).alias("value"),
    )
    by_field = grouped.partition_by("field", as_dict=True)
    found = {}
    for name in needed:
        if name == "label":
            continue
        column, field = ("value", f"field{name[5:]}") if name.startswith("value") else ("feature", name)
        cells = by_field.get((field,), grouped.clear())
        found[name] = pl.DataFrame({"row": rows}).join(cells, on="row", how="left", maintain_order="left")[column]
    return found
