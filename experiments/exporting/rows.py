"""The rows on which an export is checked: of a raw table, or of the test split of a run's data."""

from __future__ import annotations

import pathlib
import typing

import numpy as np
import polars as pl

from ..scoring.rows import features_of, needed_columns, usable_rows

if typing.TYPE_CHECKING:
    from ...data_pipelines import PreparedData
    from ...data_pipelines.encoding.fields import TableEncoding
    from ..scoring.rows import FileSource

SEED = 2018


class CheckedRows(typing.NamedTuple):
    """Some rows, raw and encoded.

    Args:
        features: `{"ids": int32 (rows, slots), "values": float32 (rows, slots)}`.
        frame: The raw cells, a polars frame; None if only the encoded rows are known.
        where: What they are, for messages.
        notes: What else is to be said of them.
    """

    features: dict[str, np.ndarray]
    frame: pl.DataFrame | None
    where: str
    notes: list[str]

    def __len__(self) -> int:
        return len(self.features["ids"])


def rows_of_table(source: FileSource, encoding: TableEncoding, count: int) -> CheckedRows:
    """Return the first rows of a raw table that can be used.

    Args:
        source: What `table_to_score` returned.
        encoding: The encoding.
        count: How many rows at most.

    Raises:
        ValueError: If no row can be used.
    """
    frames, features, notes, left_out, first_bad, total = [], [], [], 0, "", 0
    needed = needed_columns(encoding, [])
    for chunk in source.chunks([]):
        if chunk is None:
            continue
        rows = usable_rows(chunk, source, encoding, needed)
        kept = min(len(rows.frame), count - total)
        # Rows after the last one that is kept are not looked at.
        last = rows.numbers[kept - 1] if kept and total + kept == count else np.inf
        bad = [entry for entry in rows.bad if entry[0] < last]
        if bad and not left_out:
            first_bad = "{}, row {:,}: {}".format(chunk.path, *min(bad))
        left_out += len(bad)
        frames.append(rows.frame.head(kept))
        features.append({name: array[:kept] for name, array in features_of(encoding, rows).items()})
        total += kept
        if total == count:
            break
    if not total:
        raise ValueError(f"{source.paths[0]} has no rows to check on.{f' {first_bad}.' if first_bad else ''}")
    if left_out:
        notes.append(f"{left_out:,} row{'s' * (left_out != 1)} cannot be used, such as {first_bad}.")
    joined = {name: np.concatenate([part[name] for part in features]) for name in features[0]}
    return CheckedRows(
        joined, pl.concat(frames), f"the first {total:,} rows of {pathlib.Path(source.paths[0]).name}", notes
    )


def rows_of_split(data: PreparedData, count: int) -> CheckedRows:
    """Return some rows of the test split of prepared data, chosen at random with a fixed seed.

    Args:
        data: The data.
        count: How many rows at most.

    Raises:
        ValueError: If the split is empty.
    """
    from ..explained_rows import sample_rows  # slow: this loads TensorFlow

    if not data.num_rows.get("test"):
        raise ValueError(f"{data.name} has no test rows to check on. Pass --table with some raw rows.")
    rows = sample_rows(data, "test", count, SEED)
    where = f"{len(rows.numbers):,} of the {data.num_rows['test']:,} test rows of {data.name}"
    return CheckedRows({name: np.asarray(array) for name, array in rows.features.items()}, None, where, [])
