"""Turn a user's pandas DataFrame into model features."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import decimal
import typing
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from ctrzoo.schema import Field, Schema, parts_of
from ctrzoo.suggest import unknown

from ..errors import RowError, unsupported
from .cell_types import AUTO
from .dense import vectors_of
from .features import Block, assemble
from .fields import FieldEncoding, TableEncoding
from .fitting import count_values, counted_cross, counted_parts, fit_cross, fit_field, fit_vector
from .growing import COUNTS, Growing, continued
from .histories import columns_of_histories
from .labels import Label, LabelError
from .roles import Roles
from .sharing import sharing

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config

    from .labels import LabelValues

ARGUMENTS = ("label", "categorical", "numerical", "multivalued", "order", "vector", "sequence")
# Objects that polars has types for, like those of Parquet columns.
POLARS_KINDS = ("date", "datetime", "datetime64", "time", "timedelta", "decimal")
ROLE_OPTIONS = ("label_kind", "weight", "group", "time", "id")
OPTIONS = (
    *("min_count", "scaling", "max_values", "keep", "pooling", "separator", "positive", "negative"),
    *(
        "time_parts",
        "time_zone",
        "time_format",
        *ROLE_OPTIONS,
        "share",
        "crosses",
        "compositional",
        "keep_counts",
        "events",
    ),
)


class FrameEncoder:
    """Fits ids and scalings to a pandas DataFrame, and turns frames into model features.

    Values become text, so 7, 7.0 and "7" are the same value, as are True and "true". Missing and empty cells are
    absent: id 0 and value 0. Ids follow the order of the sorted values.

    Args:
        label: Name of the label column. Its cells are 0 and 1, -1 and 1, or False and True, unless `positive` is given.
        categorical: Names of columns with one value per cell.
        numerical: Names of columns with numbers.
        multivalued: Names of columns whose cells are lists, text with separators, or single values.
        order: Names of all fields in model order; by default the order of the arguments above, then `vector`,
            `sequence` and `time_parts`.
        min_count: Values that occur less often share one "rare" id, as do unseen values. With 1, the field has no such
            id, and unseen values are absent. Pass one number, or one for each column by name.
        scaling: How to scale numbers: `"standard"` (mean 0, deviation 1), `"min_max"` (0 to 1),
            `"log_squared"` (x > 2 becomes floor(ln(x)^2), as published for Criteo), `"log1p"`, `"sqrt"`,
            None (unchanged). Pass one of these, or one for each column by name.
        max_values: Maximum number of values kept of a multi-valued cell, and of events kept of a sequence; by default
            the maximum seen in `fit`.
        pooling: `"mean"`, `"sum"` or `"max"` of the embeddings of the values of a multi-valued cell or a sequence.
        separator: What separates the values in a multi-valued text cell or a sequence.
        positive: The label's value or values that are positive, such as `"yes"`; all others that are not empty are
            negative.
        negative: The label's negative values, if all others are invalid; the empty text stands for an empty cell.
        time_parts: Parts of columns of times, such as `{"clicked_at": ["hour", "weekday"]}`: categorical fields called
            `clicked_at_hour` and so on. `FieldSpecification` lists the parts.
        time_zone: The IANA name of the zone that the parts are of; by default UTC. Times with an offset from UTC, and
            numbers since 1970, are converted to it. Other times are taken as they are.
        time_format: How cells write times, if not as 2024-06-20 12:00:00; see `FieldSpecification`. Pass one for all
            columns of `time_parts` and for `time`, or one for each column by name, which may also be a categorical one
            of times.
        label_kind: `"binary"`, `"real"` or `"graded"`, see `Label`.
        weight: Name of the column of row weights.
        group: Name of the column that says which rows are ranked together.
        time: Name of the column of times.
        id: Name of the column that names a row.
        share: Columns whose values share the ids of another column, such as `{"last_item": "item"}`; see
            `FieldSpecification`. The two must have the same `min_count`.
        crosses: Fields whose values are the combinations of two or three columns of `categorical` or parts of
            `time_parts`, by name, such as `{"site_ad": ["site", "ad"]}`. In the order of the fields, they come last.
        keep: Whether to keep the `"first"` or the `"last"` values of a cell with more than `max_values`.
        vector: Names of columns whose cells are lists of equally many numbers, or `{field: columns}` for fields whose
            numbers are in several columns, or in a column of another name.
        compositional: Columns of too many values for a table, such as `{"user": "auto"}` or `{"user": 1000}`; see
            `FieldSpecification`.
        keep_counts: Whether to keep the counts of rare values too, so that `extend` can go on counting.
        sequence: Names of columns whose cells list events, the oldest first, such as the items that a user has seen.
            Cells are written as multi-valued ones. Or `{column: the most events}`, of which the newest are kept.
        events: Sequences that describe the events of another one, such as `{"seen_genre": "seen"}`.

    Raises:
        ValueError: If an argument is invalid.

    >>> frame = pd.DataFrame({"color": ["red", "blue", None], "size": [1.0, 2.0, 3.0], "click": [1, 0, 1]})
    >>> encoder = FrameEncoder(label="click", categorical=["color"], numerical=["size"]).fit(frame)
    >>> features, labels = encoder.encode(frame)
    >>> features["ids"]
    array([[2, 3],
           [1, 3],
           [0, 3]], dtype=int32)
    """

    def __init__(
        self,
        label: str = "label",
        categorical: Sequence[str] = (),
        numerical: Sequence[str] = (),
        multivalued: Sequence[str] = (),
        order: Sequence[str] | None = None,
        min_count: int | Mapping[str, int] = 1,
        scaling: str | None | Mapping[str, str | None] = "standard",
        max_values: int | None = None,
        pooling: str = "mean",
        separator: str = "|",
        positive: LabelValues = (),
        negative: LabelValues = (),
        time_parts: Mapping[str, Sequence[str]] | None = None,
        time_zone: str | None = None,
        time_format: str | None | Mapping[str, str] = None,
        label_kind: str = "binary",
        weight: str | None = None,
        group: str | None = None,
        time: str | None = None,
        id: str | None = None,
        share: Mapping[str, str] | None = None,
        keep: str = "first",
        crosses: Mapping[str, Sequence[str]] | None = None,
        vector: Sequence[str] | Mapping[str, str | Sequence[str]] = (),
        compositional: Mapping[str, int | str] | None = None,
        keep_counts: bool = False,
        sequence: Sequence[str] | Mapping[str, int] = (),
        events: Mapping[str, str] | None = None,
    ):
        lists = {"categorical": categorical, "numerical": numerical, "multivalued": multivalued, "vector": vector}
        lists["sequence"] = sequence
        for name, columns in lists.items():
            if isinstance(columns, str):
                raise ValueError(f"`{name}` must be a list of column names. Received the text {columns!r}.")
        self.label = label
        time_of_rows = _of(time_format, time, None) if time is not None else None
        self.roles = Roles(Label(label, positive, negative, label_kind), weight, group, time, time_of_rows, id)
        self.positive, self.negative = self.roles.the_label.values
        self.label_kind, self.weight, self.group, self.time, self.id = label_kind, weight, group, time, id
        self.categorical, self.numerical, self.multivalued = list(categorical), list(numerical), list(multivalued)
        self.vector = dict(vector) if isinstance(vector, Mapping) else list(vector)
        self.sequence = dict(sequence) if isinstance(sequence, Mapping) else list(sequence)
        self.time_parts = {column: _parts(column, parts) for column, parts in (time_parts or {}).items()}
        self.time_zone, self.time_format = time_zone, time_format
        self._parts = {
            f"{column}_{part}": (column, part) for column, parts in self.time_parts.items() for part in parts
        }
        if crosses is not None and not isinstance(crosses, Mapping):
            example = '{"site_ad": ["site", "ad"]}'
            raise ValueError(f"`crosses` must be columns by name, such as {example}. Received: {crosses!r}.")
        self.crosses = {name: parts_of(name, parts) for name, parts in (crosses or {}).items()}
        for name, parts in self.crosses.items():
            if not parts:
                raise ValueError(
                    f"`crosses` must name the columns of '{name}', such as ['site', 'ad']. Received: none."
                )
        names = [
            *(*self.categorical, *self.numerical, *self.multivalued),
            *(*self.vector, *self.sequence, *self._parts, *self.crosses),
        ]
        self.order = names if order is None else list(order)
        if sorted(self.order) != sorted(names):
            differ = sorted(set(self.order) ^ set(names)) or "a name occurs twice"
            raise ValueError(f"`order` must name each field once. Differing: {differ}.")
        for option in ("time_zone", "time_format"):
            used = self._parts or isinstance(time_format, Mapping) or (option == "time_format" and time is not None)
            if getattr(self, option) is not None and not used:
                raise ValueError(f"`{option}` is for `time_parts`, of which there are none. Remove it.")
        self.min_count = min_count
        self.scaling = scaling
        self.max_values, self.keep = max_values, keep
        self.pooling = pooling
        self.separator = separator
        self.share, self.compositional, self.events = dict(share or {}), dict(compositional or {}), dict(events or {})
        self.keep_counts = keep_counts
        self.encoding, self.counts, self.extensions = None, {}, 0
        counted = [*self.categorical, *self.multivalued, *self.sequence, *self._parts, *self.crosses]
        times = [*self.categorical, *self.time_parts, *([] if time is None else [time])]
        for option, columns in (("min_count", counted), ("scaling", self.numerical), ("time_format", times)):
            _check_columns(option, getattr(self, option), columns)
        for option in ("share", "compositional", "events"):
            for name in getattr(self, option):
                if name not in self.order:
                    raise ValueError(unknown(f"column in `{option}`", name, self.order))
        # Detects invalid arguments now, not after a long fit.
        Schema(tuple(Field(name) for name in self.order), label)
        self._fields = [
            dataclasses.replace(
                self._field(name),
                **{option: getattr(self, option).get(name) for option in ("share", "compositional", "events")},
            )
            for name in self.order
        ]
        TableEncoding(self._fields, roles=self.roles)

    def fit(self, frame: pd.DataFrame) -> FrameEncoder:
        """Fit values, ids and scalings to a frame; return the encoder.

        Raises:
            ValueError: If the frame is empty, lacks a column, or has text where a number should be.

        Warns:
            UserWarning: If a compositional field has as many rows of a table as values.
        """
        _check_frame(frame)
        if not len(frame):
            raise ValueError("The frame has no rows to fit to.")
        fields = {}
        for index, field in enumerate(self._fields):
            if field.kind == "vector":
                columns = [_cells_of(field, frame, column) for column in field.raw_columns]
                fields[field.name] = fit_vector(field, columns)
            elif not field.cross:
                others = (self._fields[other] for other in sharing(self._fields, index) if other != index)
                pairs = [(other, _cells_of(other, frame)) for other in others]
                together = [(other, _cells_of(other, frame)) for other in self._together(index)]
                fields[field.name] = fit_field(field, _cells_of(field, frame), pairs, together)
        for field in self._fields:
            if field.cross:
                parts = [fields[part] for part in field.cross]
                fields[field.name] = fit_cross(field, [(part, _cells_of(part, frame)) for part in parts])
        self.encoding = TableEncoding((fields[name] for name in self.order), roles=self.roles)
        self.counts, self.extensions = {}, 0
        if self.keep_counts:
            found = self._found(self.encoding.fields, frame)
            self.counts = {name: Growing().grown(fields[name], counted).counts for name, counted in found.items()}
        for field, shape in zip(self.encoding.fields, self.encoding.schema.fields, strict=True):
            if field.compositional is not None and field.num_values <= shape.vocabulary_size:
                warnings.warn(
                    f"Field '{field.name}': `compositional` saves nothing, as {field.num_values:,} values have "
                    f"{shape.vocabulary_size:,} rows. Remove it.",
                    stacklevel=2,
                )
        return self

    def extend(self, frame: pd.DataFrame, expire: int | None = None) -> FrameEncoder:
        """Return an encoder that knows the values of new rows too; each value that has an id keeps it.

        Counts go on, and values that pass `min_count` get new ids. Types, scalings and lengths stay as they are.

        Args:
            frame: The new rows.
            expire: Drop values that did not occur in so many extensions, this one among them; their ids are used again.

        Raises:
            ValueError: If the encoder keeps no counts, or as in `fit`.

        >>> cities = FrameEncoder(categorical=["city"], keep_counts=True).fit(pd.DataFrame({"city": ["Rome"]}))
        >>> cities.extend(pd.DataFrame({"city": ["Oslo"]})).encoding.fields[0].values.to_list()
        ['Rome', 'Oslo']
        """
        if not self.keep_counts:
            raise ValueError("Counts of rare values cannot go on. Fit a FrameEncoder(..., keep_counts=True).")
        if expire is not None and expire < 1:
            raise ValueError(f"`expire` must be a whole number of at least 1. Received: {expire!r}.")
        _check_frame(frame)
        extended = copy.copy(self)
        extended.extensions += 1
        fields = [continued(field) for field in self._fitted().fields]
        found, grown = self._found(fields, frame), {}
        for field in fields:
            name = field.share or field.name
            if name in found:
                growing = Growing(field, self.counts[name], extended.extensions, expire)
                grown[field.name] = growing.grown(field, found[name])
        extended.counts = {name: grown[name].counts for name in found}
        every = [grown[field.name].field if field.name in grown else field for field in fields]
        extended.encoding = TableEncoding(every, roles=self.roles)
        return extended

    def _together(self, index):
        """Return the other fields of the history of a field."""
        places = next((each for each in columns_of_histories(self._fields).values() if index in each), ())
        return [self._fields[place] for place in places if place != index]

    def _found(self, fields, frame):
        """Count the values of a frame for each field that has some of its own, by name."""
        by_name, found = {field.name: field for field in fields}, {}
        for index, field in enumerate(fields):
            if not field.uses_vocabulary or field.share is not None:
                continue
            if field.cross:
                parts = [
                    counted_cross(field, [(by_name[part], _cells_of(by_name[part], frame)) for part in field.cross])
                ]
            else:
                parts = counted_parts((fields[one], _cells_of(fields[one], frame)) for one in sharing(fields, index))
            found[field.name] = count_values(field, parts)
        return found

    @property
    def schema(self) -> Schema:
        """The `Schema` of the encoded rows.

        Raises:
            ValueError: If the encoder is not fitted.
        """
        return self._fitted().schema

    def encode(self, frame: pd.DataFrame) -> tuple[Any, ...]:
        """Encode a frame as `(features, labels)`, for `model.fit(*encoder.encode(frame))`.

        With a column of weights, they follow as `(rows,)`; pass them on as `sample_weight`.

        Raises:
            ValueError: If a column is missing, or a label, a weight or a number is none.
        """
        block = self.block(frame)
        labels = block.labels.astype(np.float32)[:, None]
        features = _assembled(self.schema, block.ids, block.numerical)
        return (features, labels) if self.weight is None else (features, labels, block.columns["weight"])

    def groups(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the group of each row, int64 `(rows,)` (a hash), for `ctrzoo.metrics` and losses of groups.

        Raises:
            ValueError: If the encoder has no `group`, or a cell is empty.
        """
        if self.group is None:
            raise ValueError("This FrameEncoder knows no groups. Pass `group`, the name of their column.")
        _check_frame(frame)
        return self.roles.read_one("group", series_of(self.group, _dense(_column(frame, self.group))))

    def features(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        """Encode a frame, which needs no label, as features for `model.predict`."""
        return _assembled(self.schema, *self._ids_and_numbers(frame))

    def block(self, frame: pd.DataFrame) -> Block:
        """Encode a frame as a `Block`, for `PreparedWriter.add`."""
        _check_frame(frame)
        columns = self._columns(frame)
        return Block(*self._ids_and_numbers(frame), columns.pop("label"), columns)

    def to_dict(self) -> Config:
        """Return the arguments and the fitted state, JSON-serializable."""
        fitted = {"encoding": self._fitted().to_dict()}
        if self.keep_counts:
            counts = {name: frame.to_dict(as_series=False) for name, frame in self.counts.items()}
            fitted |= {"counts": counts, "extensions": self.extensions}
        return {**{name: getattr(self, name) for name in (*ARGUMENTS, *OPTIONS)}, **fitted}

    @classmethod
    def from_dict(cls, config: Config) -> FrameEncoder:
        """Build a fitted encoder from the result of `to_dict`, directly or read from JSON."""
        fitted = ("encoding", "counts", "extensions")
        encoder = cls(**{key: value for key, value in config.items() if key not in fitted})
        encoder.encoding = TableEncoding.from_dict(config["encoding"])
        encoder.counts = {name: pl.DataFrame(columns, COUNTS) for name, columns in config.get("counts", {}).items()}
        encoder.extensions = config.get("extensions", 0)
        return encoder

    def _fitted(self):
        if self.encoding is None:
            raise ValueError("This FrameEncoder is not fitted. Call `fit` first.")
        return self.encoding

    def _field(self, name):
        if name in self.numerical:
            return FieldEncoding(name, "numerical", transform=_of(self.scaling, name, "standard"))
        if name in self.vector:
            columns: Any = self.vector[name] if isinstance(self.vector, dict) else name
            if isinstance(columns, str):
                return FieldEncoding(name, "vector", column=columns, separator=self.separator)
            columns = list(columns)
            return FieldEncoding(name, "vector", columns=columns)
        min_count = _of(self.min_count, name, 1)
        if name in self.crosses:
            return FieldEncoding(name, min_count=min_count, cross=self.crosses[name])
        if name in self._parts:
            column, part = self._parts[name]
            times = {"part": part, "time_zone": self.time_zone, "time_format": _of(self.time_format, column, None)}
            return FieldEncoding(name, column=column, min_count=min_count, **times)
        if name in self.categorical:
            format = _of(self.time_format, name, None) if isinstance(self.time_format, Mapping) else None
            return FieldEncoding(name, min_count=min_count, type="time" if format else AUTO, time_format=format)
        options = {name: getattr(self, name) for name in ("separator", "max_values", "keep", "pooling")}
        if name in self.sequence:
            del options["keep"]
            if isinstance(self.sequence, dict):
                options["max_values"] = self.sequence[name]
            return FieldEncoding(name, "sequence", min_count=min_count, type=AUTO, **options)
        return FieldEncoding(name, "multivalued", min_count=min_count, type=AUTO, **options)

    def _columns(self, frame):
        """Return the label and the other columns that are no fields."""
        try:
            return self.roles.read(lambda name: series_of(name, _dense(_column(frame, name))))
        except LabelError as error:
            options = ", ".join(f"{key}={value!r}" for key, value in error.example.items() if key != "column")
            advice = f"{error.found}. Name the positive values, such as FrameEncoder(..., {options})"
            raise RowError(error.rows, f"{error.reason}. {advice}") from None

    def _ids_and_numbers(self, frame):
        encoding = self._fitted()
        _check_frame(frame)
        cells = {column: _cells_of(field, frame, column) for field in encoding.fields for column in field.raw_columns}
        return encoding.encode(pl.DataFrame(list(cells.values())))


def _parts(column, parts):
    if isinstance(parts, str) or not parts:
        raise ValueError(f"`time_parts` of '{column}' must be a list of parts, such as ['hour']. Received: {parts!r}.")
    return list(parts)


def _check_columns(option, value, columns):
    for name in value if isinstance(value, Mapping) else ():
        if name not in columns:
            raise ValueError(unknown(f"column in `{option}`", name, columns))


def _of(option, name, default):
    return option.get(name, default) if isinstance(option, Mapping) else option


def _check_frame(frame):
    if isinstance(frame, pd.DataFrame):
        return
    how = "frame.to_pandas()" if isinstance(frame, pl.DataFrame) else "pandas.DataFrame(...)"
    raise ValueError(
        f"A FrameEncoder takes a pandas frame. Received: {type(frame).__module__.split('.')[0]} "
        f"{type(frame).__name__}. Turn it into one by `{how}`."
    )


def _column(frame, name):
    if name not in frame.columns:
        raise ValueError(unknown("column", name, frame.columns))
    return one_column(frame[name], name)


def one_column(cells: pd.Series | pd.DataFrame, name: str) -> pd.Series:
    """Return a column of a pandas frame, which is a frame itself if several columns have its name.

    Raises:
        ValueError: If several columns have the name.

    >>> one_column(pd.DataFrame({"site": ["a"]})["site"], "site").to_list()
    ['a']
    """
    if isinstance(cells, pd.DataFrame):
        raise ValueError(f"{cells.shape[1]} columns are named '{name}'. Rename all but one.")
    return cells


def _dense(cells):
    return cells.sparse.to_dense() if isinstance(cells.dtype, pd.SparseDtype) else cells


def _cells_of(field, frame, column=None):
    column = column or field.column
    if field.kind == "vector" and not field.columns:
        return vectors_of(column, _dense(_column(frame, column)))
    separator = field.separator if field.holds_several else None
    return series_of(column, _column(frame, column), separator)


def series_of(name: str, cells: pd.Series, separator: str | None = None) -> pl.Series:
    """Convert a pandas column to a polars series of numbers, times, texts or text lists; NaN, None and NA are null.

    Args:
        name: Name of the series.
        cells: The pandas series.
        separator: What separates the values of a text cell, if cells may have several; then lists are also accepted.
    """
    cells = _dense(cells)
    if isinstance(cells.dtype, pd.CategoricalDtype):
        cells = cells.astype(object)
    if isinstance(cells.dtype, pd.DatetimeTZDtype) and isinstance(cells.dtype.tz, datetime.timezone):
        cells = cells.dt.tz_convert("UTC")  # polars knows no offset such as +05:30
    is_time = cells.dtype.kind in "mM"
    is_known = cells.dtype == object and pd.api.types.infer_dtype(cells, skipna=True) in POLARS_KINDS
    if pd.api.types.is_numeric_dtype(cells.dtype) or is_time or is_known:
        try:
            return pl.from_pandas(cells.reset_index(drop=True)).alias(name)
        except (pa.ArrowException, pl.exceptions.PolarsError):
            raise ValueError(unsupported(name, cells.dtype)) from None
    if separator is not None and pd.api.types.infer_dtype(cells, skipna=True) != "string":
        missing = cells.isna()
        lists = [None if absent else _values(cell, separator) for cell, absent in zip(cells, missing, strict=True)]
        return pl.Series(name, lists, dtype=pl.List(pl.String))
    try:
        codes, uniques = pd.factorize(cells)
    except TypeError:  # lists are not hashable
        message = (
            f"Column '{name}' must hold one value per cell. Name a column of lists in `multivalued` or `sequence`."
        )
        raise ValueError(message) from None
    texts = np.array([*(_text(value) for value in uniques), None], dtype=object)
    return pl.Series(name, texts, dtype=pl.String).gather(np.where(codes < 0, len(uniques), codes))


def _values(cell, separator):
    """Return the values of a multi-valued cell, as texts."""
    if isinstance(cell, (str, bytes)):
        return (cell if isinstance(cell, str) else _text(cell) or "").split(separator)
    return [_text(value) for value in cell] if pd.api.types.is_list_like(cell) else [_text(cell)]


def _text(value):
    """Format a value as polars does: "true", and whole numbers without a point (a column with gaps holds 7 as 7.0)."""
    if value is None or value is pd.NA or value != value:
        return None
    if isinstance(value, (bool, np.bool_)):
        return str(value).lower()
    if isinstance(value, (float, np.floating)) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise ValueError(f"Bytes in a cell must be UTF-8 text. Received: {value!r}.") from None
    if isinstance(value, decimal.Decimal):
        return f"{value.normalize():f}"
    return str(value)


def _assembled(schema, ids, numbers):
    import tensorflow as tf

    with tf.device("CPU:0"):
        return {key: tensor.numpy() for key, tensor in assemble(schema, ids, numbers).items()}
