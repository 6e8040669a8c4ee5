"""Start the embeddings of a field from pretrained vectors."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any

from ctrzoo.layers import FieldEmbedding

if typing.TYPE_CHECKING:
    from ctrzoo.model import CTRModel
    from ctrzoo.types import Path


class Loaded(typing.NamedTuple):
    """What `load_pretrained` did.

    Args:
        matched: Number of values of the field that have a vector.
        unmatched: Number of vectors whose value is not one of the field.
        without: Number of values of the field without a vector; they keep their initial rows.
        tables: The paths of the tables that were set.
    """

    matched: int
    unmatched: int
    without: int
    tables: tuple[str, ...]


def load_pretrained(
    model: CTRModel, encoding: Any, field: str, vectors: Path | Mapping[Any, Any], trainable: bool = True
) -> Loaded:
    """Set the rows of a field's values in every embedding table whose width is that of the vectors.

    All other rows keep their values. Call it before the model is trained, exported or explained. A saved model holds
    the rows and which of them are trained; a copy from the model's configuration does not.

    Args:
        model: The model.
        encoding: The `TableEncoding` of its data, such as `load(folder).encoding`, or a fitted `FrameEncoder`.
        field: Name of a field whose values are counted. Fields that share its ids share the rows too.
        vectors: `{value: vector}`, or the path of a file: `.npz` with the arrays `values` and `vectors`, `.parquet`
            with the columns `value` and `vector`, or text as word2vec writes it.
        trainable: Whether the matched rows are trained. Otherwise they stay bit for bit the same, with every optimizer
            and penalty, and all other rows are trained. Each lookup then reads two more tables.

    Returns:
        The numbers of matched and unmatched values, and the tables.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If no value matches, vectors differ in length, no table has their width, or the encoding is of
            another schema. The model then stays as it was.

    >>> from ctrzoo import models
    >>> from ctrzoo.data_pipelines.encoding.fields import FieldEncoding, TableEncoding
    >>> encoding = TableEncoding([FieldEncoding("city", values=["Oslo", "Rome"]), FieldEncoding("age", "numerical")])
    >>> model = models.build("fm", encoding.schema, embedding_dim=2)
    >>> load_pretrained(model, encoding, "city", {"Rome": [1, 2], "Bonn": [3, 4]})
    Loaded(matched=1, unmatched=1, without=1, tables=('embedding/table',))
    """
    encoding = getattr(encoding, "encoding", encoding)
    differences = model.schema.differences(encoding.schema)
    if differences:
        raise ValueError(
            f"The model '{model.name}' was built for a schema that differs from the encoding's: "
            f"{'; '.join(differences[:3])} (model and encoding). Use the encoding of the model's training data."
        )
    found = encoding.vectors(field, vectors)
    width = found.vectors.shape[1]
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, FieldEmbedding)]
    layers = [layer for layer in layers if field in layer.schema.names]
    chosen = [layer for layer in layers if layer.dim == width]
    if not chosen:
        widths = ", ".join(str(dim) for dim in sorted({layer.dim for layer in layers})) or "none"
        raise ValueError(
            f"The vectors have {width} numbers, but the embedding tables of the model '{model.name}' have {widths}. "
            "Build the model with that `embedding_dim`."
        )
    for layer in chosen:  # a part of a model may have fewer fields, whose ids differ then
        layer.set_rows(found.ids + _first_id(layer, field) - _first_id(model, field), found.vectors, trainable)
    # Graphs that were traced before do not read rows that are not trained.
    model.train_function = model.test_function = model.predict_function = None
    return Loaded(len(found.ids), found.unmatched, found.without, tuple(layer.table.path for layer in chosen))


def _first_id(part, field):
    return part.schema.first_ids[part.schema.names.index(field)]
