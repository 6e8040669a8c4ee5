"""One field: its specification with what was fitted, and the code that applies both."""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from ctrzoo.schema import Field
from ctrzoo.suggest import unknown

from ..errors import RowError
from .slots import composed, to_global
from .specification import FieldSpecification, rows_of
from .transforms import TRANSFORMS, Transform
from .value_index import ValueIndex

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config

# The largest number that can be stored.
LARGEST = np.finfo(np.float32).max
# In so many values, fewer texts are searched by an index, which is kept. Elsewhere, they are joined with all values.
LARGE_VOCABULARY = 100_000
# Fitted by `ctrzoo.data_pipelines.prepare`; a user does not write them down.
FITTED = ("values", "counts", "offset", "scale", "boundaries")
# Keys of version 0.1.0, which prepared folders and saved models may still hold.
RENAMED = {"rare": "oov", "running": "assign_ids_online"}


@dataclasses.dataclass(frozen=True, eq=False)
class FieldEncoding(FieldSpecification):
    """How one column becomes ids or numbers.

    Local ids of a field are counted from 1; 0 is absent. An out-of-vocabulary (OOV) id, if the field has one, is 1 and
    the values follow; else the first value is 1. A global id is the local id plus the field's first id, minus 1.

    Args:
        name: Name of the field. It and the arguments up to `assign_ids_online` are those of `FieldSpecification`.
        values: Fitted: the texts that have an id of their own, in the order of ids, as a series of strings. Null is an
            id that is free, because its value was dropped.
        counts: Fitted: how often each value occurs in the rows of the fit.
        offset: Fitted: subtracted from a number after the curve of the transform, such as `log1p`.
        scale: Fitted: divides the difference.
        boundaries: Fitted: where the next of the quantile buckets begins, rising.

    Raises:
        ValueError: If an argument is none of these or does not fit the kind.

    >>> FieldEncoding("price", "numerical", transform="log1p").schema_field().vocabulary_size
    1
    """

    values: pl.Series = dataclasses.field(default_factory=lambda: pl.Series(dtype=pl.String))
    counts: pl.Series = dataclasses.field(default_factory=lambda: pl.Series(dtype=pl.Int64))
    offset: float = 0.0
    scale: float = 1.0
    boundaries: tuple[float, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "boundaries", tuple(self.boundaries))
        super().__post_init__()
        for key, dtype in (("values", pl.String), ("counts", pl.Int64)):
            object.__setattr__(self, key, pl.Series(getattr(self, key), dtype=dtype))

    @functools.cached_property
    def transformer(self) -> Transform:
        """The object that does what `transform` names, in its fitted state."""
        return TRANSFORMS[self.transform](self.offset, self.scale, self.boundaries, self.num_buckets)

    def unfitted(self) -> FieldEncoding:
        """Return the specification without the fitted state."""
        config = {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}
        return FieldEncoding(**{key: value for key, value in config.items() if key not in FITTED})

    def schema_field(self) -> Field:
        """Return the `Field` of the schema."""
        if self.kind == "numerical":
            return Field(self.name, "numerical")
        if self.kind == "vector":
            length = len(self.columns) or self.length or 1
            return Field(self.name, "vector", length, length)
        slots = (self.max_values or 1) if self.holds_several else 1
        field = Field(self.name, self.kind, 1, slots, self.pooling, self.is_weighted, self.share, self.cross)
        field = dataclasses.replace(field, events=self.events)
        if self.compositional is None:
            return dataclasses.replace(field, vocabulary_size=self.num_values)
        quotients, remainders = rows_of(self.num_values, self.compositional)
        size = quotients + remainders
        return dataclasses.replace(field, vocabulary_size=size, num_slots=2 * slots, compositional=remainders)

    @property
    def num_values(self) -> int:
        """The number of local ids: of values, of rare ones together, and of those that no value has."""
        if self.hash_buckets:
            size = self.hash_buckets
        elif self.makes_ids:
            size = self.transformer.num_ids + (self.missing != "absent")
        else:
            size = self.has_oov_id + len(self.values)
        return max(size + self.unused_ids, 1)

    def global_ids(self, local: np.ndarray, first_id: int) -> np.ndarray:
        """Turn local ids `(rows, values)` into global ones, int32 `(rows, slots)`."""
        if self.compositional is None:
            return to_global(local, first_id)
        return composed(local, first_id, *rows_of(self.num_values, self.compositional))

    def weights_of_slots(self, weights: np.ndarray) -> np.ndarray:
        """Return the weights of values `(rows, values)` for each slot."""
        return weights if self.compositional is None else np.tile(weights, 2)

    def local_ids(self, texts: pl.Series) -> np.ndarray:
        """Return the local id of each text, `(texts,)`; null is a missing cell.

        It is int32, but int64 for a compositional field, which may have more ids than a table has rows.

        Args:
            texts: A series of strings.
        """
        texts = self.canonical(texts)
        missing = texts.is_null().to_numpy()
        if self.missing == "category":
            texts, missing = texts.fill_null(""), False
        if self.hash_buckets:
            ids = 1 + hash_texts(self.cell_type.hash_texts(texts), self.hash_buckets)
        else:
            ids = self._ids_of_known(texts)
        return np.where(missing, 0, ids).astype(np.int32 if self.compositional is None else np.int64)

    def canonical(self, texts: pl.Series) -> pl.Series:
        """Return the one text of each value; null for those that stand for a missing cell, in whatever way."""
        written = self.cell_type.canonical(texts)
        if not self.missing_texts or self.reads_times or self.reads_numbers:  # the cells had other texts
            return written
        markers = self.cell_type.canonical(pl.Series(self.missing_texts, dtype=pl.String))
        return written.set(written.is_in(markers.implode()).fill_null(False), None)

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
            values = self.values.fill_null("(unused)")
            names = [None, *["(rare)"] * self.has_oov_id, *values, *["(unused)"] * self.unused_ids]
            return pl.Series(names, dtype=pl.String).gather(local_ids)
        ids = pl.Series(np.asarray(local_ids, np.int64))
        return pl.select(pl.when(ids > 0).then(pl.format("#{}", ids))).to_series()

    @functools.cached_property
    def known_values(self) -> pl.DataFrame:
        """The values that have an id of their own, as the columns `text` and `id`, which is local."""
        return self._ids_of_values.drop_nulls("text")

    def _ids_of_known(self, texts):
        """Return the id of each text that is a value, and of all others the OOV id or 0."""
        unknown_id = 1 if self.has_oov_id else 0
        known = self.known_values
        if len(known) < LARGE_VOCABULARY or len(known) < len(texts):
            found = texts.to_frame("text").join(known, on="text", how="left", maintain_order="left")["id"]
            return found.fill_null(unknown_id).to_numpy()
        places = self._index.places(texts)
        return np.where(places < 0, unknown_id, known["id"].to_numpy()[places])

    @functools.cached_property
    def _index(self):
        return ValueIndex(self.known_values["text"])

    @functools.cached_property
    def _ids_of_values(self):
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


def hash_texts(texts: pl.Series, buckets: int) -> np.ndarray:
    """Hash texts as TensorFlow and Keras do (FarmHash64), so that a serving graph agrees; null is the empty text.

    Args:
        texts: A series of strings.
        buckets: Number of hashes.

    Returns:
        int64 `(texts,)`, from 0 to `buckets - 1`.
    """
    import tensorflow as tf

    with tf.device("CPU:0"):
        return tf.strings.to_hash_bucket_fast(texts.fill_null("").to_list(), buckets).numpy()
