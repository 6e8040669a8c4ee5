"""Spark DataFrames scored with the model of a run, and metrics of the scores by group."""

from __future__ import annotations

import dataclasses
import functools
import math
import pathlib
import typing
import warnings
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from ctrzoo.metrics import Scored, metric_of
from ctrzoo.startup import load_keras_quietly
from ctrzoo.suggest import unknown

from ...data_pipelines.encoding.fields import TableEncoding
from ...data_pipelines.preparation.first_pass import column
from ...data_pipelines.raw.sources import Chunk, Rows
from ...data_pipelines.spark.partitions import gathered, partition_number
from ...data_pipelines.spark.preparing import quoted
from .inputs import encoding_folder, run_path
from .rows import CHUNK_ROWS, features_of, needed_columns, usable_rows
from .score import COLUMNS

if typing.TYPE_CHECKING:
    from pyspark.sql import DataFrame  # pyright: ignore[reportMissingImports]

    from ctrzoo.model import CTRModel
    from ctrzoo.types import Path

BAD_ROWS = ("error", "null")


def score(
    dataframe: DataFrame,
    run: Path,
    *,
    encoding: Path | None = None,
    bad_rows: str = "error",
    batch_size: int | None = None,
) -> DataFrame:
    """Add the predictions of a run's model to a Spark DataFrame, as its last column, float32.

    It is called `probability`, `prediction` or `score`, as the model's task is classification, regression or ranking.
    The cells are read as the training rows were; the label is not needed. Each Python worker of an executor loads the
    model once. Nothing is computed until the result is used.

    Args:
        dataframe: The rows, with the columns of the fields.
        run: The folder of a finished run, or a saved model (.keras), at a path that driver and executors share.
        encoding: The folder of the encoding; by default `encoding` next to the model.
        bad_rows: What to do with rows that cannot be used: `"error"`, or `"null"`, which leaves their prediction empty.
        batch_size: Rows predicted at once; None for the default of `CTRModel.predict`.

    Raises:
        FileNotFoundError: If the run or its encoding is missing.
        ValueError: If a column is missing, or one with the name of the predictions exists.
    """
    from pyspark.sql.types import FloatType, StructField, StructType  # pyright: ignore[reportMissingImports]

    if bad_rows not in BAD_ROWS:
        raise ValueError(f"`bad_rows` must be 'error' or 'null'. Received: {bad_rows!r}.")
    scorer = Scorer(*_paths(run, encoding), bad_rows == "error", batch_size)
    for name in scorer.needed:
        if name not in dataframe.columns:
            raise ValueError(f"The DataFrame: {unknown('column', name, dataframe.columns)} The run needs it.")
    name = COLUMNS[scorer.model.task]
    if name in dataframe.columns:
        raise ValueError(f"The DataFrame has a column '{name}', as the predictions would be called. Rename it.")
    schema = StructType([*dataframe.schema.fields, StructField(name, FloatType())])
    return dataframe.mapInArrow(scorer, schema)


def _paths(run, encoding):
    path = run_path(None, str(run)) if str(run).endswith(".keras") else run_path(str(run), None)
    folder = encoding_folder(path, None if encoding is None else str(encoding))
    return pathlib.Path(path).absolute(), folder.absolute()


@functools.lru_cache(maxsize=1)
def loaded(path: pathlib.Path, folder: pathlib.Path) -> tuple[CTRModel, TableEncoding]:
    """Return a model and its encoding, which a process loads once.

    Args:
        path: The folder of a run, or a saved model.
        folder: The folder of the encoding.
    """
    encoding = TableEncoding.load(folder)
    load_keras_quietly()
    from ..explained_run import load_model  # slow: loads TensorFlow

    return load_model(path, encoding.schema), encoding


@dataclasses.dataclass(frozen=True)
class Scorer:
    """Predicts the rows of partitions; it is sent to the executors.

    Args:
        path: The folder of a run, or a saved model.
        folder: The folder of its encoding.
        raises: Whether rows that cannot be used are an error; otherwise their prediction is null.
        batch_size: Rows predicted at once, or None.
    """

    path: pathlib.Path
    folder: pathlib.Path
    raises: bool = True
    batch_size: int | None = None

    @property
    def model(self) -> CTRModel:
        """The model."""
        return loaded(self.path, self.folder)[0]

    @property
    def needed(self) -> dict[str, bool]:
        """The columns that the model needs, `{name: whether they are numbers}`."""
        return needed_columns(loaded(self.path, self.folder)[1], [])

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield rows with their prediction as the last column.

        Args:
            batches: The rows, as `mapInArrow` gives them.

        Raises:
            ValueError: If a row cannot be used.
        """
        first = 1
        for table in gathered(batches, CHUNK_ROWS):
            name = COLUMNS[self.model.task]
            yield from table.append_column(name, self._predicted(table, first)).combine_chunks().to_batches()
            first += len(table)

    def _predicted(self, table, first):
        model, encoding = loaded(self.path, self.folder)
        numbers = np.arange(first, first + len(table))
        chunk = Chunk("", lambda needed: Rows(table.select(list(needed)), numbers, []), {}, None)
        rows = usable_rows(chunk, typing.cast(typing.Any, None), encoding, self.needed)
        if rows.bad and self.raises:
            row, reason = min(rows.bad)
            raise ValueError(
                f"partition {partition_number()} of the DataFrame, row {row:,}: {reason}. Correct the rows, or pass "
                "bad_rows='null' to leave the predictions of such rows empty."
            )
        predictions = np.full(len(table), np.nan, np.float32)
        if len(rows.table):
            predicted = model.predict(features_of(encoding, rows), self.batch_size, verbose=0)
            predictions[rows.numbers - first] = predicted[:, 0]
        used = np.zeros(len(table), bool)
        used[rows.numbers - first] = True
        return pa.array(predictions, pa.float32(), mask=~used)


def evaluate(
    scored: DataFrame,
    run: Path,
    by: Sequence[str] = (),
    metrics: Sequence[str] = ("auc", "log_loss", "calibration"),
    *,
    encoding: Path | None = None,
) -> DataFrame:
    """Return metrics of scored rows, by group: exact ones, computed by the code of `ctrzoo.metrics`.

    All labels and predictions of a group are in the memory of one worker at once, 16 bytes per row or so.

    Args:
        scored: What `score` returned, with the label, and the weight if the run has one.
        run: As in `score`; its encoding says how labels and weights are read.
        by: The columns that name a group; without any, all rows are one group.
        metrics: Names of metrics that need no `group` of rows, see `ctrzoo.metrics.METRICS`.
        encoding: As in `score`.

    Returns:
        A DataFrame with a row for each group: the columns `by`, `rows`, `unscored` (rows with a null prediction, which
        the metrics leave out), and each metric, null where it is undefined, such as an AUC of one class.

    Raises:
        ValueError: If a column is missing, or a metric is unknown or needs groups.
    """
    from pyspark.sql.types import (  # pyright: ignore[reportMissingImports]
        DoubleType,
        LongType,
        StructField,
        StructType,
    )

    for metric in metrics:
        if metric_of(metric).needs_groups:
            raise ValueError(f"The metric '{metric}' is of the order within groups. Use ctrzoo-evaluate for it.")
    path, folder = _paths(run, encoding)
    roles = TableEncoding.load(folder).roles
    name = next((each for each in COLUMNS.values() if each in scored.columns), None)
    if name is None:
        raise ValueError(f"The DataFrame has no column {' or '.join(COLUMNS.values())}. Pass what `score` returned.")
    read = [roles.label_column, *([roles.weight] if roles.weight else [])]
    for needed in (*read, *by):
        if needed not in scored.columns:
            raise ValueError(f"The DataFrame: {unknown('column', needed, scored.columns)}")
    keys = [scored.schema[key] for key in by]
    counts = [StructField(count, LongType()) for count in ("rows", "unscored")]
    schema = StructType([*keys, *counts, *(StructField(metric, DoubleType()) for metric in metrics)])
    groups = scored.select(*quoted(dict.fromkeys([*by, *read, name]))).groupBy(*quoted(by))
    return groups.applyInArrow(functools.partial(_measured, roles, name, tuple(by), tuple(metrics)), schema)


def _measured(roles, name, by, metrics, rows):
    """Return the metrics of one group, a `pyarrow.Table` of one row."""
    table = rows.filter(rows[name].is_valid())
    labels = roles.the_label.read(column(table, roles.label_column))
    weights = roles.read_one("weight", column(table, roles.weight)) if roles.weight else None
    scored = Scored(labels, column(table, name).to_numpy(), weights)
    columns = {key: rows[key].slice(0, 1) for key in by}
    columns |= {"rows": pa.array([len(table)]), "unscored": pa.array([len(rows) - len(table)])}
    for metric in metrics:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is undefined is null
            value = float(metric_of(metric).function(scored)) if len(table) else math.nan
        columns[metric] = pa.array([None if math.isnan(value) else value], pa.float64())
    return pa.table(columns)
