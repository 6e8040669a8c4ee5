"""The Avazu click-through-rate challenge: 40,428,967 rows of mobile advertisements, 23 categories."""

from __future__ import annotations

import typing

import polars as pl

from ..encoding.field import FieldEncoding
from ..preparation.engine import Engine, prepare_table
from ..preparation.plan import TablePlan, check_protocol
from ..preparation.splits import Folds, Fractions
from ..raw.sources import DerivedSource, TextSource, raw_files

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config, Path

COLUMNS = (
    *("id", "hour", "C1", "banner_pos", "site_id", "site_domain", "site_category", "app_id", "app_domain"),
    *("app_category", "device_id", "device_ip", "device_model", "device_type", "device_conn_type"),
    *(f"C{index}" for index in range(14, 22)),
)
MIN_COUNT = 5


def avazu_plan(protocol: str, split_seed: int) -> TablePlan:
    """Return the `TablePlan` of a protocol; see `prepare_avazu`."""
    check_protocol(protocol)
    if protocol == "reference":
        fields = [FieldEncoding(name, min_count=MIN_COUNT, assign_ids_online=True) for name in COLUMNS]
        return TablePlan(fields, "click", Folds(split_seed), "all")
    names = ("hour_of_day", "weekday", *COLUMNS[2:])
    return TablePlan([FieldEncoding(name, min_count=MIN_COUNT) for name in names], "click", Fractions(seed=split_seed))


def decode_hour(frame: pl.DataFrame) -> pl.DataFrame:
    """Replace the column `hour`, such as 14102123 for 21 October 2014, 23:00, by `hour_of_day` and `weekday`.

    Hours are 0 to 23, weekdays 1 (Monday) to 7. A cell that is not such a time becomes missing.

    >>> decode_hour(pl.DataFrame({"hour": ["14102123"]})).rows()
    [('23', '2')]
    """
    time = pl.col("hour").str.strptime(pl.Datetime, "%y%m%d%H%M", strict=False)
    times = frame.with_columns(pl.col("hour") + "00")
    hour, weekday = time.dt.hour().cast(pl.String), time.dt.weekday().cast(pl.String)
    return times.with_columns(hour.alias("hour_of_day"), weekday.alias("weekday")).drop("hour")


def prepare_avazu(
    folder: Path,
    raw: Path | None = None,
    engine: Engine = prepare_table,
    *,
    protocol: str = "reference",
    split_seed: int = 2018,
    bad_rows: str = "error",
) -> Config:
    """Prepare Avazu's clicks into a folder.

    `"reference"` follows the preparation of AutoInt and GraphFM. It keeps all 23 columns, including the unique `id`,
    which becomes constant. A value that occurs in at least 5 rows gets an id. Ids are assigned while the file is read,
    so the first four rows of each value have the rare id. The split is in stratified folds. `"clean"` drops `id`,
    decodes the hour into hour of the day and weekday, and fits only to training rows.

    Args:
        folder: The folder to create.
        raw: `train.csv` of the challenge; may be compressed.
        engine: What prepares the table: `prepare_table`, or the same on Spark.
        protocol: `"reference"` or `"clean"`.
        split_seed: Seed for the split into train, valid and test.
        bad_rows: `"error"` or `"skip"`.

    Raises:
        ValueError: If the raw file is damaged or not the expected one.
        FileNotFoundError: If `raw` is missing.
    """
    plan = avazu_plan(protocol, split_seed)
    source = TextSource(raw_files(raw, "train.csv of the Avazu click-through-rate challenge"))
    if protocol == "clean":
        source = DerivedSource(
            source, decode_hour, ("click", "hour_of_day", "weekday", *COLUMNS[2:]), ("click", *COLUMNS[1:])
        )
    options = {"protocol": protocol, "split_seed": split_seed, "bad_rows": bad_rows}
    return engine(folder, "avazu", plan, source, options=options, bad_rows=bad_rows, shuffle_seed=split_seed)
