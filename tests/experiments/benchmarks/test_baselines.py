"""The baselines compute what the zoo's models compute, so that only their speed differs."""

import numpy as np
import pytest

from ctrzoo import models
from ctrzoo.experiments.benchmarks.baselines import graph_loop, graph_plain, keras_tables
from ctrzoo.experiments.benchmarks.shapes import SHAPES, random_rows

SCHEMA = SHAPES["tiny"]


def randomized(model):
    random = np.random.default_rng(0)
    model.set_weights([random.normal(0, 0.5, weight.shape) for weight in model.get_weights()])
    return model


@pytest.mark.parametrize("baseline", [graph_loop, graph_plain], ids=["loop", "plain"])
def test_graphfm_without_the_algebra_is_the_same_function(baseline):
    sizes = {"embedding_dim": 4, "units": (6, 4), "num_heads": 2, "num_neighbors": (3, 1)}
    model = randomized(models.build("graphfm", SCHEMA, **sizes))
    twin = baseline.build("graphfm", SCHEMA, **sizes)
    assert type(twin.get_layer("graph_1")) is not type(model.get_layer("graph_1"))
    twin.set_weights(model.get_weights())
    features, _ = random_rows(SCHEMA, 32)
    expected, outputs = model.explainer()(features), twin.explainer()(features)
    for name in ("logit", "edges_1", "attention_2"):
        np.testing.assert_allclose(outputs[name], expected[name], rtol=1e-4, atol=1e-5)


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
