"""The plan for preparing a table: its label, its fields, its split."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Sequence

from ..encoding.field import FieldEncoding
from ..encoding.labels import Label
from ..encoding.roles import Roles
from .history import History, described
from .negatives import Negatives
from .splits import Fractions

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config

FIT_ON = ("train", "all")
# How to prepare a benchmark: as in the original work, or without its flaws.
PROTOCOLS = ("reference", "clean")


@dataclasses.dataclass(frozen=True)
class TablePlan:
    """The plan for preparing a table.

    Args:
        fields: `FieldEncoding` objects that are not yet fitted, in model order.
        roles: The `Roles` of the columns that are not fields; the name of the label column, or a `Label`, for those of
            a table with no other roles.
        split: `Fractions`, `ByColumn`, `ByName`, `ByHash`, `ByFile`, `Folds` or `Shuffled`.
        fit_on: Whether to fit vocabularies and scalings to the `"train"` rows, which is correct, or to `"all"` rows,
            as much published work does.
        negatives: The `Negatives` to keep. Vocabularies and scalings are fitted to the rows that stay.
        histories: The `History` objects, whose columns fields may read like those of the table.

    Raises:
        ValueError: If vocabularies cannot be fitted to the training rows with this split, or negatives cannot be left
            out.
    """

    fields: Sequence[FieldEncoding]
    roles: typing.Any = "label"
    split: typing.Any = Fractions()
    fit_on: str = "train"
    negatives: Negatives = Negatives()
    histories: Sequence[History] = ()

    def __post_init__(self):
        object.__setattr__(self, "fields", tuple(self.fields))
        object.__setattr__(self, "histories", tuple(self.histories))
        object.__setattr__(self, "roles", self.roles if isinstance(self.roles, Roles) else Roles(self.roles))
        if self.fit_on not in FIT_ON:
            raise ValueError(f"`fit_on` must be 'train' or 'all'. Received: {self.fit_on!r}.")
        if self.split.needs_all_labels and self.fit_on == "train":
            raise ValueError("This split needs all labels or the row count first. Set fit_on='all'.")
        if self.split.needs_all_labels and self.label.kind != "binary":
            raise ValueError(f"This split divides clicks. Received: a label of the kind '{self.label.kind}'.")
        if self.negatives.share < 1 and self.label.kind != "binary":
            raise ValueError(
                f"`negatives` needs binary labels. Received: a label of the kind '{self.label.kind}'. Remove the key."
            )
        if self.negatives.share < 1 and self.split.needs_all_labels:
            raise ValueError(f"`negatives` cannot be combined with the split '{type(self.split).__name__}'.")

    @property
    def label(self) -> Label:
        """The `Label`."""
        return self.roles.the_label

    def needed_columns(self) -> dict[str, bool]:
        """Return the columns of the table to read, `{name: whether they are numbers}`; see also `History.needed`."""
        needed, listed = self.roles.needed, {name for history in self.histories for name in history.columns}
        for field in self.fields:
            for column in (column for column in field.raw_columns if column not in listed):
                needed[column] = needed.get(column, True) and field.reads_numbers
        column = getattr(self.split, "column", None)
        return needed | dict.fromkeys([column] if column else getattr(self.split, "columns", ()), False)

    def describe(self) -> Config:
        """Return everything the prepared rows depend on, JSON-serializable."""
        return {
            "fields": [field.to_dict() for field in self.fields],
            **self.roles.describe(),
            "split": [type(self.split).__name__, dataclasses.asdict(self.split)],
            "fit_on": self.fit_on,
            **({"histories": described(self.histories)} if self.histories else {}),
            **({"negatives": dataclasses.asdict(self.negatives)} if self.negatives.share < 1 else {}),
        }


def check_protocol(protocol: str, protocols: Sequence[str] = PROTOCOLS) -> None:
    """Raise an error for an unknown benchmark protocol.

    Args:
        protocol: The protocol.
        protocols: Those of the benchmark.

    Raises:
        ValueError: If it is none of them.
    """
    if protocol not in protocols:
        raise ValueError(f"`protocol` must be one of {', '.join(map(repr, protocols))}. Received: {protocol!r}.")
