"""The same models in plain Keras: one Embedding layer per field, and dense Adam."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from ctrzoo.model import CTRModel
from ctrzoo.schema import Schema
from ctrzoo.types import Features, Shape, Tensor

from .... import models
from ..keras_calls import calls_of, limit_threads
from .replaced_layers import replaced_layers

if TYPE_CHECKING:
    from ..work import Work


class FieldTables(keras.layers.Layer):
    """Embed every field with its own layer; a drop-in replacement for `FieldEmbedding`.

    Args:
        schema: The `Schema`.
        dim: Size of an embedding vector.
        embeddings_initializer: Initial values of the tables.
        l2: Not supported, must be 0.
        embeddings_regularizer: Not supported, must be None.
        **kwargs: Arguments common to all layers.
    """

    def __init__(
        self,
        schema: Schema,
        dim: int,
        embeddings_initializer: keras.Initializer | str | None = None,
        l2: float = 0.0,
        embeddings_regularizer: None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if l2 or embeddings_regularizer:
            raise ValueError(f"This baseline does not support a penalty. Received: {l2=}, {embeddings_regularizer=}.")
        self.schema, self.dim = schema, dim
        initializer = embeddings_initializer or keras.initializers.RandomNormal(stddev=0.01)
        table: Any = keras.layers.Embedding  # Keras' hint for the initializer allows only text
        self.tables = [table(field.vocabulary_size, dim, initializer, name=field.name) for field in schema.fields]

    def build(self, input_shape: Mapping[str, Shape]) -> None:
        for table in self.tables:
            table.build()

    def call(self, features: Features) -> Tensor:
        vectors, slot = [], 0
        for number, (field, table) in enumerate(zip(self.schema.fields, self.tables, strict=True)):
            slots = slice(slot, slot + field.num_slots)
            ids = ops.maximum(features["ids"][:, slots] - self.schema.first_ids[number], 0)
            vectors.append(ops.sum(table(ids) * features["values"][:, slots, None], axis=1))
            slot += field.num_slots
        return ops.stack(vectors, axis=1)

    def compute_output_shape(self, input_shape: Mapping[str, Shape]) -> Shape:
        return (input_shape["ids"][0], self.schema.num_fields, self.dim)


def build(name: str, schema: Schema, **hyperparameters: Any) -> CTRModel:
    """Build a model of the zoo on `FieldTables`."""
    with replaced_layers(FieldEmbedding=FieldTables):
        return models.build(name, schema, **hyperparameters)


def prepare(work: Work) -> Callable[[int], object]:
    """Return the function to time; see `keras_calls.calls_of`."""
    limit_threads(work)
    model = build(work.zoo_model, work.make_schema(), **work.hyperparameters)
    return calls_of(model, keras.optimizers.Adam(1e-3), work)
