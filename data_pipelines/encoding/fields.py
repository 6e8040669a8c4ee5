"""How raw cells become ids and numbers: the specification, its fitted state, and the code that applies it.

Every prepared folder holds a `TableEncoding`, so that later text and numbers, such as those at serving time, get the
ids and numbers of the training rows. It knows no other file formats, and of models only the `Schema`.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
import typing
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import polars as pl

from ctrzoo import __version__
from ctrzoo.schema import KINDS, POOLINGS, Field, Schema
from ctrzoo.suggest import unknown

from ..errors import RowError, plain_cells
from .transforms import TRANSFORMS, Transform, transforms_of

if typing.TYPE_CHECKING:
    import pyarrow as pa

    from ctrzoo.types import Config, Path

FORMAT_VERSION = 1
MISSING = ("absent", "category", "reserved")
ENCODING_FILE = "encoding.json"
VOCABULARY_FILE = "vocabulary.parquet"
# The largest number that can be stored.
LARGEST = np.finfo(np.float32).max
# Fitted by `ctrzoo.data_pipelines.prepare`; a user does not write them down.
FITTED = ("values", "counts", "offset", "scale", "boundaries")
# Keys of version 0.1.0, which prepared folders and saved models may still hold.
RENAMED = {"rare": "oov", "running": "assign_ids_online"}
LEAST = {"min_count": 1, "hash_buckets": 1, "num_buckets": 2, "max_values": 1, "unused_ids": 0}
TYPES = {
    "column": (str | None, "a text"),
    "oov": (bool | None, "true or false"),
    "assign_ids_online": (bool, "true or false"),
    "separator": (str, "a text, in quotes"),
    "weight_separator": (str | None, "a text, in quotes"),
}


@dataclasses.dataclass(frozen=True, eq=False)
class FieldEncoding:
    """How one column becomes ids or numbers.

    Local ids of a field are counted from 1; 0 is absent. An out-of-vocabulary (OOV) id, if the field has one, is 1 and
    the values follow; else the first value is 1. A global id is the local id plus the field's first id, minus 1.

    Args:
        name: Name of the field.
        kind: `"categorical"`, `"numerical"` or `"multivalued"`, as in the `Schema`.
        column: The column of the raw table; by default of the field's name.
        min_count: Values that occur less often share the OOV id with unseen values; each place in a multi-valued
            cell counts. With 1 the field has no OOV id and an unseen value is absent, unless `oov` says otherwise.
        oov: Whether the field has an OOV id; by default if `min_count` is above 1.
        missing: What a missing or empty cell is: `"absent"` (id 0, value 0), `"category"` (a value like
            others: the empty text), `"reserved"` (absent, although the empty text is counted and gets an
            id, as in the original preparation of Criteo).
        hash_buckets: Ids are 1 + FarmHash64(text) mod `hash_buckets`, as `keras.layers.Hashing` has
            them, and nothing is counted.
        transform: What becomes of a number, see `ctrzoo.data_pipelines.encoding.transforms`: for a numerical field
            `"log_squared"`, `"log1p"`, `"sqrt"`, `"min_max"`, `"standard"` or None; for a categorical field
            `"quantile"` or `"log_squared_bucket"` turns numbers into categories, None takes text.
        num_buckets: The most buckets of `"quantile"`.
        separator: What separates the values of a multi-valued cell of text.
        weight_separator: What separates a value from its weight within a multi-valued cell; None if
            there are no weights.
        max_values: The most values kept of a multi-valued cell; by default the most seen.
        pooling: `"mean"` or `"sum"` of the values of a multi-valued cell.
        unused_ids: Ids that no value has, but that count in the field's vocabulary size.
        assign_ids_online: Whether ids were assigned while the rows were read: in the prepared rows the first
            `min_count - 1` occurrences of each value have the OOV id. Later rows get the final ids.
        values: Fitted: the texts that have an id of their own, in the order of ids, as a series of strings.
        counts: Fitted: how often each value occurs in the rows of the fit.
        offset: Fitted: subtracted from a number after the curve of the transform, such as `log1p`.
        scale: Fitted: divides the difference.
        boundaries: Fitted: where the next of the quantile buckets begins, rising.

    Raises:
        ValueError: If an argument is none of these or does not fit the kind.

    >>> FieldEncoding("price", "numerical", transform="log1p").schema_field().vocabulary_size
    1
    """

    name: str
    kind: str = "categorical"
    column: str | None = None
    min_count: int = 1
    oov: bool | None = None
    missing: str = "absent"
    hash_buckets: int | None = None
    transform: str | None = None
    num_buckets: int = 20
    separator: str = "|"
    weight_separator: str | None = None
    max_values: int | None = None
    pooling: str = "mean"
    unused_ids: int = 0
    assign_ids_online: bool = False
    values: pl.Series = dataclasses.field(default_factory=lambda: pl.Series(dtype=pl.String))
    counts: pl.Series = dataclasses.field(default_factory=lambda: pl.Series(dtype=pl.Int64))
    offset: float = 0.0
    scale: float = 1.0
    boundaries: tuple[float, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "boundaries", tuple(self.boundaries))
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"A field's name must be a non-empty text. Received: {self.name!r}.")
        where = f"Field '{self.name}'"
        for key, allowed in (("kind", KINDS), ("missing", MISSING), ("pooling", POOLINGS)):
            if getattr(self, key) not in allowed:
                raise ValueError(f"{where}: `{key}` must be one of {', '.join(allowed)}. Got {getattr(self, key)!r}.")
        allowed = transforms_of(self.kind)
        if self.transform not in allowed:
            raise ValueError(
                f"{where}: `transform` of a {self.kind} field must be one of {', '.join(map(str, allowed))}. "
                f"Received: {self.transform!r}."
            )
        for key, least in LEAST.items():
            number = getattr(self, key)
            is_none = number is None and key in ("hash_buckets", "max_values")
            if not is_none and (not isinstance(number, int) or isinstance(number, bool) or number < least):
                raise ValueError(f"{where}: `{key}` must be a whole number of at least {least}. Received: {number!r}.")
        for key, (types, what) in TYPES.items():
            if not isinstance(getattr(self, key), types):
                raise ValueError(f"{where}: `{key}` must be {what}. Received: {getattr(self, key)!r}.")
        for key in ("separator", "weight_separator"):
            if self.kind == "multivalued" and getattr(self, key) == "":
                raise ValueError(f"{where}: `{key}` of a multi-valued field must not be empty. Write one, such as ';'.")
        if self.kind == "multivalued" and self.missing != "absent":
            raise ValueError(f"{where}: a multi-valued field without values is absent. Remove `missing`.")
        if self.assign_ids_online and not self.has_oov_id:
            raise ValueError(
                f"{where}: `assign_ids_online` needs an OOV id and counted values. Set `min_count` above 1."
            )
        if self.hash_buckets and (self.kind == "numerical" or self.transformer.makes_ids):
            raise ValueError(f"{where}: numbers are not hashed. Remove `hash_buckets` or make the field categorical.")
        for key, dtype in (("values", pl.String), ("counts", pl.Int64)):
            object.__setattr__(self, key, pl.Series(getattr(self, key), dtype=dtype))
        object.__setattr__(self, "column", self.column or self.name)

    @property
    def has_oov_id(self) -> bool:
        """Whether out-of-vocabulary values, the rare and the unseen, have an id."""
        return self.uses_vocabulary and (self.min_count > 1 if self.oov is None else self.oov)

    @property
    def uses_vocabulary(self) -> bool:
        """Whether ids come from counted values."""
        return self.kind != "numerical" and not self.hash_buckets and not self.transformer.makes_ids

    @functools.cached_property
    def transformer(self) -> Transform:
        """The object that does what `transform` names, in its fitted state."""
        return TRANSFORMS[self.transform](self.offset, self.scale, self.boundaries, self.num_buckets)

    @property
    def reads_numbers(self) -> bool:
        """Whether the raw cells must be numbers."""
        return self.kind == "numerical" or self.transform is not None

    @property
    def is_weighted(self) -> bool:
        """Whether values of a multi-valued cell have weights."""
        return self.weight_separator is not None and self.kind == "multivalued"

    def unfitted(self) -> FieldEncoding:
        """Return the specification without the fitted state."""
        config = {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}
        return FieldEncoding(**{key: value for key, value in config.items() if key not in FITTED})

    def schema_field(self) -> Field:
        """Return the `Field` of the schema."""
        if self.kind == "numerical":
            return Field(self.name, "numerical")
        if self.hash_buckets:
            size = self.hash_buckets
        elif self.transformer.makes_ids:
            size = self.transformer.num_ids + (self.missing != "absent")
        else:
            size = self.has_oov_id + len(self.values)
        slots = (self.max_values or 1) if self.kind == "multivalued" else 1
        size = max(size + self.unused_ids, 1)
        return Field(self.name, self.kind, size, slots, self.pooling, weighted=self.is_weighted)

    def local_ids(self, texts: pl.Series) -> np.ndarray:
        """Return the local id of each text, int32 `(texts,)`; null is a missing cell.

        Args:
            texts: A series of strings.
        """
        missing = texts.is_null().to_numpy()
        if self.missing == "category":
            texts, missing = texts.fill_null(""), False
        if self.hash_buckets:
            ids = 1 + _farm_hash(texts, self.hash_buckets)
        else:
            found = texts.to_frame("text").join(self._lookup, on="text", how="left", maintain_order="left")["id"]
            ids = found.fill_null(1 if self.has_oov_id else 0).to_numpy()
        return np.where(missing, 0, ids).astype(np.int32)

    @property
    def missing_bucket(self) -> int:
        """The local id of a missing cell, if the transform makes the ids."""
        return self.transformer.num_ids + 1 if self.missing == "category" else 0

    def bucket_ids(self, numbers: np.ndarray) -> np.ndarray:
        """Return the local id of each number, int32, if the transform makes the ids; NaN is a missing cell."""
        buckets = self.transformer.transform(numbers)
        return np.where(np.isnan(buckets), self.missing_bucket, buckets).astype(np.int32)

    def stored_numbers(self, numbers: np.ndarray) -> np.ndarray:
        """Return transformed numbers as the model takes them, float32; NaN, a missing cell, becomes 0.

        Raises:
            RowError: If float32 cannot hold a number.
        """
        transformed = self.transformer.transform(numbers)
        with np.errstate(over="ignore"):
            stored = np.where(np.isnan(transformed), 0, transformed).astype(np.float32)
        wrong = np.flatnonzero(np.isinf(stored))
        if len(wrong):
            what = f"numbers of at most {LARGEST:.2g} once scaled, not {numbers[wrong[0]]:g}"
            raise RowError(wrong, f"column '{self.column}' must hold {what}")
        return stored

    def texts(self, local_ids: np.ndarray) -> pl.Series:
        """Return the text of each local id; null is absent."""
        if self.uses_vocabulary:
            names = [None, *["(rare)"] * self.has_oov_id, *self.values, *["(unused)"] * self.unused_ids]
        else:
            names = [None, *(f"#{bucket}" for bucket in range(1, self.schema_field().vocabulary_size + 1))]
        return pl.Series(names, dtype=pl.String).gather(local_ids)

    @functools.cached_property
    def _lookup(self):
        first = 1 + self.has_oov_id
        ids = np.arange(first, first + len(self.values), dtype=np.int32)
        return pl.DataFrame({"text": self.values, "id": ids})

    def to_dict(self, with_values: bool = True) -> Config:
        """Return all but default arguments, as JSON can hold them."""
        config = {}
        for entry in dataclasses.fields(self):
            value = getattr(self, entry.name)
            if entry.name in ("values", "counts"):
                if with_values and len(value):
                    config[entry.name] = value.to_list()
            elif value != entry.default and not (entry.name == "column" and value == self.name):
                config[entry.name] = list(value) if isinstance(value, tuple) else value
        return config

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> FieldEncoding:
        """Build a field's encoding from what `to_dict` returned, or from a part of a user's schema.

        Raises:
            ValueError: If a key is unknown or a value is wrong.
        """
        known = [entry.name for entry in dataclasses.fields(cls)]
        if not isinstance(config, Mapping) or "name" not in config:
            raise ValueError(f"A field must be a mapping with a 'name'. Received: {config!r}.")
        for key in config:
            if key in RENAMED:
                raise ValueError(
                    f"Field '{config['name']}': the key '{key}' was renamed to '{RENAMED[key]}'. Rename it."
                )
            if key not in known:
                raise ValueError(f"Field '{config['name']}': {unknown('key', key, known)}")
        return cls(**config)


class TableEncoding:
    """How the columns of a table become the ids and numbers of a `Schema`.

    Args:
        fields: `FieldEncoding` objects or mappings of their arguments, in model order.
        label: Name of the label column.

    Raises:
        ValueError: If a field is wrong or a name occurs twice.

    >>> city = FieldEncoding("city", values=["Oslo", "Rome"])
    >>> tags = FieldEncoding("tags", "multivalued", values=["a", "b"], max_values=2)
    >>> encoding = TableEncoding([city, FieldEncoding("price", "numerical"), tags])
    >>> ids, numbers = encoding.encode(pl.DataFrame({"city": ["Rome"], "price": [2.5], "tags": ["b|a"]}))
    >>> ids.tolist(), numbers.tolist()
    ([[2, 5, 4]], [[2.5]])
    """

    def __init__(self, fields: Iterable[FieldEncoding | Mapping[str, Any]], label: str = "label"):
        self.fields = tuple(
            field if isinstance(field, FieldEncoding) else FieldEncoding.from_dict(field) for field in fields
        )
        self.label = label
        # Finds names that occur twice.
        self.schema = Schema(tuple(field.schema_field() for field in self.fields), label)

    def encode(self, frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return `(ids, numbers)` of a polars frame: what a `Block` stores, without its labels.

        Args:
            frame: A frame with the columns of all fields. Categorical cells may be text, numbers or
                booleans (7 and 7.0 are the text "7"); numbers may be text; multi-valued cells may be
                lists. Null, NaN and empty text are missing.

        Returns:
            Global ids, int32 `(rows, stored slots)`, and numbers, float32 `(rows, numerical fields
            and weighted slots)`.

        Raises:
            ValueError: If it is not a polars frame, or a column is missing.
            RowError: If a cell is not a finite number where one must be.
        """
        if not isinstance(frame, pl.DataFrame):
            raise ValueError(
                f"`encode` takes a polars frame. Received: {type(frame).__module__.split('.')[0]} "
                f"{type(frame).__name__}. Turn a pandas frame into one by `polars.from_pandas(frame)`."
            )
        ids, numbers = [np.empty((len(frame), 0), np.int32)], [np.empty((len(frame), 0), np.float32)]
        for field, first in zip(self.fields, self.schema.first_ids, strict=True):
            if field.column not in frame.columns:
                raise ValueError(unknown("column", field.column, frame.columns))
            cells = frame[field.column]
            if field.kind == "numerical":
                numbers.append(field.stored_numbers(numbers_of(cells))[:, None])
                continue
            if field.kind == "categorical":
                local = self._categories(field, cells)[:, None]
            else:
                lengths, texts, weights = tokens_of(field, cells)
                codes, uniques = codes_of(texts)
                local, weights = pad(lengths, field.local_ids(uniques)[codes], weights, field.max_values or 1)
                if weights is not None:
                    numbers.append(weights)
            ids.append(to_global(local, first))
        return np.concatenate(ids, axis=1), np.concatenate(numbers, axis=1)

    def _categories(self, field, cells):
        if field.transformer.makes_ids:
            return field.bucket_ids(numbers_of(cells))
        codes, uniques = codes_of(texts_of(field, cells))
        return field.local_ids(uniques)[codes]

    def decode(self, ids: np.ndarray, numbers: np.ndarray) -> pl.DataFrame:
        """Return a polars frame of what stored ids and numbers mean, to look at.

        Args:
            ids: Global ids, int32 `(rows, stored slots)`.
            numbers: float32 `(rows, numerical fields and weighted slots)`.

        Returns:
            A column per field: the text of a category (null if it is absent, `"(rare)"`, `"#3"` for the third hash
            or quantile bucket), a number (as it was, but `log_squared` and missing numbers stay as stored), a list of
            texts. Weights are left out.
        """
        columns, slot, number = [], 0, 0
        for field, first, shape in zip(self.fields, self.schema.first_ids, self.schema.fields, strict=True):
            if field.kind == "numerical":
                columns.append(pl.Series(field.name, field.transformer.inverse_transform(numbers[:, number])))
                number += 1
                continue
            local = ids[:, slot : slot + shape.num_slots]
            texts = field.texts(np.where(local > 0, local - (first - 1), 0).ravel())
            if field.kind == "multivalued":
                texts = texts.reshape((-1, shape.num_slots)).arr.to_list().list.drop_nulls()
            columns.append(texts.alias(field.name))
            slot += shape.num_slots
            number += shape.num_slots if shape.weighted else 0
        return pl.DataFrame(columns)

    def to_dict(self, with_values: bool = True) -> Config:
        """Return the encoding as plain dictionaries and lists; `with_values=False` leaves vocabularies out."""
        fields = [field.to_dict(with_values) for field in self.fields]
        return {"format_version": FORMAT_VERSION, "label": self.label, "fields": fields}

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> TableEncoding:
        """Build an encoding from what `to_dict` returned.

        Raises:
            ValueError: If it is of another format version or wrong.
        """
        version = config.get("format_version")
        if version != FORMAT_VERSION:
            raise ValueError(
                f"The encoding has format version {version}, this ctrzoo reads version {FORMAT_VERSION}. It was "
                f"written by ctrzoo {config.get('ctrzoo_version', '0.1.0')}; install it, or prepare the data again."
            )
        fields = (
            {RENAMED[key] if key in RENAMED else key: value for key, value in field.items()}
            for field in config["fields"]
        )
        return cls(fields, config["label"])

    def save(self, folder: Path) -> None:
        """Write `encoding.json`, and `vocabulary.parquet`: field, value, global id and count of each value."""
        folder = pathlib.Path(folder)
        config = {"ctrzoo_version": __version__, **self.to_dict(with_values=False)}
        (folder / ENCODING_FILE).write_text(json.dumps(config, indent=2), encoding="utf-8")
        tables = []
        for field, first in zip(self.fields, self.schema.first_ids, strict=True):
            counts = (
                field.counts if len(field.counts) else pl.repeat(None, len(field.values), dtype=pl.Int64, eager=True)
            )
            ids = field._lookup["id"] + (first - 1)
            columns = {"value": field.values, "id": ids, "count": counts}
            tables.append(pl.DataFrame(columns).select(pl.lit(field.name).alias("field"), pl.all()))
        pl.concat(tables).write_parquet(folder / VOCABULARY_FILE)

    @classmethod
    def load(cls, folder: Path) -> TableEncoding:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: If a file is missing.
            ValueError: If a file is damaged or of another format version.
        """
        folder = pathlib.Path(folder)
        for filename in (ENCODING_FILE, VOCABULARY_FILE):
            if not (folder / filename).is_file():
                raise FileNotFoundError(f"{folder / filename} is missing. Delete the folder and prepare it again.")
        try:
            config = json.loads((folder / ENCODING_FILE).read_text(encoding="utf-8"))
            table = pl.read_parquet(folder / VOCABULARY_FILE, glob=False)
        except (json.JSONDecodeError, pl.exceptions.PolarsError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"The encoding in {folder} is damaged ({reason}). Prepare the data again.") from None
        vocabularies = table.partition_by("field", as_dict=True)
        for field in config["fields"]:
            rows = vocabularies.get((field["name"],))
            if rows is not None:
                field.update(values=rows["value"], counts=rows["count"].drop_nulls())
        return cls.from_dict(config)


def to_global(local: np.ndarray, first_id: int) -> np.ndarray:
    """Turn local ids of a field into global ones; 0 stays 0."""
    return np.where(local > 0, local + np.int32(first_id - 1), 0).astype(np.int32, copy=False)


def numbers_of(cells: pl.Series) -> np.ndarray:
    """Return cells as float64, NaN where a cell is missing, empty or NaN.

    Raises:
        RowError: If a cell is not a finite number.
        ValueError: If the cells are lists or structures.
    """
    cells = plain_cells(cells)
    if cells.dtype == pl.String:
        cells = cells.str.strip_chars().replace("", None)
    numbers = cells.cast(pl.Float64, strict=False)
    values = numbers.fill_null(np.nan).to_numpy()
    wrong = np.isinf(values)
    if cells.null_count() < numbers.null_count():
        wrong |= (numbers.is_null() & cells.is_not_null()).to_numpy()
    if wrong.any():
        rows = np.flatnonzero(wrong)
        raise RowError(rows, f"column '{cells.name}' must hold finite numbers, not {cells[int(rows[0])]!r}")
    return values


def _finite(weights):
    """Return weights as float32; unlike a number, a weight cannot be missing."""
    with np.errstate(over="ignore"):
        numbers = numbers_of(weights).astype(np.float32)
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        raise RowError(wrong, f"column '{weights.name}' must hold finite numbers, not {weights[int(wrong[0])]!r}")
    return numbers


def texts_of(field: FieldEncoding, cells: pl.Series) -> pl.Series:
    """Return the categories of a categorical field as text, null where a cell is missing."""
    if field.transform:
        buckets = field.transformer.transform(numbers_of(cells))
        return pl.Series(buckets).fill_nan(None).cast(pl.Int64).cast(pl.String)
    return plain_texts(cells)


def plain_texts(cells: pl.Series) -> pl.Series:
    """Write cells as text, whole numbers without a point: columns with gaps hold 7 as 7.0, decimals as 7.00."""
    cells = plain_cells(cells)
    if cells.dtype.is_decimal():
        return cells.cast(pl.String).str.replace(r"(\.\d*?)0+$", "$1").str.strip_suffix(".")
    if cells.dtype == pl.String:
        return cells.replace("", None)
    if cells.dtype.is_float():
        whole = cells.is_finite() & (cells == cells.round()) & (cells.abs() < 2**63)
        numbers = cells.fill_nan(None)
        frame = pl.DataFrame({"whole": whole, "number": numbers})
        as_integer = pl.col("number").cast(pl.Int64, strict=False).cast(pl.String)
        text = pl.when("whole").then(as_integer).otherwise(pl.col("number").cast(pl.String))
        return frame.select(text.alias("text"))["text"]
    return cells.cast(pl.String).replace("", None)


def codes_of(texts: pl.Series | pa.Array) -> tuple[np.ndarray, pl.Series]:
    """Return `(codes, uniques)`: each text's index in a series of the different ones, null among them.

    Args:
        texts: A polars series or a `pyarrow.Array`.
    """
    encoded = (texts.to_arrow() if isinstance(texts, pl.Series) else texts).dictionary_encode(null_encoding="encode")
    return encoded.indices.to_numpy(zero_copy_only=False), pl.Series(encoded.dictionary, dtype=pl.String)


def tokens_of(field: FieldEncoding, cells: pl.Series) -> tuple[np.ndarray, pl.Series, np.ndarray | None]:
    """Split multi-valued cells.

    Returns:
        The number of values of each row `(rows,)`, the texts of all rows one after the other, and
        their weights (float32, None if the field has none). Empty values are left out.

    Raises:
        RowError: If a value is not text, or a weight not a finite number.
        ValueError: If a value is a list or structure itself.
    """
    if isinstance(cells.dtype, (pl.List, pl.Array)):
        lists = cells.cast(pl.List(cells.dtype.inner))
    else:
        lists = plain_texts(cells).str.split(field.separator)
    rows = pl.DataFrame({"row": np.arange(len(lists), dtype=np.int64), "token": lists})
    rows = rows.explode("token")
    try:
        rows = rows.with_columns(plain_texts(rows["token"].alias(cells.name)).alias("token")).drop_nulls("token")
    except RowError as error:
        raise RowError(np.unique(rows["row"].to_numpy()[error.rows]), error.reason) from None
    weights = None
    if field.is_weighted:
        parts = rows["token"].str.split_exact(field.weight_separator, 1).struct.unnest()
        rows = rows.with_columns(parts["field_0"].alias("token"))
        weights = parts["field_1"].alias(cells.name).fill_null("1")
        try:
            weights = _finite(weights)
        except RowError as error:
            raise RowError(np.unique(rows["row"].to_numpy()[error.rows]), f"weights: {error.reason}") from None
    lengths = np.bincount(rows["row"].to_numpy(), minlength=len(lists))
    return lengths, rows["token"], weights


def pad(
    lengths: np.ndarray, ids: np.ndarray, weights: np.ndarray | None, num_slots: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Put the ids of all rows, one after the other, into `(rows, num_slots)`, absent ones and the surplus left out.

    Returns:
        The ids `(rows, num_slots)` and the weights likewise, None if there are none.
    """
    rows = np.repeat(np.arange(len(lengths)), lengths)
    present = ids > 0
    rows, ids = rows[present], ids[present]
    # Position of each id among those of its row; rows are sorted.
    slots = np.arange(len(rows)) - np.searchsorted(rows, rows)
    kept = slots < num_slots
    table = np.zeros((len(lengths), num_slots), np.int32)
    table[rows[kept], slots[kept]] = ids[kept]
    if weights is None:
        return table, None
    padded = np.zeros((len(lengths), num_slots), np.float32)
    padded[rows[kept], slots[kept]] = weights[present][kept]
    return table, padded


def _farm_hash(texts, buckets):
    """Hash as TensorFlow and Keras do, so that a serving graph agrees."""
    import tensorflow as tf

    with tf.device("CPU:0"):
        return tf.strings.to_hash_bucket_fast(texts.fill_null("").to_list(), buckets).numpy()
