"""Files of a table as a Spark DataFrame: Parquet as it is, text as lines, which the code of one machine parses."""

from __future__ import annotations

import dataclasses
import pathlib
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from ..preparation.table import find_tables, name_of_table, read_schema, table_plan, table_source
from ..raw.delimited import Format, parse
from ..raw.layout import layout_of
from ..raw.libsvm import SparseTextSource
from ..raw.sources import ParquetSource, Rows, TextSource, check_needed
from .partitions import PartitionReader
from .preparing import check_places, prepare_rows, quoted
from .session import task_errors

if typing.TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession  # pyright: ignore[reportMissingImports]

    from ctrzoo.types import Config, Path

    from ..preparation.plan import TablePlan

# Compressed text that Spark reads too.
COMPRESSIONS = (".gz", ".bz2")
LINES = "value string"


def prepare_files(
    session: SparkSession,
    tables: Path,
    schema: Path | Mapping[str, Any],
    folder: Path,
    *,
    name: str | None = None,
    bad_rows: str = "error",
    most_skipped: float | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> Config:
    """Prepare files of a table on Spark into a folder; see `prepare`.

    Args:
        session: The session of Spark.
        tables: A path or pattern such as `"logs/*.parquet"`, of CSV, TSV or Parquet, which driver and executors share.
        schema: Path of the schema file, or its content.
        folder: The folder to create.
        name: Name of the data set; by default the file's.
        bad_rows: As in `prepare`.
        most_skipped: As in `prepare`.
        seed: As in `prepare`.
        overwrite: As in `prepare`.

    Returns:
        The report, as in `report.json`.

    Raises:
        ValueError: As in `prepare`; also if a file is of a kind that Spark does not read, or a cell holds a line end.
    """
    source, plan = source_and_plan(tables, schema, seed)
    parse_lines = None
    with task_errors():
        if isinstance(source, ParquetSource):
            files = (pathlib.Path(path).absolute().as_uri() for path in source.paths)
            dataframe = session.read.parquet(*files).select(*quoted(plan.needed_columns()))
        else:
            dataframe = _lines(session, source)
            parse_lines = LineParser(tuple(source.columns()), source.format)
    reader = PartitionReader(plan, bad_rows, parse_lines)
    name = name or name_of_table(tables)
    options: Any = {"most_skipped": most_skipped, "seed": seed, "overwrite": overwrite, "table": layout_of(source)}
    return prepare_rows(dataframe, reader, folder, name, **options)


def source_and_plan(
    tables: Path, schema: Path | Mapping[str, Any], seed: int = 0
) -> tuple[ParquetSource | TextSource, TablePlan]:
    """Return the source and the plan of a table, if Spark can prepare it; no session is needed.

    Args:
        tables: As in `prepare_files`.
        schema: As in `prepare_files`.
        seed: As in `prepare_files`.

    Raises:
        ValueError: If it cannot.
    """
    config = schema if isinstance(schema, Mapping) else read_schema(schema)
    files, _ = find_tables(tables)
    source = table_source(files, (), config)
    if isinstance(source, SparseTextSource):
        raise ValueError(f"Spark reads CSV, TSV and Parquet here, not {source.kind}. Convert it, or use one machine.")
    plan = table_plan(config, source.columns(), seed=seed)
    check_places(plan)
    if isinstance(source, TextSource):
        _check_text(source, plan)
    for path in files:
        columns = dataclasses.replace(source, paths=[path]).columns()
        check_needed(path, plan.needed_columns(), columns, "" if path == files[0] else ", unlike the first file")
    return source, plan


def _check_text(source, plan):
    if plan.roles.keep_groups:
        raise ValueError("`keep_groups` of text needs one machine. Convert the table to Parquet for Spark.")
    for path in map(str, source.paths):
        if path.endswith((".zip", ".zst", ".tgz", ".tbz2", ".txz")) or ".tar" in pathlib.Path(path).suffixes:
            raise ValueError(f"{path}: Spark unpacks only {', '.join(COMPRESSIONS)}. Unpack the file.")
        if dataclasses.replace(source, paths=[path]).columns() != source.columns():
            raise ValueError(
                f"{path}: the header differs from the one of {source.paths[0]}. Prepare only like tables together."
            )


def _lines(session: SparkSession, source: TextSource) -> DataFrame:
    """Return the lines of text files without their headers."""
    uris = [pathlib.Path(path).absolute().as_uri() for path in source.paths]
    lines = session.read.text(uris, lineSep="\n")
    if source.format.columns is not None:
        return lines
    placed = lines.select("value", "_metadata.file_path", "_metadata.file_block_start")
    return placed.mapInArrow(without_headers, LINES)


def without_headers(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield lines without the first one of each file, for `mapInArrow`.

    Args:
        batches: Lines, the file of each, and where the part of the file begins that it was read from.

    >>> lines = {"value": ["a,b", "1,2", "a,b"], "file": ["x", "x", "y"], "start": [0, 0, 0]}
    >>> [batch["value"].to_pylist() for batch in without_headers([pa.record_batch(lines)])]
    [['1,2']]
    """
    before = None
    for batch in batches:
        values, files, starts = batch.columns
        encoded = files.dictionary_encode()
        codes, names = encoded.indices.to_pylist(), encoded.dictionary.to_pylist()
        kept = []
        for code, start in zip(codes, starts.to_pylist(), strict=True):
            kept.append(names[code] == before or start > 0)
            before = names[code]
        yield pa.record_batch([values.filter(pa.array(kept, pa.bool_()))], names=["value"])


@dataclasses.dataclass(frozen=True)
class LineParser:
    """Parses lines of text into rows; it is sent to the executors.

    Args:
        columns: Names of all columns.
        format: The `Format`.
    """

    columns: tuple[str, ...]
    format: Format

    def __call__(self, table: pa.Table, needed: Mapping[str, bool], first: int) -> Rows:
        """Return the rows of lines.

        Args:
            table: The lines, one column of text.
            needed: The columns to read, `{name: whether they are numbers}`.
            first: The number of the first line.

        Raises:
            ValueError: If a cell holds a line end, which divides it among lines.
        """
        lines = table.column(0).cast(pa.binary()).to_pylist()
        content = b"".join(line + b"\n" for line in lines)
        rows = Rows(*parse(content, list(self.columns), needed, self.format, first))
        num_lines = sum(line not in (b"", b"\r") for line in lines)
        if len(rows.table) + len(rows.bad) != num_lines:
            raise ValueError(
                f"{num_lines:,} lines hold {len(rows.table) + len(rows.bad):,} rows: cells in quotes hold line ends, "
                "which Spark does not keep together. Write `quote: null` into the schema if quotes mean nothing, "
                "otherwise convert the table to Parquet."
            )
        return rows
