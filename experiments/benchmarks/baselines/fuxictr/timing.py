"""Times FuxiCTR's training step and its prediction, on the same rows as the others."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from fuxictr.features import FeatureMap

from ctrzoo.schema import Schema

from ...shapes import by_field, random_rows
from . import classic, gated, histories, pairs, stacked

if TYPE_CHECKING:
    from ...work import Work


BATCHES_IN_MEMORY = 16
MODELS = {**classic.MODELS, **pairs.MODELS, **gated.MODELS, **stacked.MODELS, **histories.MODELS}


def feature_map_of(schema: Schema) -> FeatureMap:
    """Describe the fields in FuxiCTR's format."""
    feature_map = FeatureMap("benchmark", ".")
    for field in schema.fields:
        specification = {"type": "numeric", "source": ""}
        if field.kind != "numerical":
            kind = "categorical" if field.kind == "categorical" else "sequence"
            specification |= {"type": kind, "vocab_size": field.vocabulary_size + 1, "padding_idx": 0}
        if field.kind in ("multivalued", "sequence"):
            specification["max_len"] = field.num_slots
        if field.kind == "multivalued":
            specification["feature_encoder"] = "layers.MaskedAveragePooling()"
        if field.share is not None:
            specification["share_embedding"] = field.share
        feature_map.features[field.name] = specification
    feature_map.labels = [schema.label]
    feature_map.num_fields = schema.num_fields
    return feature_map


def batches_of(schema: Schema, num_rows: int, batch_size: int) -> list[dict[str, torch.Tensor]]:
    """Return batches as FuxiCTR's loaders yield them."""
    features, labels = random_rows(schema, num_rows)
    columns = {**by_field(schema, features), schema.label: labels[:, 0]}
    columns = {name: torch.from_numpy(column.copy()) for name, column in columns.items()}
    starts = range(0, num_rows, batch_size)
    return [{name: column[start : start + batch_size] for name, column in columns.items()} for start in starts]


def num_weights(model: torch.nn.Module) -> int:
    """Count the weights of a model that training changes, without the rows of absent ids, which each field has."""
    absent = {id(part.weight): part.embedding_dim for part in model.modules() if isinstance(part, torch.nn.Embedding)}
    return sum(part.numel() for part in model.parameters() if part.requires_grad) - sum(absent.values())


def prepare(work: Work) -> Callable[[int], object]:
    """Return the function to time: FuxiCTR's `train_step` or `predict`."""
    logging.disable()
    torch.set_num_threads(len(work.cores))
    if work.model not in MODELS:
        raise NotImplementedError(f"FuxiCTR has no model like '{work.model}'")
    schema = work.make_schema()
    if schema.histories and work.model not in histories.MODELS:
        raise NotImplementedError(f"'{work.model}' is not connected here for histories")
    model = MODELS[work.model](feature_map_of(schema))
    if work.mode == "predict":
        rows = batches_of(schema, work.num_rows, work.batch_size)
        return lambda count: [model.predict(rows) for _ in range(count)]
    model.train()
    model._max_gradient_norm = 10.0
    batches = itertools.cycle(batches_of(schema, BATCHES_IN_MEMORY * work.batch_size, work.batch_size))

    def call(count):
        for _ in range(count):
            loss = model.train_step(next(batches))
        loss.item()

    return call
