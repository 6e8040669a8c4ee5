"""GraphFM's paper formulation equals equations 7 to 17 as loops; its graph has the stated properties."""

import keras
import numpy as np
import pytest

from ctrzoo.models import GraphFM
from ctrzoo.schema import Field, Schema
from tests.models.reference import check_model, embed, random_batch, random_weights, softmax, weights_of


def sigmoid(logit):
    return 1 / (1 + np.exp(-logit))


def graph_layer(states, weights, layer, kept, average=False, selection=True, interaction=True, residual=False):
    """Equations 7 to 14 for one row: `states` `(fields, dim)` -> `(fields, units)`, edges `(fields, fields)`."""
    get = {path.removeprefix(f"{layer}/"): array for path, array in weights.items() if path.startswith(f"{layer}/")}
    num_fields, heads = len(states), get["kernel"].shape[0]
    outputs, edges = [], np.zeros((num_fields, num_fields))
    for i in range(num_fields):
        products = [states[i] * states[j] for j in range(num_fields)]
        scores = np.ones(num_fields)
        neighbors = list(range(num_fields))
        if selection:
            hidden = [np.maximum(q @ get["selector_hidden_kernel"] + get["selector_hidden_bias"], 0) for q in products]
            scores = np.array([sigmoid(h @ get["selector_kernel"] + get["selector_bias"])[0] for h in hidden])
            neighbors = sorted(range(num_fields), key=lambda j: -scores[j])[:kept]  # stable: the first of equals
        edges[i, neighbors] = scores[neighbors]
        of_heads = []
        for head in range(heads):
            raw = [products[j] @ get["attention_kernel"][:, head] for j in neighbors]
            attention = softmax(np.array([score if score > 0 else 0.2 * score for score in raw]))
            total = 0
            for weight, j in zip(attention, neighbors, strict=True):
                message = products[j] if interaction else states[j]
                total = total + weight * scores[j] * (message @ get["kernel"][head])
            of_heads.append(total)
        joined = np.mean(of_heads, axis=0) if average else np.concatenate(of_heads)
        if residual:
            joined = joined + np.maximum(states[i] @ get["residual_kernel"] + get["residual_bias"], 0)
        output = np.maximum(joined, 0)
        if residual:
            output = (output - output.mean()) / np.sqrt(output.var() + 1e-8) * get["scale"] + get["shift"]
        outputs.append(output)
    return np.array(outputs), edges


def slow_logits(kept, **options):
    """Equations 15 to 17 on top of the layers; the embeddings themselves are not among the states."""

    def logits(weights, embedded, batch):
        rows = []
        for states in embedded:
            means = []
            for number, count in enumerate(kept, start=1):
                states, _ = graph_layer(states, weights, f"graph_{number}", count, **options)
                means.append(states.mean(axis=0))
            rows.append(np.concatenate(means) @ weights["output/kernel"] + weights["output/bias"])
        return np.array(rows)

    return logits


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ({}, {}),
        ({"average_heads": True}, {"average": True}),
        ({"use_selection": False}, {"selection": False}),
        ({"use_interaction": False}, {"interaction": False}),
        ({"num_heads": 1}, {}),
        ({"use_residual_norm": True}, {"residual": True}),
    ],
    ids=["concatenated heads", "averaged heads", "-S", "-I", "-M", "residual and normalisation"],
)
def test_paper_equals_its_equations(float64, mixed_schema, arguments, options):
    arguments = {"num_heads": 2, "embedding_dim": 3, "units": (4, 2), "num_neighbors": (3, 2), **arguments}
    model = GraphFM(mixed_schema, formulation="paper", selector_units=5, **arguments)
    check_model(model, slow_logits((3, 2), **options), scale=0.8)


def test_edges_of_the_model_are_those_of_the_loops(float64, mixed_schema):
    model = GraphFM(mixed_schema, formulation="paper", embedding_dim=3, units=(4,), num_neighbors=(2,))
    weights, (batch, _) = random_weights(model), random_batch(mixed_schema, 6)
    found = model.explainer()(batch)
    for row, states in enumerate(embed(mixed_schema, weights["embedding/table"], batch)):
        _, edges = graph_layer(states, weights, "graph_1", 2)
        np.testing.assert_allclose(found["edges_1"][row], edges, atol=1e-12)


@pytest.mark.parametrize(("fields", "expected"), [(39, 744_202), (23, 440_074), (7, 135_946)])
def test_weights_of_the_reference_beside_the_table(fields, expected):
    model = GraphFM(Schema([Field(f"field_{index}") for index in range(fields)]))
    assert model.count_params() - model.get_layer("embedding").count_params() == expected


def test_default_neighbors_are_those_of_the_paper():
    def kept(fields):
        model = GraphFM(Schema([Field(f"field_{index}") for index in range(fields)]))
        return tuple(model.get_layer(f"graph_{number}").num_neighbors for number in (1, 2, 3))

    assert (kept(39), kept(7)) == ((39, 20, 5), (7, 4, 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"formulation": "code"}, "'reference' or 'paper'"),
        ({"num_neighbors": (2,)}, "one entry for each of the 3 layers"),
        ({"num_neighbors": (9, 2, 2)}, "between 1 and the number of fields, 4"),
        ({"num_neighbors": (4, 2.5, 2)}, "whole number between 1 and the number of fields, 4. Received: 2.5"),
        ({"units": ()}, "at least one layer's size, such as .64, 64.. Received: ()"),
        ({"units": (5,)}, "multiple of the 2 heads"),
        ({"num_heads": 0}, "`num_heads` must be at least 1"),
    ],
)
def test_wrong_hyperparameters_are_refused(mixed_schema, arguments, message):
    with pytest.raises(ValueError, match=message):
        GraphFM(mixed_schema, **arguments)


def test_the_input_joins_the_states_on_request(mixed_schema):
    model = GraphFM(mixed_schema, embedding_dim=3, units=(4,), include_input=True)
    assert weights_of(model)["output/kernel"].shape == (3 + 4, 1)


def test_dropout_acts_in_training_alone(mixed_schema):
    keras.utils.set_random_seed(1)
    model = GraphFM(mixed_schema, units=(4,), attention_dropout=0.5, embedding_dropout=0.5)
    random_weights(model)
    batch, _ = random_batch(mixed_schema)
    np.testing.assert_array_equal(model(batch, training=False), model(batch, training=False))
    assert np.abs(model(batch, training=True) - model(batch, training=False)).max() > 1e-6
