"""A table of rows and a model: the table of predictions, and what to say of the rows."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from ...data_pipelines.encoding.unknown import Unknown
from ...data_pipelines.preparation.engine import CORRECT, MOST_SKIPPED
from ...data_pipelines.progress import StepProgress
from .reasons import Reasons
from .rows import EncodedRows, merged

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from ctrzoo.model import CTRModel

# What the prediction is called in the table, by task.
COLUMNS = {"classification": "probability", "regression": "prediction", "ranking": "score"}
ROW = "row"


class Summary(typing.NamedTuple):
    """What happened to the rows of a table.

    Args:
        rows: How many were scored.
        skipped: How many could not be used.
        first_bad: Where and why the first of them could not; None if all could.
        unknown: The unknown values of each field that has a vocabulary.
    """

    rows: int
    skipped: int
    first_bad: str | None
    unknown: list[Unknown]

    def sentences(self) -> Iterator[str]:
        """Yield what to say at the end.

        >>> unknown = [Unknown("site", 8, 2, 0, "x", "text"), Unknown("ad", 8, 0, 0, "", "text")]
        >>> list(Summary(1000, 1, "a.csv, row 7: 2 columns, expected 3", unknown).sentences())
        ['1,000 rows scored.', '1 row skipped, such as a.csv, row 7: 2 columns, expected 3.',
        "Unknown values of 'site': 25.0% (2 of 8), such as 'x'."]
        """
        yield f"{self.rows:,} row{'s' * (self.rows != 1)} scored."
        if self.skipped:
            yield f"{self.skipped:,} row{'s' * (self.skipped != 1)} skipped, such as {self.first_bad}."
        for count in sorted(self.unknown, key=lambda count: -count.unknown / max(count.values, 1)):
            if count.unknown:
                share = f"{count.unknown / count.values:.1%} ({count.unknown:,} of {count.values:,})"
                yield f"Unknown values of '{count.field}': {share}, such as {count.example!r}."
            if count.misfits:
                kind = f"{count.misfits:,} are not of its type, '{count.type}'"
                yield f"Of the {count.values:,} values of '{count.field}', {kind}. Are they written as in training?"


def score_chunks(
    model: CTRModel,
    chunks: Iterable[EncodedRows],
    write: Callable[[pa.Table], None],
    *,
    title: str,
    batch_size: int | None = None,
    reasons: int = 0,
    most_skipped: float | None = None,
) -> Summary:
    """Predict the rows of a table and write the predictions, in order.

    The table has the columns that name the rows, or `row`, their number in the table from 1, and the prediction:
    `probability`, `prediction` or `score`. Reasons follow, see `Reasons`.

    Args:
        model: The model.
        chunks: The rows, from `encoded_chunks`.
        write: Function that appends rows to the output.
        title: What the progress display says.
        batch_size: Rows predicted at once; None for the default of `CTRModel.predict`.
        reasons: How many reasons to give for each prediction.
        most_skipped: The largest share of the rows that may be left out, 0 to 1; None for 0.05.

    Raises:
        ValueError: If too many rows were left out, no row is left, or the model gives no reasons.
    """
    explain = Reasons(model, reasons) if reasons else None
    rows, total, first_bad, counts = 0, 0, None, []
    with StepProgress(title) as progress:
        for chunk in chunks:
            if len(chunk.places):
                write(_table(model, chunk, total, batch_size, explain))
            rows, total = rows + len(chunk.places), total + chunk.total
            first_bad = first_bad or chunk.first_bad
            counts = [merged([*counts, chunk.unknown])]
            progress.advance(len(chunk.places), chunk.share)
    skipped, most = total - rows, MOST_SKIPPED if most_skipped is None else most_skipped
    if skipped > most * total:
        raise ValueError(
            f"{first_bad}. {skipped:,} of {total:,} rows cannot be used, but --bad_rows=skip leaves out at most "
            f"{100 * most:g}%. {CORRECT}, or pass --most_skipped to allow more."
        )
    if not rows:
        raise ValueError("The table has no rows to score.")
    return Summary(rows, skipped, first_bad, merged(counts))


def _table(model, chunk, before, batch_size, explain):
    """Return the output of a chunk; `before` rows come before it."""
    if explain is None:
        predictions, reasons = model.predict(chunk.features, batch_size, verbose=0)[:, 0], {}
    else:
        predictions, reasons = explain(chunk.features)
    names = dict(zip(chunk.ids.column_names, chunk.ids.columns, strict=True))
    names = names or {ROW: pa.array(before + 1 + chunk.places, pa.int64())}
    return pa.table({**names, COLUMNS[model.task]: pa.array(predictions.astype(np.float32)), **reasons})


def check_names(ids: Sequence[str], task: str, reasons: int) -> None:
    """Refuse columns that name rows if they are called like columns of the output.

    Args:
        ids: Their names.
        task: The task of the model.
        reasons: How many reasons are given.

    Raises:
        ValueError: If a name occurs twice.

    >>> check_names(["user", "item"], "classification", reasons=3)
    """
    others = [
        COLUMNS[task],
        *(f"{what}_{number + 1}" for number in range(reasons) for what in ("reason", "contribution")),
    ]
    for name in ids:
        if name in others or ids.count(name) > 1:
            raise ValueError(f"The output would have two columns called '{name}'. Rename it, or choose another --id.")
