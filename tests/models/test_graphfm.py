"""GraphFM's paper formulation equals equations 7 to 17 as loops; its graph has the stated properties."""

import keras
import numpy as np
import pytest

from ctrzoo.layers import GraphInteraction, ReferenceGraphInteraction
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


@pytest.mark.parametrize("kept", [1, 3, 7])
def test_each_field_keeps_exactly_the_stated_number_also_among_equals(kept):
    random = np.random.default_rng(0)
    states = random.normal(size=(6, 7, 4)).astype("float32")
    states[:, 2] = 0  # an absent field: all its edge weights are equal
    states[0] = 0
    _, attention, edges = GraphInteraction(4, num_neighbors=kept, return_explanations=True)(states)
    assert (np.count_nonzero(edges, axis=-1) == kept).all()
    np.testing.assert_array_equal(np.asarray(attention) > 0, np.repeat((np.asarray(edges) > 0)[:, None], 2, axis=1))
    np.testing.assert_allclose(np.sum(attention, axis=-1), 1, rtol=1e-5)


def test_edge_weights_are_symmetric_before_selection():
    edges = np.asarray(
        GraphInteraction(4, return_explanations=True)(np.random.default_rng(0).normal(size=(3, 5, 4)))[2]
    )
    np.testing.assert_allclose(edges, edges.transpose(0, 2, 1), rtol=1e-6)


def test_the_order_of_fields_does_not_matter():
    states = np.random.default_rng(1).normal(size=(3, 5, 4)).astype("float32")
    layer = GraphInteraction(6, num_neighbors=3, return_explanations=True)
    order = np.array([3, 0, 4, 1, 2])
    straight, permuted = layer(states)[0], layer(states[:, order])[0]
    np.testing.assert_allclose(np.asarray(straight)[:, order], permuted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [GraphInteraction, ReferenceGraphInteraction])
def test_all_neighbors_with_edge_weight_one_is_the_ablation_without_selection(kind):
    states = np.random.default_rng(2).normal(size=(3, 5, 4)).astype("float32")
    full, ablated = kind(6, num_neighbors=5), kind(6, use_selection=False)
    full(states), ablated(states)
    full.score_kernel.assign(np.zeros(full.score_kernel.shape))
    full.score_bias.assign([40.0])  # its sigmoid is 1
    own = {weight.name: weight for weight in full.weights}
    for weight in ablated.weights:
        weight.assign(own[weight.name])
    np.testing.assert_allclose(full(states)[0], ablated(states)[0], rtol=1e-6)


def test_an_absent_field_puts_out_the_activation_of_zero():
    states = np.random.default_rng(3).normal(size=(2, 5, 4)).astype("float32")
    states[:, 1] = 0
    np.testing.assert_array_equal(GraphInteraction(6, num_neighbors=3)(states)[:, 1], np.zeros((2, 6)))


def test_the_leak_of_the_reference_by_hand():
    """p = (.9, .5, .1), attention scores 2, two kept: the dropped one keeps weight 0.1024."""
    powers = np.exp([1.8, 1.0, 0.0])
    np.testing.assert_allclose(powers / powers.sum(), [0.6193, 0.2783, 0.1024], atol=1e-4)
    states = np.random.default_rng(4).normal(size=(2, 6, 4)).astype("float32")
    _, attention, edges = ReferenceGraphInteraction(4, num_neighbors=2, return_explanations=True)(states)
    assert (np.count_nonzero(edges, axis=-1) == 2).all()
    assert (np.asarray(attention) > 0).all()
    np.testing.assert_allclose(np.sum(attention, axis=-1), 1, rtol=1e-5)


@pytest.mark.parametrize(("fields", "expected"), [(39, 744_202), (23, 440_074), (7, 135_946)])
def test_weights_of_the_reference_beside_the_table(fields, expected):
    model = GraphFM(Schema([Field(f"field_{index}") for index in range(fields)]))
    assert model.count_params() - model.get_layer("embedding").count_params() == expected


def test_default_neighbors_are_those_of_the_paper():
    def kept(fields):
        model = GraphFM(Schema([Field(f"field_{index}") for index in range(fields)]))
        return tuple(model.get_layer(f"graph_{number}").num_neighbors for number in (1, 2, 3))

    assert (kept(39), kept(7)) == ((39, 20, 5), (7, 4, 2))


def test_pairs_are_attention_times_edges_in_both_directions(mixed_schema):
    model = GraphFM(mixed_schema, units=(4, 4), embedding_dim=4)
    found = {name: np.asarray(array) for name, array in model.explainer()(random_batch(mixed_schema)[0]).items()}
    strengths = [found[f"edges_{k}"] * found[f"attention_{k}"].mean(axis=1) for k in (1, 2)]
    mean = (strengths[0] + strengths[1]) / 2
    np.testing.assert_allclose(found["pairs"], (mean + mean.transpose(0, 2, 1)) / 2, rtol=1e-5)


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
