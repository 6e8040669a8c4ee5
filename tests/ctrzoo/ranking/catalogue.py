"""Queries and candidates of a small schema, and their scores by a slow loop over pairs."""

import dataclasses

import numpy as np

from ctrzoo.models import build
from ctrzoo.schema import Field, Schema
from tests.models.cases import randomize, small_hyperparameters
from tests.small_data import random_rows

SCHEMA = Schema(
    [
        Field("user", vocabulary_size=9),
        Field("age", "numerical"),
        Field("seen", "sequence", vocabulary_size=6, num_slots=3, share="item"),
        Field("item", vocabulary_size=6),
        Field("tags", "multivalued", vocabulary_size=4, num_slots=3),
        Field("price", "numerical"),
    ]
)
CANDIDATE_FIELDS = ("item", "tags", "price")
SLOTS = np.array([SCHEMA.names[owner] in CANDIDATE_FIELDS for owner in SCHEMA.slot_fields])


def with_maximum():
    """Return the schema with a field of candidates whose pooling is the maximum."""
    fields = [dataclasses.replace(field, pooling="max") if field.name == "tags" else field for field in SCHEMA.fields]
    return Schema(fields)


def random_model(name, schema=SCHEMA, **hyperparameters):
    """Return a small model with random weights."""
    model = build(name, schema, **{**small_hyperparameters(name), **hyperparameters})
    randomize(model)
    return model


def sides(num_queries, num_candidates, seed=0):
    """Return features of queries and of candidates, each with random values in the slots of the other too."""
    random = np.random.default_rng(seed)
    return random_rows(SCHEMA, num_queries, random)[0], random_rows(SCHEMA, num_candidates, random)[0]


def slow_scores(model, queries, candidates):
    """Return the logits of all pairs, `(queries, candidates)`, a row for each pair."""
    rows = {"ids": [], "values": []}
    for query in range(len(queries["ids"])):
        for candidate in range(len(candidates["ids"])):
            for name, column in rows.items():
                column.append(np.where(SLOTS, candidates[name][candidate], queries[name][query]))
    features = {"ids": np.array(rows["ids"], "int32"), "values": np.array(rows["values"], "float32")}
    logits = model.explainer().predict(features, batch_size=1024, verbose=0)["logit"]
    return logits.reshape(len(queries["ids"]), -1)
