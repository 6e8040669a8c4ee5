"""GraphFM as its equations are written."""

import numpy as np
import pytest

from ctrzoo import models
from ctrzoo.experiments.benchmarks.baselines import graph_loop, graph_plain
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
