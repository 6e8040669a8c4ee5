"""The embedding tables of a model as Parquet: one row for each value of a field, with its vector."""

from __future__ import annotations

import pathlib
import typing
from typing import Any

import numpy as np
import polars as pl
from keras import ops

from ctrzoo.layers import FieldEmbedding

if typing.TYPE_CHECKING:
    from ctrzoo.model import CTRModel
    from ctrzoo.schema import Field, Schema

    from ...data_pipelines.encoding.fields import FieldEncoding, TableEncoding


def tables_of(model: CTRModel) -> dict[str, FieldEmbedding]:
    """Return the embedding tables of a model by the names of their files, such as `embedding` and `linear_weights`.

    Args:
        model: The model.

    Raises:
        ValueError: If it has none.
    """
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, FieldEmbedding)]
    found = {layer.table.path.removesuffix("/table").replace("/", "_"): layer for layer in layers}
    if not found or len(found) < len(layers):
        raise ValueError(f"The model '{model.name}' has no embedding tables with names of their own to export.")
    return found


def other_tables(model: CTRModel) -> list[str]:
    """Return the names of tables whose rows belong to no value of one field, such as hashed pairs of Poly2.

    Args:
        model: The model.
    """
    layers = [layer for layer in model._flatten_layers() if not isinstance(layer, (FieldEmbedding, type(model)))]
    paths = {weight.path for layer in layers for weight in layer.weights if weight.path.endswith("/table")}
    return sorted(path for path in paths if path not in {table.table.path for table in tables_of(model).values()})


def save_embeddings(layer: FieldEmbedding, encoding: TableEncoding | None, path: pathlib.Path) -> None:
    """Write the vectors of a table.

    The columns are `field`, `kind`, `value`, `id` (the global id in the data of the model) and `vector`. A field that
    shares the ids of another has no rows of its own. Kinds are:

    - `value`: a value of a vocabulary; `rare`: all values that are in no vocabulary; `bucket`: a hash or a quantile,
      counted from 1 in `value`; `unused`: an id that no value has yet.
    - `number`: a field of numbers, whose embedding is the scaled number times the vector; `component`: a number of a
      vector, counted from 1, whose embedding is the sum of such products.
    - `quotient` and `remainder`: rows of a compositional field, counted from 0. The vector of its `value` is the sum of
      both, and has no id.

    Args:
        layer: The built table.
        encoding: The encoding of the data; None calls each id `bucket`.
        path: The file to write.
    """
    table, first_ids = effective_table(layer), layer.schema.first_ids
    encoded = {field.name: field for field in encoding.fields} if encoding else {}
    parts = []
    for field, first in zip(layer.schema.fields, first_ids, strict=True):
        if field.share is None or field.share not in layer.schema.names:
            parts += _parts(field, encoded.get(field.name), first, _first_id(encoding, field, first), table)
    pl.concat(parts).write_parquet(path)


def effective_table(layer: FieldEmbedding) -> np.ndarray:
    """Return the rows that a table uses, `(ids, dim)`; those that are not trained are held apart from it."""
    table = np.array(ops.convert_to_numpy(layer.table), np.float32)
    if layer.fixed is None or layer.is_fixed is None:
        return table
    fixed, is_fixed = (np.asarray(ops.convert_to_numpy(each)) for each in (layer.fixed, layer.is_fixed))
    return np.where(is_fixed > 0, fixed, table).astype(np.float32)


def _first_id(encoding, field, first):
    """Return the first id of a field in the data; a part of a model may have fewer fields."""
    return encoding.schema.first_ids[encoding.schema.names.index(field.name)] if encoding else first


def _parts(field: Field, encoded: FieldEncoding | None, first: int, id_of_first: int, table: np.ndarray):
    """Return the rows of a field as frames."""
    rows = table[first : first + field.vocabulary_size]
    ids = id_of_first + np.arange(len(rows))
    numbers = [str(number) for number in range(1, len(rows) + 1)]
    if field.kind == "numerical":
        return [_frame(field, "number", [None], ids, rows)]
    if field.kind == "vector":
        return [_frame(field, "component", numbers, ids, rows)]
    if field.compositional is not None:
        return _compositional(field, encoded, ids, rows)
    if encoded is None or not encoded.uses_vocabulary:
        return [_frame(field, "bucket", numbers, ids, rows)]
    kinds, values = _values_of(encoded, len(rows))
    return [_frame(field, kinds, values, ids, rows)]


def _compositional(field, encoded, ids, rows):
    quotients = len(rows) - field.compositional
    parts = [
        _frame(field, "quotient", [str(n) for n in range(quotients)], ids[:quotients], rows[:quotients]),
        _frame(field, "remainder", [str(n) for n in range(field.compositional)], ids[quotients:], rows[quotients:]),
    ]
    if encoded is None or not encoded.uses_vocabulary:
        return parts  # hashes are too many to list
    kinds, values = _values_of(encoded, encoded.num_values)
    number = np.arange(len(values))
    vectors = rows[number // field.compositional] + rows[quotients + number % field.compositional]
    return [*parts, _frame(field, kinds, values, None, vectors)]


def _values_of(encoded, count):
    """Return kinds and values of the local ids of a field with a vocabulary, from the first on."""
    rare, known = int(encoded.has_oov_id), len(encoded.values)
    unused = count - rare - known
    kinds = ["rare"] * rare + ["value"] * known + ["unused"] * unused
    return kinds, [None] * rare + encoded.values.to_list() + [None] * unused


def _frame(field, kinds, values, ids, vectors):
    kinds = [kinds] * len(values) if isinstance(kinds, str) else kinds
    return pl.DataFrame(
        {
            "field": pl.Series([field.name] * len(values), dtype=pl.String),
            "kind": pl.Series(kinds, dtype=pl.String),
            "value": pl.Series(values, dtype=pl.String),
            "id": pl.Series([None] * len(values) if ids is None else ids, dtype=pl.Int64),
            "vector": pl.Series(np.asarray(vectors, np.float32), dtype=pl.Array(pl.Float32, vectors.shape[1])),
        }
    )


def pooling_all(layer: Any) -> Any:
    """Return a layer that pools every field: the layer itself, or a copy of one that returns sequences apart.

    Args:
        layer: An embedding layer.
    """
    if not getattr(layer, "apart", ()):
        return layer
    copy = type(layer).from_config({**layer.get_config(), "apart": ()})
    copy.build({name: (None, layer.schema.num_slots) for name in ("ids", "values")})
    copy.set_weights(layer.get_weights())
    return copy


def embed(path: pathlib.Path, schema: Schema, whole: Schema, features: dict[str, np.ndarray]) -> np.ndarray:
    """Embed rows by the vectors of a file, as `FieldEmbedding` says, `(rows, fields, dim)`.

    Args:
        path: The file.
        schema: The schema of the table.
        whole: The schema of the data, by whose ids the file and the features are.
        features: `{"ids", "values"}`, each `(rows, slots of the data)`.
    """
    written = pl.read_parquet(path).drop_nulls("id")
    vectors = written["vector"].to_numpy()
    table = np.zeros((whole.num_ids, vectors.shape[1]), np.float32)
    table[written["id"].to_numpy()] = vectors
    owners, embedded = np.asarray(whole.slot_fields), []
    for field in schema.fields:
        slots = np.flatnonzero(owners == whole.names.index(field.name))
        values = features["values"][:, slots, None]
        if field.kind == "sequence" and field.pooling == "mean":
            values = values / np.maximum(np.count_nonzero(values, axis=1, keepdims=True), 1)
        terms = values * table[features["ids"][:, slots]]
        if field.pooling == "max":
            largest = np.where(values != 0, terms, -np.inf).max(axis=1)
            embedded.append(np.where(np.any(values != 0, axis=1), largest, 0))
        else:
            embedded.append(terms.sum(axis=1))
    return np.stack(embedded, axis=1)


def features_of_part(schema: Schema, whole: Schema, features: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the features of a part of the fields, by its own ids.

    Args:
        schema: The schema of the part.
        whole: The schema of the features.
        features: `{"ids", "values"}`, each `(rows, slots)`.
    """
    ids, values, owners = [], [], np.asarray(whole.slot_fields)
    for field, first in zip(schema.fields, schema.first_ids, strict=True):
        index = whole.names.index(field.name)
        slots = np.flatnonzero(owners == index)
        own = features["ids"][:, slots]
        ids.append(np.where(own > 0, own + (first - whole.first_ids[index]), 0))
        values.append(features["values"][:, slots])
    return {"ids": np.concatenate(ids, axis=1).astype(np.int32), "values": np.concatenate(values, axis=1)}
