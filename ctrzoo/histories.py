"""What models of histories share: the events and the candidate of each history, and the head on top."""

from __future__ import annotations

import typing
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from ctrzoo.layers import MLP, FieldEmbedding, LinearLogit, PairwiseInteraction
from ctrzoo.schema import Schema
from ctrzoo.types import Activation, DType, Features, Tensor


class History(typing.NamedTuple):
    """A history and the candidate that it is compared with.

    Args:
        name: Name of the history.
        events: Embeddings of its events, the columns joined, `(batch, slots, size)`; zero where absent.
        candidate: Embeddings of the fields whose ids the columns share, joined in the same order, `(batch, size)`.
        mask: Booleans `(batch, slots)`, in which slots a column has an event.
    """

    name: str
    events: Tensor
    candidate: Tensor
    mask: Tensor


def embed_histories(
    schema: Schema, features: Features, embedding_dim: int, embedding_l2: float = 0.0, dtype: DType = None
) -> tuple[Tensor, list[History]]:
    """Embed all fields and the events of all histories, with one lookup.

    Args:
        schema: The `Schema`; each of its sequences shares the ids of a field, the candidate.
        features: What `feature_inputs(schema)` returned.
        embedding_dim: Size of an embedding vector.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        dtype: Dtype policy of the layers.

    Returns:
        The fields that are no sequences, `(batch, fields, dim)`, and the histories.

    Raises:
        ValueError: If the schema has no sequence, or one that shares no ids.
    """
    if not schema.histories:
        raise ValueError(
            "The model reads histories, and the schema has none: no field of it is a sequence. Add one, or take a "
            "model that needs none."
        )
    by_name = {field.name: field for field in schema.fields}
    sequences = [name for columns in schema.histories.values() for name in columns]
    kinds = {None: "sequence", **{name: field.kind for name, field in by_name.items()}}
    own = [name for name in sequences if kinds[by_name[name].share] == "sequence"]
    if own:
        raise ValueError(
            f"The model compares events with the candidate, so the sequence '{own[0]}' needs `share`: the name of the "
            "candidate's field, which is no sequence and whose ids it uses. Models that pool events need none."
        )
    embedded, *events = FieldEmbedding(
        schema, embedding_dim, l2=embedding_l2, apart=sequences, dtype=dtype, name="embedding"
    )(features)
    of_column = dict(zip(sequences, events, strict=True))
    fields = [name for name in schema.names if name not in sequences]
    histories = []
    for name, columns in schema.histories.items():
        candidates = [fields.index(str(by_name[column].share)) for column in columns]
        histories.append(
            History(
                name,
                _joined([of_column[column] for column in columns]),
                _joined([embedded[:, index] for index in candidates]),
                event_mask(schema, features, columns),
            )
        )
    return embedded, histories


def event_mask(schema: Schema, features: Features, columns: Sequence[str]) -> Tensor:
    """Return which slots of a history have an event in any of its columns, booleans `(batch, slots)`."""
    owners, masks = np.asarray(schema.slot_fields), []
    for column in columns:
        slots = np.flatnonzero(owners == schema.names.index(column))
        masks.append(features["values"][:, slots[0] : slots[-1] + 1] != 0)
    return masks[0] if len(masks) == 1 else ops.any(ops.stack(masks), axis=0)


def head(
    schema: Schema,
    features: Features,
    embedded: Tensor,
    parts: Sequence[Tensor],
    *,
    units: Sequence[int],
    activation: Activation,
    dropout: float,
    batch_norm: bool,
    batch_norm_momentum: float,
    l2: float,
    use_fm: bool,
    linear_l2: float,
    dtype: DType,
) -> Tensor:
    """Return the logit `(batch, 1)`: an MLP on the fields and what comes from the histories, and an FM on request.

    Args:
        schema: The `Schema`.
        features: What `feature_inputs(schema)` returned.
        embedded: The fields that are no sequences, `(batch, fields, dim)`.
        parts: Vectors `(batch, size)` that the MLP gets too, after the fields.
        units: Widths of the hidden layers of the MLP.
        activation: Their activation.
        dropout: Share of their outputs dropped in training.
        batch_norm: Whether to batch-normalize them.
        batch_norm_momentum: Momentum of its moving statistics, and of those of Dice.
        l2: Strength of the penalty on their kernels.
        use_fm: Whether to add the logit of a factorization machine on the fields that are no sequences.
        linear_l2: Strength of the penalty on its linear weights.
        dtype: Dtype policy of the layers.
    """
    flat = keras.layers.Flatten(dtype=dtype, name="flat_embedding")(embedded)
    logit = MLP(
        units,
        output_dim=1,
        activation=activation,
        dropout=dropout,
        batch_norm=batch_norm,
        batch_norm_momentum=batch_norm_momentum,
        l2=l2,
        dtype=dtype,
        name="deep",
    )(_joined([flat, *parts]))
    if not use_fm:
        if linear_l2:
            raise ValueError(f"`linear_l2` is for the linear weights of `use_fm`. Received: {linear_l2} without it.")
        return logit
    others, of_others = _without_sequences(schema, features)
    # The MLP's output layer has a bias; one is enough.
    linear = LinearLogit(others, use_bias=False, l2=linear_l2, dtype=dtype, name="linear")(of_others)
    return logit + linear + PairwiseInteraction(dtype=dtype, name="pairwise")(embedded)


def _joined(parts):
    return parts[0] if len(parts) == 1 else ops.concatenate(list(parts), axis=-1)


def _without_sequences(schema, features):
    """Return the fields that are no sequences as a schema, and their features with the ids of that schema."""
    kept = [index for index, field in enumerate(schema.fields) if field.kind != "sequence"]
    others = Schema(tuple(schema.fields[index] for index in kept), schema.label)
    slots = np.asarray([slot for slot, owner in enumerate(schema.slot_fields) if owner in kept])
    lower = np.asarray(schema.first_ids)[kept] - np.asarray(others.first_ids)
    lower = lower[np.asarray(others.slot_fields)].astype("int32")
    ids = ops.maximum(ops.take(features["ids"], slots, axis=1) - lower, 0)  # an absent one is 0 and stays 0
    return others, {"ids": ids, "values": ops.take(features["values"], slots, axis=1)}
