"""What columns are for, other than as fields: the label, the weight, the group, the time and the id of a row."""

from __future__ import annotations

import dataclasses
import hashlib
import typing
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl

from ctrzoo.suggest import unknown

from ..errors import RowError
from .cells import codes_of, numbers_of, plain_texts
from .clock import utc_times
from .labels import Label
from .times import check_format

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config

# The further columns that a row may have, and their types in prepared folders.
COLUMNS = {"weight": "float32", "group": "int64", "time": "int64", "id": "string"}
LONGEST_ID = 1000


def group_hashes(texts: pl.Series) -> np.ndarray:
    """Return a hash of each text, int64 `(texts,)`: the first 63 bits of its BLAKE2b digest.

    >>> group_hashes(pl.Series(["7"]))
    array([4703935488074688627])
    """
    digests = b"".join(hashlib.blake2b((text or "").encode(), digest_size=8).digest() for text in texts)
    return (np.frombuffer(digests, "<u8") >> np.uint64(1)).astype(np.int64)


@dataclasses.dataclass(frozen=True)
class Roles:
    """The columns of a table that are not fields, unless they are also named as fields.

    Args:
        label: The label column, or a `Label`.
        weight: The column of row weights: a row of weight 2 counts as two rows in losses and metrics.
        group: The column that says which rows are ranked together, such as the user, query or session. Its hash is
            stored: two of 10 million groups share one with a probability of 1 in 180,000.
        time: The column of times, kept for ordering.
        time_format: How its cells write times, as in `ByColumn`.
        id: The column that names a row, kept for tables of scores.
        keep_groups: Whether the training rows of a group stay together, as losses of groups need it. Their order is
            then less random than that of single rows.

    Raises:
        ValueError: If a role is not the name of a column, or an option lacks its column.

    >>> Roles("click", weight="cost").columns
    ('weight',)
    """

    label: Label | str = "label"
    weight: str | None = None
    group: str | None = None
    time: str | None = None
    time_format: str | None = None
    id: str | None = None
    keep_groups: bool = False

    def __post_init__(self):
        object.__setattr__(self, "label", Label.from_schema(self.label))
        for role in COLUMNS:
            column = getattr(self, role)
            if column is not None and (not isinstance(column, str) or not column):
                raise ValueError(f"`{role}` must be the name of a column. Received: {column!r}.")
            if column == self.label_column and role != "group":
                raise ValueError(f"The column '{column}' cannot be both the label and the {role}. Name another one.")
        if self.time_format is not None:
            if self.time is None:
                raise ValueError("A `format` of times needs the column of the times. Name it as `column`.")
            check_format(self.time_format)
        if self.keep_groups and self.group is None:
            raise ValueError("`keep_groups` needs the column of the groups. Name it as `group`.")

    @classmethod
    def from_schema(cls, config: Mapping[str, Any]) -> Roles:
        """Return the roles that a schema describes.

        Args:
            config: The content of a schema. `label`, `weight`, `group`, `time`, `id` and `keep_groups` are read.

        Raises:
            ValueError: If a value is wrong.

        >>> Roles.from_schema({"label": "click", "time": {"column": "at", "format": "epoch_seconds"}}).time_format
        'epoch_seconds'
        """
        given = {key: config[key] for key in ("label", "weight", "group", "id", "keep_groups") if key in config}
        if not isinstance(given.get("keep_groups", False), bool):
            raise ValueError(f"Schema: `keep_groups` must be true or false. Received: {given['keep_groups']!r}.")
        time = config.get("time")
        if isinstance(time, Mapping):
            for key in time:
                if key not in ("column", "format"):
                    raise ValueError(f"Schema, time: {unknown('key', key, ('column', 'format'))}")
            given["time_format"], time = time.get("format"), time.get("column")
        return cls(**given, time=time)

    @property
    def label_column(self) -> str:
        """Name of the label column."""
        return self.the_label.column

    @property
    def the_label(self) -> Label:
        """The `Label`."""
        return typing.cast("Label", self.label)

    @property
    def columns(self) -> tuple[str, ...]:
        """The roles other than the label that have a column, in the order in which they are stored."""
        return tuple(role for role in COLUMNS if getattr(self, role) is not None)

    @property
    def needed(self) -> dict[str, bool]:
        """The columns to read, `{name: whether they are numbers}`."""
        needed = {self.label_column: not self.the_label.positive}
        for role in self.columns:
            needed[getattr(self, role)] = role == "weight"
        return needed

    def read(self, column: Callable[[str], pl.Series]) -> dict[str, np.ndarray]:
        """Return the columns of rows.

        Args:
            column: Function from the name of a column to its cells.

        Returns:
            `label` (see `Label.read`) and, where there is a column, `weight` float32, `group` int64 (a hash), `time`
            int64 (microseconds since 1970, UTC) and `id` (bytes), each `(rows,)`.

        Raises:
            RowError: If a label, weight, group or time is none.
        """
        arrays = {"label": self.the_label.read(column(self.label_column))}
        return arrays | {role: self.read_one(role, column(getattr(self, role))) for role in self.columns}

    def read_one(self, role: str, cells: pl.Series) -> np.ndarray:
        """Return one of the columns of rows, other than the label; see `read`.

        Raises:
            RowError: If a cell is none of the role.
        """
        readers = {"weight": self._weights, "group": self._groups, "time": self._times, "id": self._ids}
        return readers[role](cells)

    def describe(self) -> Config:
        """Return the arguments that are set, JSON-serializable."""
        described = {"label": self.the_label.describe()}
        for entry in dataclasses.fields(self):
            value = getattr(self, entry.name)
            if entry.name != "label" and value != entry.default:
                described[entry.name] = value
        return described

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> Roles:
        """Return the roles that `describe` described."""
        return cls(**config)

    def _weights(self, cells):
        weights = numbers_of(cells)
        wrong = np.flatnonzero(~(weights >= 0) | (weights > np.finfo(np.float32).max))
        if len(wrong):
            row = int(wrong[0])
            found = "empty" if np.isnan(weights[row]) else f"{weights[row]:g}"
            raise RowError(wrong, f"the weight '{self.weight}' must be a number of at least 0, not {found}")
        return weights.astype(np.float32)

    def _groups(self, cells):
        codes, uniques = codes_of(plain_texts(cells))
        missing = np.flatnonzero(uniques.is_null().to_numpy()[codes])
        if len(missing):
            raise RowError(missing, f"the group '{self.group}' must not be empty")
        return group_hashes(uniques)[codes]

    def _times(self, cells):
        times = utc_times(cells, self.time_format)
        times = times.set(cells.is_null(), None)
        missing = times.is_null().arg_true().to_numpy()
        if len(missing):
            written = (
                "such as 2024-06-20 12:00:00" if self.time_format is None else f"in the format '{self.time_format}'"
            )
            found = cells[int(missing[0])]
            raise RowError(missing, f"the time '{self.time}' must be written {written}, not {str(found or '')!r}")
        return times.cast(pl.Int64).to_numpy()

    def _ids(self, cells):
        texts = plain_texts(cells).fill_null("")
        long = (texts.str.len_bytes() > LONGEST_ID) | texts.str.contains("\0", literal=True)
        wrong = long.arg_true().to_numpy()
        if len(wrong):
            raise RowError(wrong, f"the id '{self.id}' must be a text of at most {LONGEST_ID:,} bytes without NUL")
        return np.array([text.encode() for text in texts], "S") if len(texts) else np.empty(0, "S1")
