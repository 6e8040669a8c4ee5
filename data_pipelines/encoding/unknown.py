"""Warn of rows whose values the training rows did not have, or had in another form."""

from __future__ import annotations

import typing
import warnings
from collections.abc import Iterable

import numpy as np
import polars as pl

from .cells import codes_of, texts_of, tokens_of
from .specification import AUTO

if typing.TYPE_CHECKING:
    from .field import FieldEncoding

# A warning names each field of which a smaller share of the values has an id of its own. Fields with many rare values
# stay above it; a field whose values are written in another way, or whose columns were exchanged, does not.
LEAST_KNOWN = 0.1
# Of fewer values, such as those of a single request, a share says nothing.
LEAST_VALUES = 100
# A warning names so many fields.
MOST_NAMED = 5


class Unknown(typing.NamedTuple):
    """The values of a field that the training rows did not have.

    Args:
        field: Name of the field.
        values: Number of values that are not missing.
        unknown: Number of those without an id of their own.
        misfits: Number of those that are not of the type of the field.
        example: A misfit, otherwise an unknown value; the empty text if there is none.
        type: The type of the field.
    """

    field: str
    values: int
    unknown: int
    misfits: int
    example: str
    type: str

    @property
    def sentence(self) -> str | None:
        """What to warn of; None if nothing is conspicuous."""
        if self.misfits:
            return (
                f"{self.misfits:,} of the {self.values:,} values of field '{self.field}' are not of its type, "
                f"'{self.type}', such as {self.example!r}"
            )
        if self.values >= LEAST_VALUES and self.values - self.unknown < LEAST_KNOWN * self.values:
            return (
                f"{self.unknown:,} of the {self.values:,} values of field '{self.field}' are not known from the "
                f"training rows, such as {self.example!r}"
            )
        return None


def unknown_of(field: FieldEncoding, codes: np.ndarray, uniques: pl.Series, ids: np.ndarray) -> Unknown:
    """Count the unknown values of a field.

    Args:
        field: The field; its values must be counted or hashed.
        codes: The index in `uniques` of each value, `(values,)`.
        uniques: The distinct texts; null is a missing cell.
        ids: The local id of each distinct text, `(uniques,)`.

    >>> from ctrzoo.data_pipelines.encoding.field import FieldEncoding
    >>> field, texts = FieldEncoding("user", values=["7", "8"], type="integer"), pl.Series(["8.0", "x", None])
    >>> unknown_of(field, np.array([0, 0, 1, 2]), texts, field.local_ids(texts))
    Unknown(field='user', values=3, unknown=1, misfits=1, example='x', type='integer')
    """
    kind = "text" if field.type in (None, AUTO) else str(field.type)
    is_strange = (ids <= field.has_oov_id) if field.uses_vocabulary else np.ones(len(ids), bool)
    strange = np.flatnonzero(is_strange)
    texts = field.canonical(uniques.gather(strange))
    missing, unfit = texts.is_null().to_numpy(), ~field.cell_type.fits(texts).fill_null(True).to_numpy()
    counts = np.bincount(codes, minlength=len(ids))
    values = int(counts.sum() - counts[strange[missing]].sum())
    unfit = strange[unfit]
    unknown = strange[~missing] if field.uses_vocabulary else unfit  # a hashed value has an id like any other
    shown = unfit if len(unfit) else unknown
    example = uniques[int(shown[0])] if len(shown) else ""
    return Unknown(field.name, values, int(counts[unknown].sum()), int(counts[unfit].sum()), example, kind)


def unknown_in(field: FieldEncoding, cells: pl.Series) -> Unknown | None:
    """Count the unknown values of a column; None for numbers, all of which are known."""
    if field.holds_numbers or field.makes_ids:
        return None
    texts = texts_of(field, cells) if field.kind == "categorical" else tokens_of(field, cells)[1]
    codes, uniques = codes_of(texts)
    return unknown_of(field, codes, uniques, field.local_ids(uniques))


def warn_of_unknown(counts: Iterable[Unknown | None], stacklevel: int = 2) -> None:
    """Warn of fields with conspicuously many unknown values.

    Args:
        counts: What was counted.
        stacklevel: As in `warnings.warn`, seen from the caller.
    """
    found = [count.sentence for count in counts if count and count.sentence]
    if not found:
        return
    more = f"; and {len(found) - MOST_NAMED} more fields" if len(found) > MOST_NAMED else ""
    warnings.warn(
        f"{'; '.join(found[:MOST_NAMED])}{more}. Check that the cells are written as in the training rows.",
        stacklevel=stacklevel + 1,
    )
