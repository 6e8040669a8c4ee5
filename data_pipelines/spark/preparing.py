"""From a Spark DataFrame to a prepared folder: two passes on executors, a commit on the driver."""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
import time
import typing
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..encoding.fields import TableEncoding
from ..preparation.division import shard_rows
from ..preparation.engine import BAD_ROWS, check_read, check_share, check_splits
from ..preparation.replacing import replacing
from ..preparation.report import write_report
from ..preparation.report_page import write_page
from ..preparation.splits import ByColumn, ByHash, ByName
from ..preparation.state import kept_state
from ..preparation.table import read_schema, table_plan
from ..progress import console
from ..raw.sources import check_needed
from ..storage.writing import BLOCK_ROWS, FORMAT_VERSION, check_name, publish, write_metadata
from .counting import COLUMNS, TEXTS, count_cells, count_crosses, fitted_crosses, fitted_fields, stats_of
from .partitions import PartitionReader
from .session import task_errors
from .writing import WRITTEN, ShardWriter, collect_shards, counts_of

if typing.TYPE_CHECKING:
    from pyspark.sql import DataFrame  # pyright: ignore[reportMissingImports]

    from ctrzoo.types import Config, Path

    from ..preparation.plan import TablePlan
    from .counting import Reader

TABLE = "the Spark table"
SAVE_ROWS = "Or write the DataFrame to Parquet files and prepare these with `--table`: rows of files have an order."


def prepare(
    dataframe: DataFrame,
    schema: Path | Mapping[str, Any],
    folder: Path,
    *,
    name: str | None = None,
    bad_rows: str = "error",
    most_skipped: float | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> Config:
    """Prepare any Spark DataFrame into a folder, as `prepare_own_table` prepares the same rows from files.

    Vocabularies, ids, types and the rows of each split are those of the single machine. Means and deviations are equal
    but for rounding, quantiles if at most 262,144 rows are fitted. The order of rows differs. The DataFrame is read
    twice, or three times with crosses, and must have the same rows each time.

    Args:
        dataframe: The rows.
        schema: Path of the schema file, or its content; see `prepare_own_table`. The split must be one of `hash`, of
            `valid_from` or of names. `negatives`, `history` and `assign_ids_online` depend on the place of a row, which
            a DataFrame does not keep: they are refused. Files of a table keep it, see `prepare_files`.
        folder: The folder to create, at a path that the driver and all executors share.
        name: Name of the data set: letters, digits and underscores; by default that of the folder.
        bad_rows: What to do with rows that cannot be used: `"error"` or `"skip"`.
        most_skipped: The largest share of the rows that `"skip"` may leave out, 0 to 1; by default 0.05.
        seed: Seed for the order of the training rows, and for the split if the schema gives none.
        overwrite: Whether to replace an earlier preparation, which stays until the new one is complete.

    Returns:
        The report, as in `report.json`.

    Raises:
        FileExistsError: If the folder exists, and `overwrite` is False or it is not a prepared one.
        FileNotFoundError: If driver and executors do not share the folder.
        ValueError: If the schema or a row is invalid, or needs the place of rows.
    """
    config = schema if isinstance(schema, Mapping) else read_schema(schema)
    plan = table_plan(config, dataframe.columns, seed=seed)
    check_needed(TABLE, plan.needed_columns(), dataframe.columns)
    check_places(plan)
    rows = dataframe.select(*quoted(plan.needed_columns()))
    name = name or pathlib.Path(folder).name
    job = Job(rows, PartitionReader(plan, bad_rows), name, {}, {}, most_skipped, seed)
    with replacing(folder, overwrite) as place:
        return job.run(place)


def quoted(columns: Iterable[str]) -> list[str]:
    """Return names of columns as Spark reads them, whatever characters they have.

    >>> quoted(["user.id"])
    ['`user.id`']
    """
    return [f"`{column.replace('`', '``')}`" for column in columns]


def check_places(plan: TablePlan) -> None:
    """Raise an error if a plan needs the place of each row in its file.

    Raises:
        ValueError: If it does.
    """
    if not isinstance(plan.split, (ByHash, ByColumn, ByName)):
        raise ValueError(
            f"The split '{type(plan.split).__name__}' depends on the place of each row, which a DataFrame does not "
            "keep. Write `split: {hash: [a column], train: 0.8, valid: 0.1, test: 0.1}` into the schema, or split by a "
            f"column. {SAVE_ROWS}"
        )
    online = any(field.assign_ids_online for field in plan.fields)
    needing = {"negatives": plan.negatives.share < 1, "history": plan.histories, "assign_ids_online": online}
    for key, needed in needing.items():
        if needed:
            raise ValueError(
                f"`{key}` depends on the order of rows, which a DataFrame does not keep. Remove the key. {SAVE_ROWS}"
            )


@dataclasses.dataclass
class Job:
    """A preparation on Spark of a DataFrame, whose rows have no places.

    Args:
        dataframe: What the reader reads.
        reader: The reader.
        name: Name of the data set.
        options: The options of the data set.
        table: How the files of the table are written, see `ctrzoo.data_pipelines.raw.layout`.
        most_skipped: As in `prepare`.
        seed: As in `prepare`.

    Raises:
        ValueError: If the name or an option is wrong.
    """

    dataframe: DataFrame
    reader: Reader
    name: str
    options: Config
    table: Config
    most_skipped: float | None = None
    seed: int = 0

    def __post_init__(self):
        check_name(self.name)
        if self.reader.bad_rows not in BAD_ROWS:
            raise ValueError(f"`bad_rows` must be 'error' or 'skip'. Received: {self.reader.bad_rows!r}.")
        check_share(self.most_skipped, self.reader.bad_rows)

    def run(self, folder: Path) -> Config:
        """Prepare the folder; return the report.

        Raises:
            FileExistsError: If the folder exists.
            ValueError: If a row is invalid, or Spark fails.
        """
        folder = pathlib.Path(folder).absolute()
        # Spark does not resume: each call has a state of its own.
        with kept_state(folder, {"format_version": FORMAT_VERSION, "spark": uuid.uuid4().hex}) as state:
            with task_errors():
                return self._run(folder, state)

    def _run(self, folder, state):
        start = time.monotonic()
        seconds: dict[str, float] = {}
        rows, prepared = state / "rows", state / "prepared"
        for path in (rows, prepared):
            path.mkdir()
        plan, rate = self.reader.plan, self.reader.plan.negatives.share
        counts = _timed(seconds, "read", lambda: self._count(state))
        stats = stats_of(counts)
        check_read(self._title(), plan, stats, self.most_skipped)
        divided = _timed(seconds, "divide", lambda: self._divide(state, counts, stats))
        fitted = _timed(seconds, "fit", lambda: self._fit(counts, stats))
        encoding = TableEncoding(fitted, roles=plan.roles, table=self.table)
        written = _timed(seconds, "write", lambda: self._write(state, counts, encoding, divided))
        splits = collect_shards(written, rows, prepared, self.name)
        self._check_rows(divided.sum(axis=0).tolist(), {split: one.rows for split, one in splits.items()})
        write_metadata(prepared, self.name, encoding.schema, splits, self.options, encoding, negative_rate=rate)
        numbers = [json.loads(text) for text in written.sort_by("partition")["numbers"].drop_null().to_pylist()]
        counted = counts_of(written)
        report = write_report(
            prepared, self.name, encoding, splits, stats, counted, seconds, start, rate, numbers=numbers
        )
        write_page(prepared, encoding)
        most = max(written["peak"].to_pylist())
        console.print(f"{self.name}: a Python worker of an executor took at most {most / 2**20:,.0f} MiB")
        publish(prepared, folder)
        return report

    def _title(self) -> str:
        """Return what to call the table in messages."""
        return TABLE

    def _count(self, state):
        path = (state / "counts").as_uri()
        self._map(functools.partial(count_cells, self.reader), COLUMNS).write.parquet(path)
        return self.dataframe.sparkSession.read.schema(COLUMNS).parquet(path)

    def _divide(self, state, counts, stats) -> np.ndarray:
        """Return the number of rows of each chunk in each split, `(chunks, 3)`."""
        rows = np.array([chunk["splits"] for chunk in stats])
        positives = sum(chunk["train_positives"] for chunk in stats)
        check_splits(self.name, self.reader.plan, stats, rows.sum(axis=0), lambda: positives)
        return rows

    def _fit(self, counts, stats):
        fitted = fitted_fields(counts, stats, self.reader.plan.fields)
        if any(field.cross and field.uses_vocabulary for field in fitted):
            crosses = self._map(functools.partial(count_crosses, self.reader, fitted), TEXTS)
            fitted = fitted_crosses(crosses, fitted)
        return fitted

    def _write(self, state, counts, encoding, divided):
        """Write the shards; return what executors wrote, see `WRITTEN`."""
        plan, total = self.reader.plan, int(divided.sum())
        # A shard of each split per partition. Small tables have more, of a block at least, so that all cores have work.
        cores = self.dataframe.sparkSession.sparkContext.defaultParallelism
        number = max(-(-total // shard_rows()), min(cores, -(-total // BLOCK_ROWS)))
        by = quoted([plan.roles.group] if plan.roles.keep_groups else [])
        shuffled = self.dataframe.repartition(number, *by)
        sent = self.dataframe.sparkSession.sparkContext.broadcast(encoding)
        writer = ShardWriter(self.reader, sent, state / "rows", self.seed)
        return shuffled.mapInArrow(writer.write, WRITTEN).toArrow()

    def _map(self, function, columns):
        return self.dataframe.mapInArrow(function, columns)

    def _check_rows(self, expected, found):
        if [found.get(split, 0) for split in ("train", "valid", "test")] != expected:
            raise ValueError(
                f"The table had other rows the second time: {sum(expected):,} in the splits {expected}, then "
                f"{json.dumps(found)}. Save its rows first, for it is read twice, such as with "
                "`dataframe.write.parquet(...)`."
            )


def _timed(seconds: dict[str, float], step: str, function: Callable[[], Any]) -> Any:
    began = time.monotonic()
    result = function()
    seconds[step] = round(time.monotonic() - began, 3)
    return result
