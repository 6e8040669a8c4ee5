"""The drawn layer of GraphFM: its numbers follow from the equations, and each weight belongs to a step."""

import re

import numpy as np
import pytest

from ctrzoo.experiments.diagrams.graph_layer import FIELD, KEPT, computed, graph_layer_diagram, weights_of_steps


@pytest.mark.parametrize("formulation", ["paper", "reference"])
def test_each_weight_belongs_to_one_step(formulation):
    layer = computed(formulation)[0]
    assert sum(weights_of_steps(layer).values()) == layer.count_params()
    assert weights_of_steps(layer)["edges"] == 4 * 16 + 16 + 16 + 1


@pytest.mark.parametrize("formulation", ["paper", "reference"])
def test_the_drawn_edge_weights_follow_equation_7(formulation):
    layer = computed(formulation)[0]
    weights = {weight.name: np.asarray(weight) for weight in layer.weights}
    x = np.random.default_rng(5).normal(size=(1, 5, 4))[0].astype("float32")
    expected = []
    for j in range(5):
        hidden = np.maximum((x[FIELD] * x[j]) @ weights["selector_hidden_kernel"] + weights["selector_hidden_bias"], 0)
        logit = (hidden @ weights["selector_kernel"] + weights["selector_bias"])[0]
        expected.append(1 / (1 + np.exp(-logit)))
    svg = re.sub(r"</?tspan.*?>", "", graph_layer_diagram(formulation))
    kept = np.argsort(expected)[::-1][:KEPT]
    for j in range(5):
        shown = f"{expected[j]:.2f}" if j in kept else None
        assert (f"p2{j + 1} = {shown}<" in svg) if shown else (f"p2{j + 1}: left out, 0<" in svg)


def test_a_weight_without_a_step_is_refused():
    class Weight:
        name, shape = "new_kernel", (2, 3)

    class Layer:
        weights = (Weight,)

    with pytest.raises(ValueError, match="No step of the diagram names new_kernel. Add them to WEIGHTS"):
        weights_of_steps(Layer)
