"""The fields of a table: how its raw cells become ids and numbers, and what of that is stored.

Every prepared folder holds a `TableEncoding`, so that later text and numbers, such as those at serving time, get the
ids and numbers of the training rows. It knows no other file formats, and of models only the `Schema`.
"""

from __future__ import annotations

import json
import pathlib
import typing
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import polars as pl

from ctrzoo import __version__
from ctrzoo.schema import Schema
from ctrzoo.suggest import unknown

from .cells import codes_of, numbers_of, present, tokens_of
from .crossing import coded, crossed
from .dense import matrix_of, stored_matrix
from .features import assemble
from .field import RENAMED, FieldEncoding
from .growing import same_ids_of_fields
from .histories import check_histories, columns_of_histories, pad_events
from .labels import Label
from .roles import Roles
from .sharing import with_shared_values
from .slots import decomposed, pad
from .unknown import Unknown, unknown_of, warn_of_unknown
from .vectors import Matched, match_vectors

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config, Path

    from .labels import LabelValues

__all__ = ["FieldEncoding", "TableEncoding"]

FORMAT_VERSION = 1
ENCODING_FILE = "encoding.json"
VOCABULARY_FILE = "vocabulary.parquet"
# What reading damaged files raises: they are not JSON, hold other keys or types, or make polars panic.
DAMAGES = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
)


class TableEncoding:
    """How the columns of a table become the ids and numbers of a `Schema`.

    Args:
        fields: `FieldEncoding` objects or mappings of their arguments, in model order.
        label: Name of the label column.
        positive: The values of the label that are positive; see `Label`.
        negative: The values of the label that are negative.
        roles: The `Roles` of the columns that are not fields, in place of the three arguments before.
        table: How the files of the table are written, see `ctrzoo.data_pipelines.raw.layout`; empty if unknown.

    Raises:
        ValueError: If a field is wrong, a name occurs twice, or fields share ids but differ in what makes ids.

    >>> city = FieldEncoding("city", values=["Oslo", "Rome"])
    >>> tags = FieldEncoding("tags", "multivalued", values=["a", "b"], max_values=2)
    >>> encoding = TableEncoding([city, FieldEncoding("price", "numerical"), tags])
    >>> ids, numbers = encoding.encode(pl.DataFrame({"city": ["Rome"], "price": [2.5], "tags": ["b|a"]}))
    >>> ids.tolist(), numbers.tolist()
    ([[2, 5, 4]], [[2.5]])
    """

    def __init__(
        self,
        fields: Iterable[FieldEncoding | Mapping[str, Any]],
        label: str = "label",
        positive: LabelValues = (),
        negative: LabelValues = (),
        roles: Roles | None = None,
        table: Mapping[str, Any] | None = None,
    ):
        self.fields = with_shared_values(
            field if isinstance(field, FieldEncoding) else FieldEncoding.from_dict(field) for field in fields
        )
        check_histories(self.fields)
        self.roles = roles or Roles(Label(label, positive, negative))
        self.table = dict(table or {})
        self.label = self.roles.label_column
        self.positive, self.negative = self.roles.the_label.values
        # Finds names that occur twice.
        self.schema = Schema(tuple(field.schema_field() for field in self.fields), self.label)

    def encode(self, frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return `(ids, numbers)` of a polars frame: what a `Block` stores, without its labels.

        Args:
            frame: A frame with the columns of all fields. Categorical cells may be text, numbers or
                booleans (7 and 7.0 are the text "7"); numbers may be text; multi-valued cells and vectors
                may be lists or text. Null, NaN and empty text are missing.

        Returns:
            Global ids, int32 `(rows, stored slots)`, and numbers, float32 `(rows, numerical fields,
            numbers of vectors and weighted slots)`.

        Raises:
            ValueError: If it is not a polars frame, or a column is missing.
            RowError: If a cell is not a finite number where one must be, or a vector of another length.

        Warns:
            UserWarning: If values are not of the type of their field, or fewer than 10 % of at least 100 values of a
                field are known from the training rows.
        """
        if not isinstance(frame, pl.DataFrame):
            raise ValueError(
                f"`encode` takes a polars frame. Received: {type(frame).__module__.split('.')[0]} "
                f"{type(frame).__name__}. Turn a pandas frame into one by `polars.from_pandas(frame)`."
            )
        ids, numbers, counts = self.encode_and_count(frame)
        warn_of_unknown(counts)
        return ids, numbers

    def encode_and_count(self, frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray, list[Unknown]]:
        """Return what `encode` returns, and the unknown values of each field that has some sort of vocabulary.

        Args:
            frame: As in `encode`.

        Raises:
            ValueError: As in `encode`.
            RowError: As in `encode`.

        >>> encoding = TableEncoding([FieldEncoding("city", values=["Oslo", "Rome"])])
        >>> encoding.encode_and_count(pl.DataFrame({"city": ["Rome", "Paris"]}))[2]
        [Unknown(field='city', values=2, unknown=1, misfits=0, example='Paris', type='text')]
        """
        ids, numbers = [np.empty((len(frame), 0), np.int32)], [np.empty((len(frame), 0), np.float32)]
        counts, cells = [], {}
        for field in self.fields:
            for column in field.raw_columns:
                if column not in frame.columns:
                    raise ValueError(unknown("column", column, frame.columns))
            if field.column is not None and field.kind != "vector":
                cells[field.name] = frame[field.column]
        names = {part for field in self.fields for part in field.cross}
        parts = {field.name: coded(field, cells[field.name]) for field in self.fields if field.name in names}
        events = self._events(cells)
        for field, first in zip(self.fields, self.schema.first_ids, strict=True):
            if field.kind == "vector":
                matrix = matrix_of(field, [frame[column] for column in field.raw_columns])
                numbers.append(stored_matrix(matrix, field.schema_field().num_slots))
                continue
            if field.kind == "numerical":
                numbers.append(field.stored_numbers(numbers_of(present(field, cells[field.name])))[:, None])
                continue
            if field.kind == "categorical":
                local = self._categories(field, cells, parts, counts)[:, None]
            elif field.kind == "sequence":
                local, unknown_events = events[field.name]
                counts.append(unknown_events)
            else:
                lengths, texts, weights = tokens_of(field, cells[field.name])
                codes, uniques = codes_of(texts)
                ids_of = field.local_ids(uniques)
                counts.append(unknown_of(field, codes, uniques, ids_of))
                local, weights = pad(lengths, ids_of[codes], weights, field.max_values or 1, field.keep)
                if weights is not None:
                    numbers.append(field.weights_of_slots(weights))
            ids.append(field.global_ids(local, first))
        return np.concatenate(ids, axis=1), np.concatenate(numbers, axis=1), counts

    def features(self, frame: pl.DataFrame) -> dict[str, np.ndarray]:
        """Return a polars frame as the features of a model, for `model.predict(encoding.features(frame))`.

        Args:
            frame: As in `encode`.

        Returns:
            `{"ids": int32 (rows, slots), "values": float32 (rows, slots)}`.

        Raises:
            ValueError: As in `encode`.
        """
        import tensorflow as tf

        with tf.device("CPU:0"):
            return {name: tensor.numpy() for name, tensor in assemble(self.schema, *self.encode(frame)).items()}

    def vectors(self, field: str, source: Path | Mapping[Any, Any]) -> Matched:
        """Return pretrained vectors of the values of a field, with global ids; see `match_vectors`.

        Args:
            field: Name of the field.
            source: `{value: vector}`, or the path of a file; see `read_vectors`.

        Raises:
            ValueError: If the field is unknown or has no vocabulary, or no value matches.
        """
        if field not in self.schema.names:
            raise ValueError(unknown("field", field, self.schema.names))
        index = self.schema.names.index(field)
        return match_vectors(self.fields[index], self.schema.first_ids[index], source)

    def same_ids(self, earlier: TableEncoding) -> dict[str, np.ndarray]:
        """Return, for each field, which local id each of its ids had in an earlier encoding: that of the same value.

        Args:
            earlier: The earlier encoding.

        Returns:
            By field, the earlier local ids of the ids 1, 2, ..., `(num_values,)`. -1 is a new value; -2 is one whose id
            another value had.

        Raises:
            ValueError: If the fields differ in more than their vocabularies.
        """
        return same_ids_of_fields(self.fields, earlier.fields)

    def _events(self, cells):
        """Return, for each sequence, its local ids `(rows, slots)` and its unknown values."""
        found = {}
        for places in columns_of_histories(self.fields).values():
            fields, lengths, ids, counts = [self.fields[place] for place in places], [], [], []
            for field in fields:
                own_lengths, texts, _ = tokens_of(field, cells[field.name])
                codes, uniques = codes_of(texts)
                ids_of = field.local_ids(uniques)
                lengths.append(own_lengths)
                ids.append(ids_of[codes])
                counts.append(unknown_of(field, codes, uniques, ids_of))
            padded = pad_events(fields, lengths, ids, fields[0].max_values or 1)
            found |= {field.name: pair for field, *pair in zip(fields, padded, counts, strict=True)}
        return found

    def _categories(self, field, cells, parts, counts):
        if field.cross:  # its parts are warned of; combinations that are new are no surprise
            codes, texts = crossed(field, self.fields, parts)
            return field.local_ids(texts)[codes]
        if field.makes_ids:
            return field.bucket_ids(numbers_of(present(field, cells[field.name])))
        codes, texts = parts.get(field.name) or coded(field, cells[field.name])
        ids = field.local_ids(texts)
        counts.append(unknown_of(field, codes, texts, ids))
        return ids[codes]

    def decode(self, ids: np.ndarray, numbers: np.ndarray) -> pl.DataFrame:
        """Return a polars frame of what stored ids and numbers mean, to look at.

        Args:
            ids: Global ids, int32 `(rows, stored slots)`.
            numbers: float32 `(rows, numerical fields, numbers of vectors and weighted slots)`.

        Returns:
            A column per field: the text of a category (null if it is absent, `"(rare)"`, `"#3"` for the third hash
            or quantile bucket), a number (as it was, but `log_squared` and missing numbers stay as stored), a list of
            texts, a list of the numbers of a vector. Weights are left out. In a sequence,
            null is an event whose value is not known; those of the newest events are left out.
        """
        columns, slot, number = [], 0, 0
        for field, first, shape in zip(self.fields, self.schema.first_ids, self.schema.fields, strict=True):
            if field.kind == "numerical":
                columns.append(pl.Series(field.name, field.transformer.inverse_transform(numbers[:, number])))
                number += 1
                continue
            if field.kind == "vector":
                vectors = numbers[:, number : number + shape.num_slots]
                columns.append(pl.Series(field.name, list(vectors), dtype=pl.List(pl.Float32)))
                number += shape.num_slots
                continue
            local = ids[:, slot : slot + shape.num_slots]
            if shape.compositional is not None:
                local = decomposed(local, first, shape.vocabulary_size - shape.compositional, shape.compositional)
            else:
                local = np.where(local > 0, local - (first - 1), 0)
            texts = field.texts(local.ravel())
            if field.holds_several:
                texts = texts.reshape((-1, shape.values_per_row)).arr.to_list()
                texts = texts.list.drop_nulls() if field.kind == "multivalued" else _without_padding(texts, local)
            columns.append(texts.alias(field.name))
            slot += shape.num_slots
            number += shape.num_slots if shape.weighted else 0
        return pl.DataFrame(columns)

    def to_dict(self, with_values: bool = True) -> Config:
        """Return the encoding as plain dictionaries and lists; `with_values=False` leaves vocabularies out."""
        fields = [field.to_dict(with_values and field.share is None) for field in self.fields]
        label = self.roles.the_label
        values = {"positive": list(label.values[0]), "negative": list(label.values[1])}
        named: Config = {key: texts for key, texts in values.items() if texts}
        if self.roles != Roles(Label(label.column, *label.values)):  # files of earlier versions have no roles
            named["roles"] = self.roles.describe()
        if self.table:
            named["table"] = self.table
        return {"format_version": FORMAT_VERSION, "label": self.label, **named, "fields": fields}

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
        roles = Roles.from_dict(config["roles"]) if "roles" in config else None
        table = dict(config.get("table", {}))
        return cls(fields, config["label"], config.get("positive", ()), config.get("negative", ()), roles, table)

    def save(self, folder: Path) -> None:
        """Write `encoding.json`, and `vocabulary.parquet`: field, value, global id and count of each value.

        A value of a compositional field has two ids, so that none is written.

        Values of a field that shares ids are those of the field it names, and are written once.
        """
        folder = pathlib.Path(folder)
        config = {"ctrzoo_version": __version__, **self.to_dict(with_values=False)}
        (folder / ENCODING_FILE).write_text(json.dumps(config, indent=2), encoding="utf-8")
        tables = []
        for field, first in zip(self.fields, self.schema.first_ids, strict=True):
            if field.share is not None:
                continue
            counts = (
                field.counts if len(field.counts) else pl.repeat(None, len(field.values), dtype=pl.Int64, eager=True)
            )
            ids = field._ids_of_values["id"] + (first - 1)
            if field.compositional is not None:  # each value has two
                ids = pl.repeat(None, len(ids), dtype=ids.dtype, eager=True)
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
            vocabularies = table.partition_by("field", as_dict=True)
            for field in config["fields"]:
                rows = vocabularies.get((field["name"],))
                if rows is not None:
                    field.update(values=rows["value"], counts=rows["count"].drop_nulls())
        except DAMAGES as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise ValueError(f"The encoding in {folder} is damaged ({reason}). Prepare the data again.") from None
        try:
            return cls.from_dict(config)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"The encoding in {folder} is damaged ({error}). Prepare the data again.") from None


def _without_padding(lists, local):
    """Return lists up to their last value that is not absent."""
    slots = np.arange(1, local.shape[1] + 1)
    kept = pl.Series("kept", (slots * (local > 0)).max(axis=1, initial=0))
    return pl.DataFrame([lists.alias("list"), kept]).select(pl.col("list").list.head(pl.col("kept")))["list"]
