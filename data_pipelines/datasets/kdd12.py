"""KDD Cup 2012, track 2: 149,639,105 rows of search advertisements, 3 numbers and 10 categories."""

from __future__ import annotations

import typing

import numpy as np
import polars as pl

from ctrzoo.stores import local_path

from ..encoding.field import FieldEncoding
from ..preparation.engine import Engine, prepare_table
from ..preparation.plan import TablePlan, check_protocol
from ..preparation.splits import Folds, Fractions
from ..raw.delimited import Format
from ..raw.sources import DerivedSource, TextSource, readable

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config, Path

COLUMNS = (
    *("click", "impression", "display_url", "ad_id", "advertiser_id", "depth", "position"),
    *("query_id", "keyword_id", "title_id", "description_id", "user_id"),
)
NUMBERS = ("impression", "depth", "position")
PROFILE = ("gender", "age")
FIELDS = (*COLUMNS[1:], *PROFILE)
MIN_COUNT = 10


def kdd12_plan(protocol: str, split_seed: int) -> TablePlan:
    """Return the `TablePlan` of a protocol; see `prepare_kdd12`."""
    check_protocol(protocol)
    reference = protocol == "reference"
    fields = []
    for name in FIELDS if reference else FIELDS[1:]:
        if name in NUMBERS:
            fields.append(FieldEncoding(name, "numerical", transform="log_squared"))
        elif name in PROFILE:
            fields.append(FieldEncoding(name))
        else:
            missing = "reserved" if reference and name == "user_id" else "absent"
            fields.append(FieldEncoding(name, min_count=MIN_COUNT, assign_ids_online=reference, missing=missing))
    if reference:
        return TablePlan(fields, "click", Folds(split_seed), "all")
    return TablePlan(fields, "click", Fractions(seed=split_seed))


def prepare_kdd12(
    folder: Path,
    raw: Path | None = None,
    engine: Engine = prepare_table,
    *,
    protocol: str = "reference",
    split_seed: int = 2018,
    bad_rows: str = "error",
) -> Config:
    """Prepare the clicks of KDD Cup 2012, track 2, into a folder.

    A row is positive if it was clicked at least once. User 0 means unknown, so it is missing. `"reference"` follows the
    preparation of AutoInt. A value that occurs in at least 10 rows gets an id. Ids are assigned while the file is read,
    so the first nine rows of each value have the rare id. The user's gender and age always get an id. Numbers above 2
    become floor(ln(x)^2). The split is in stratified folds. `"clean"` leaves out the number of impressions, which is
    known only together with the clicks, and fits only to training rows.

    Args:
        folder: The folder to create.
        raw: The folder of `training.txt` and `userid_profile.txt`.
        engine: What prepares the table: `prepare_table`, or the same on Spark.
        protocol: `"reference"` or `"clean"`.
        split_seed: Seed for the split into train, valid and test.
        bad_rows: `"error"` or `"skip"`.

    Raises:
        ValueError: If a raw file is damaged or not the expected one.
        FileNotFoundError: If a raw file is missing.
    """
    plan = kdd12_plan(protocol, split_seed)
    if raw is None:
        raise ValueError("Pass the folder of training.txt and userid_profile.txt of KDD Cup 2012, track 2 as `raw`.")
    raw = local_path(raw, "`raw`")
    training = TextSource((raw / "training.txt",), Format("\t", COLUMNS, quote=None))
    profiles = _Profiles(raw / "userid_profile.txt")
    source = DerivedSource(training, profiles.join, ("click", *FIELDS), COLUMNS)
    options = {"protocol": protocol, "split_seed": split_seed, "bad_rows": bad_rows}
    return engine(folder, "kdd12", plan, source, options=options, bad_rows=bad_rows, shuffle_seed=split_seed)


class _Profiles:
    """Gender and age of each user, in memory: 24 million users take 0.2 GB."""

    def __init__(self, path):
        with readable(path):
            table = pl.read_csv(path, separator="\t", has_header=False, new_columns=["user_id", *PROFILE], glob=False)
            table = table.select(pl.col("user_id").cast(pl.Int64), pl.col(PROFILE).cast(pl.Int16)).sort("user_id")
        self.users = table["user_id"].to_numpy()
        self.values = table.select(PROFILE)

    def join(self, frame):
        """Add gender and age, turn clicks into a label, and mark user 0 as missing."""
        users = frame["user_id"].cast(pl.Int64, strict=False).fill_null(0).to_numpy()
        positions = np.searchsorted(self.users, users).clip(max=len(self.users) - 1)
        found = pl.Series(self.users[positions] == users)
        profile = [
            pl.select(pl.when(found).then(self.values[name].gather(positions))).to_series().cast(pl.String).alias(name)
            for name in PROFILE
        ]
        clicks = pl.col("click").cast(pl.Int64, strict=False)
        label = pl.when(clicks >= 0).then((clicks > 0).cast(pl.Int8).cast(pl.String)).otherwise(pl.col("click"))
        return frame.with_columns(label.alias("click"), pl.col("user_id").replace("0", None), *profile)
