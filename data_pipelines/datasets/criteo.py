"""The Criteo display advertising challenge: 45,840,617 rows, 13 numbers and 26 hashed categories."""

from __future__ import annotations

import typing

from ..encoding.field import FieldEncoding
from ..preparation.engine import Engine, prepare_table
from ..preparation.plan import TablePlan, check_protocol
from ..preparation.splits import Folds, Fractions
from ..raw.delimited import Format
from ..raw.sources import TextSource, raw_files

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config, Path

NUMBERS = tuple(f"I{index}" for index in range(1, 14))
CATEGORIES = tuple(f"C{index}" for index in range(1, 27))


def criteo_plan(protocol: str, split_seed: int) -> TablePlan:
    """Return the `TablePlan` of a protocol; see `prepare_criteo`."""
    check_protocol(protocol)
    numbers = [FieldEncoding(name, "numerical", transform="log_squared") for name in NUMBERS]
    if protocol == "reference":
        # An empty cell is counted and gets an id like any category, but its value is 0.
        categories = [FieldEncoding(name, min_count=11, missing="reserved") for name in CATEGORIES]
        return TablePlan([*numbers, *categories], "label", Folds(split_seed), "all")
    categories = [FieldEncoding(name, min_count=10, missing="category") for name in CATEGORIES]
    return TablePlan([*numbers, *categories], "label", Fractions(seed=split_seed))


def prepare_criteo(
    folder: Path,
    raw: Path | None = None,
    engine: Engine = prepare_table,
    *,
    protocol: str = "reference",
    split_seed: int = 2018,
    bad_rows: str = "error",
) -> Config:
    """Prepare Criteo's clicks into a folder.

    `"reference"` follows the preparation of AutoInt and GraphFM. A category that occurs in at least 11 of all rows gets
    an id. Numbers above 2 become floor(ln(x)^2). Of ten stratified folds, one is for test and one for validation.
    `"clean"` fits only to training rows, treats missing as a category of its own, and keeps categories that occur in
    at least 10 rows.

    Args:
        folder: The folder to create.
        raw: `train.txt` of the challenge, without a header; may be compressed.
        engine: What prepares the table: `prepare_table`, or the same on Spark.
        protocol: `"reference"` or `"clean"`.
        split_seed: Seed for the split into train, valid and test.
        bad_rows: `"error"` or `"skip"`.

    Raises:
        ValueError: If the raw file is damaged or not the expected one.
        FileNotFoundError: If `raw` is missing.
    """
    plan = criteo_plan(protocol, split_seed)
    format = Format("\t", ("label", *NUMBERS, *CATEGORIES), quote=None)
    source = TextSource(raw_files(raw, "train.txt of the Criteo display advertising challenge"), format)
    options = {"protocol": protocol, "split_seed": split_seed, "bad_rows": bad_rows}
    return engine(folder, "criteo", plan, source, options=options, bad_rows=bad_rows, shuffle_seed=split_seed)
