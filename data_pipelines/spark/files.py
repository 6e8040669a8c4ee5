"""Files on Spark: tables of your own and benchmarks. Their rows have places, so the folder is that of one machine."""

from __future__ import annotations

import contextlib
import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

import numpy as np

from ctrzoo.files import replaced

from ..preparation.division import Division
from ..preparation.engine import check_splits
from ..preparation.history_log import report_without
from ..preparation.replacing import replacing
from ..preparation.table import find_tables, name_of_table, read_schema, table_plan, table_source
from ..raw.layout import layout_of
from ..raw.sources import ParquetSource, check_needed
from .counting import early_values, labels_of
from .histories import build_lists
from .partitions import PlacedReader
from .places import find_places, only_file, paths_of
from .preparing import Job
from .session import task_errors
from .shards import PIECES, PIECES_AT_ONCE, ChunkEncoder, ShardAssembler
from .writing import WRITTEN

if typing.TYPE_CHECKING:
    from pyspark.sql import SparkSession  # pyright: ignore[reportMissingImports]

    from ctrzoo.types import Config, Path

    from ..preparation.plan import TablePlan
    from ..raw.sources import Source

BATCH_SIZE = "spark.sql.execution.arrow.maxRecordsPerBatch"


def prepare_files(
    session: SparkSession,
    tables: Path | Mapping[str, Path],
    schema: Path | Mapping[str, Any],
    folder: Path,
    *,
    name: str | None = None,
    bad_rows: str = "error",
    most_skipped: float | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> Config:
    """Prepare files of a table on Spark into a folder, as `prepare_own_table` prepares them on one machine.

    Every key of a schema has the same effect, and the rows of each shard are the same, in the same order. Boundaries of
    `quantile` are equal if at most 262,144 rows are fitted.

    Args:
        session: The session of Spark.
        tables: The files, as in `prepare_own_table`, at paths that driver and executors share.
        schema: Path of the schema file, or its content.
        folder: The folder to create, at a path that they share too.
        name: Name of the data set; by default the file's.
        bad_rows: As in `prepare_own_table`.
        most_skipped: As in `prepare_own_table`.
        seed: As in `prepare_own_table`.
        overwrite: As in `prepare_own_table`.

    Returns:
        The report, as in `report.json`.

    Raises:
        FileExistsError: As in `prepare_own_table`.
        FileNotFoundError: If a file is missing.
        ValueError: If the schema or a row is invalid.
    """
    source, plan = source_and_plan(tables, schema, seed)
    name = name or name_of_table(tables if not isinstance(tables, Mapping) else next(iter(tables.values())))
    options: Any = {"bad_rows": bad_rows, "most_skipped": most_skipped, "shuffle_seed": seed}
    with replacing(folder, overwrite) as place:
        return prepare_source(session, place, name, plan, source, **options)


def source_and_plan(
    tables: Path | Mapping[str, Path], schema: Path | Mapping[str, Any], seed: int = 0
) -> tuple[Source, TablePlan]:
    """Return the source and the plan of a table; no session is needed.

    Args:
        tables: As in `prepare_files`.
        schema: As in `prepare_files`.
        seed: As in `prepare_files`.

    Raises:
        ValueError: If the schema does not fit the files.
    """
    config = schema if isinstance(schema, Mapping) else read_schema(schema)
    files, splits = find_tables(tables)
    source = table_source(files, splits, config)
    return source, table_plan(config, source.columns(), bool(splits), seed)


def prepare_source(
    session: SparkSession,
    folder: Path,
    name: str,
    plan: TablePlan,
    source: Source,
    *,
    options: Config | None = None,
    bad_rows: str = "error",
    most_skipped: float | None = None,
    shuffle_seed: int = 0,
) -> Config:
    """Prepare a raw table on Spark, as `prepare_table` of `ctrzoo.data_pipelines.preparation.engine` on one machine.

    Args:
        session: The session of Spark.
        folder: The folder to create, at a path that driver and executors share.
        name: As in `prepare_table`, like all others.
        plan: The `TablePlan`.
        source: The source, whose files driver and executors share.
        options: The options of the data set.
        bad_rows: `"error"` or `"skip"`.
        most_skipped: The largest share of the rows to skip.
        shuffle_seed: Seed for the order of the training rows.

    Returns:
        The report.

    Raises:
        FileExistsError: If the folder exists.
        ValueError: If the table does not match the plan.
    """
    paths, known = paths_of(source), source.columns()
    of_histories = (column for history in plan.histories for column in history.needed)
    needed = dict.fromkeys([*plan.needed_columns(), *of_histories])
    check_needed(paths[0], needed, known)
    if isinstance(source, ParquetSource):
        for file, path in enumerate(paths[1:], 1):
            check_needed(path, needed, only_file(source, file).columns(), ", unlike the first file")
    with task_errors():
        places = find_places(session, source, plan.histories)
    reader = PlacedReader(plan, bad_rows, places)
    job = FilesJob(places.tasks(session), reader, name, options or {}, layout_of(source), most_skipped, shuffle_seed)
    return job.run(folder)


@dataclasses.dataclass
class FilesJob(Job):
    """A preparation on Spark of files, whose rows have places; its reader is a `PlacedReader`."""

    @property
    def _placed(self) -> PlacedReader:
        assert isinstance(self.reader, PlacedReader)
        return self.reader

    def _title(self) -> str:
        return paths_of(self._placed.places.source)[0]

    def _count(self, state):
        if not self.reader.plan.histories:
            return super()._count(state)
        histories, session = self.reader.plan.histories, self.dataframe.sparkSession
        folder = state / "histories"
        folder.mkdir()
        facts = build_lists(session, self._placed.places, histories, self.reader.bad_rows, folder)
        report_without(self.name, histories, facts)
        unusable = {number: chunk["bad"] for number, chunk in enumerate(facts) if chunk["bad"]}
        self.reader = dataclasses.replace(self._placed, lists=folder, unusable=unusable)
        return super()._count(state)

    def _divide(self, state, counts, stats):
        if not self.reader.plan.split.needs_all_labels:
            return super()._divide(state, counts, stats)
        labels = labels_of(counts)
        ends = np.cumsum([len(chunk) for chunk in labels])
        together = np.concatenate(labels)
        splits = self.reader.plan.split.assign_all(together)
        with replaced(self._assigned(state)) as temporary, open(temporary, "wb") as file:
            np.save(file, splits)
        rows = np.array([np.bincount(chunk, minlength=3) for chunk in np.split(splits, ends[:-1])])
        positives = int(together[splits == 0].sum())
        check_splits(self.name, self.reader.plan, stats, rows.sum(axis=0), lambda: positives)
        return rows

    def _assigned(self, state):
        return state / "splits.npy"

    def _write(self, state, counts, encoding, divided):
        plan, session = self.reader.plan, self.dataframe.sparkSession
        division = Division(divided, self.seed, plan.roles.keep_groups)
        early, folder = early_values(counts, encoding.fields), state / "early"
        if early is not None:
            early.repartition("chunk").write.partitionBy("chunk").parquet(folder.as_uri())
        assigned = self._assigned(state) if plan.split.needs_all_labels else None
        sent = session.sparkContext.broadcast(encoding)
        encoder = ChunkEncoder(self._placed, sent, division, assigned, None if early is None else folder)
        pieces = self._map(encoder.pieces, PIECES)
        # Each shard goes to one task, which holds one shard at a time.
        shards = pieces.repartition(int(division.first_shards[-1]) + 1, "shard")
        shards = shards.sortWithinPartitions("shard", "chunk", "part")
        assembler = ShardAssembler(encoding.schema, encoding.roles, division, state / "rows")
        with _small_batches(session):
            return shards.mapInArrow(assembler.write, WRITTEN).toArrow()


@contextlib.contextmanager
def _small_batches(session):
    """Let Spark send few rows at a time to Python workers, for rows that hold many bytes."""
    before = session.conf.get(BATCH_SIZE)
    session.conf.set(BATCH_SIZE, PIECES_AT_ONCE)
    try:
        yield
    finally:
        session.conf.set(BATCH_SIZE, before)
