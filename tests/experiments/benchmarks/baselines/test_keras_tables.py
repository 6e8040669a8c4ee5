"""A table for each field."""

import numpy as np

from ctrzoo import models
from ctrzoo.experiments.benchmarks.baselines import keras_tables
from ctrzoo.experiments.benchmarks.shapes import SHAPES, random_rows

SCHEMA = SHAPES["tiny"]


def randomized(model):
    random = np.random.default_rng(0)
    model.set_weights([random.normal(0, 0.5, weight.shape) for weight in model.get_weights()])
    return model


def test_a_table_for_each_field_is_the_same_function():
    model = randomized(models.build("deepfm", SCHEMA, embedding_dim=4, deep_units=(8,)))
    twin = keras_tables.build("deepfm", SCHEMA, embedding_dim=4, deep_units=(8,))
    for layer in ("embedding", "linear"):
        one, many = model.get_layer(layer), twin.get_layer(layer)
        one, many = (one, many) if layer == "embedding" else (one.weights_of_ids, many.weights_of_ids)
        for table, first, field in zip(many.tables, SCHEMA.first_ids, SCHEMA.fields, strict=True):
            table.embeddings.assign(one.table[first : first + field.vocabulary_size])
    twin.get_layer("deep").set_weights(model.get_layer("deep").get_weights())
    features, _ = random_rows(SCHEMA, 32)
    np.testing.assert_allclose(twin(features), model(features), rtol=1e-4)
