"""What is to become of a table: its label, its fields, its split."""

import dataclasses
import typing

from ..encoding.fields import FieldEncoding
from .splits import Fractions

LEARN_FROM = ("train", "all")
# How a benchmark is prepared: as the original was, or as one should.
PROTOCOLS = ("reference", "clean")


@dataclasses.dataclass(frozen=True)
class TablePlan:
    """What is to become of a table.

    Args:
        fields: `FieldEncoding` objects that have learned nothing yet, in model order.
        label: The column of the label, 0 or 1.
        split: `Fractions`, `ByColumn`, `ByFile`, `Folds` or `Shuffled`.
        learn_from: Whether vocabularies and scalings are learned from the `"train"` rows, as they should,
            or from `"all"` rows, as in much published work.

    Raises:
        ValueError: If vocabularies cannot be learned from the training rows with this split.
    """

    fields: tuple[FieldEncoding, ...]
    label: str = "label"
    split: typing.Any = Fractions()
    learn_from: str = "train"

    def __post_init__(self):
        object.__setattr__(self, "fields", tuple(self.fields))
        if self.learn_from not in LEARN_FROM:
            raise ValueError(f"`learn_from` must be 'train' or 'all'. Received: {self.learn_from!r}.")
        if self.split.late and self.learn_from == "train":
            raise ValueError("This split is known after all rows were read. Set learn_from='all'.")

    def needed_columns(self):
        """Return the columns to read, `{name: whether they are numbers}`."""
        needed = {self.label: True}
        for field in self.fields:
            needed[field.column] = needed.get(field.column, True) and field.reads_numbers
        column = getattr(self.split, "column", None)
        return needed | ({column: False} if column else {})

    def describe(self):
        """Return what the prepared rows depend on, for JSON."""
        return {
            "fields": [field.to_dict() for field in self.fields],
            "label": self.label,
            "split": [type(self.split).__name__, dataclasses.asdict(self.split)],
            "learn_from": self.learn_from,
        }


def check_protocol(protocol):
    """Refuse an unknown protocol of a benchmark.

    Raises:
        ValueError: If it is neither `"reference"` nor `"clean"`.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"`protocol` must be one of {', '.join(map(repr, PROTOCOLS))}. Received: {protocol!r}.")
