"""What is to become of a table: its label, its fields, its split."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Sequence

from ..encoding.field import FieldEncoding
from .splits import Fractions

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config

FIT_ON = ("train", "all")
# How a benchmark is prepared: as the original was, or as one should.
PROTOCOLS = ("reference", "clean")


@dataclasses.dataclass(frozen=True)
class TablePlan:
    """What is to become of a table.

    Args:
        fields: `FieldEncoding` objects that are not fitted yet, in model order.
        label: The column of the label, 0 or 1.
        split: `Fractions`, `ByColumn`, `ByFile`, `Folds` or `Shuffled`.
        fit_on: Whether vocabularies and scalings are fitted to the `"train"` rows, as they should,
            or to `"all"` rows, as in much published work.

    Raises:
        ValueError: If vocabularies cannot be fitted to the training rows with this split.
    """

    fields: Sequence[FieldEncoding]
    label: str = "label"
    split: typing.Any = Fractions()
    fit_on: str = "train"

    def __post_init__(self):
        object.__setattr__(self, "fields", tuple(self.fields))
        if self.fit_on not in FIT_ON:
            raise ValueError(f"`fit_on` must be 'train' or 'all'. Received: {self.fit_on!r}.")
        if self.split.needs_all_labels and self.fit_on == "train":
            raise ValueError("This split needs all labels or the row count first. Set fit_on='all'.")

    def needed_columns(self) -> dict[str, bool]:
        """Return the columns to read, `{name: whether they are numbers}`."""
        needed = {self.label: True}
        for field in self.fields:
            assert field.column is not None
            needed[field.column] = needed.get(field.column, True) and field.reads_numbers
        column = getattr(self.split, "column", None)
        return needed | ({column: False} if column else {})

    def describe(self) -> Config:
        """Return what the prepared rows depend on, for JSON."""
        return {
            "fields": [field.to_dict() for field in self.fields],
            "label": self.label,
            "split": [type(self.split).__name__, dataclasses.asdict(self.split)],
            "fit_on": self.fit_on,
        }


def check_protocol(protocol: str) -> None:
    """Refuse an unknown protocol of a benchmark.

    Raises:
        ValueError: If it is neither `"reference"` nor `"clean"`.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"`protocol` must be one of {', '.join(map(repr, PROTOCOLS))}. Received: {protocol!r}.")
