"""What GraphFM says of pairs: how far states move without a message, by hand and against loops."""

import keras
import numpy as np
import pytest

from ctrzoo.layers import GraphInteraction, ReferenceGraphInteraction
from ctrzoo.models import GraphFM
from tests.models.reference import random_batch, random_weights, weights_of

STATES = np.array([[[1.0], [2.0]]], "float32")  # one row of two fields of size 1


def effects_by_hand(layer, weights):
    """Return the effects on `STATES`, all weights zero but those given and the scale, which is one."""
    layer(STATES)
    for weight in layer.weights:
        value = weights.get(weight.name, weight.name == "scale")
        weight.assign(np.broadcast_to(np.asarray(value, "float32"), weight.shape))
    _, attention, edges = layer(STATES)
    return np.asarray(layer.message_effects(STATES, attention, edges))[0]


def test_the_paper_by_hand():
    """Attention and edge weights are a half, so messages are a quarter of the products 1, 2, 2 and 4."""
    layer = GraphInteraction(1, num_heads=1, return_explanations=True)
    np.testing.assert_allclose(effects_by_hand(layer, {"kernel": 1}), [[0.25, 0.5], [0.5, 1]], rtol=1e-6)


def test_messages_that_the_activation_stops_have_no_effect():
    """The sums -0.75 and -1.5 stay below zero without any one message."""
    layer = GraphInteraction(1, num_heads=1, return_explanations=True)
    np.testing.assert_array_equal(effects_by_hand(layer, {"kernel": -1}), np.zeros((2, 2)))


def test_the_released_code_by_hand():
    """Messages are half of the products, in the first unit; the residual is 1 in the second.

    Field 1 sums to (1.5, 1), normalized (1, -1). Without its own message of 0.5, that is (1, 1), normalized (0, 0);
    without the message of 1 from field 2, it is (0.5, 1), normalized (-1, 1). Field 2 sums to (3, 1), also (1, -1).
    Without the message of 1 from field 1, that is (2, 1), which is the same; without its own of 2, it is (1, 1).
    """
    layer = ReferenceGraphInteraction(2, num_heads=1, return_explanations=True)
    weights = {"kernel": [1, 0], "residual_bias": [0, 1]}
    expected = [[2**0.5, 8**0.5], [0, 2**0.5]]
    np.testing.assert_allclose(effects_by_hand(layer, weights), expected, rtol=1e-6, atol=1e-6)
    weights["scale"] = [3, 1]
    expected = [[10**0.5, 40**0.5], [0, 10**0.5]]
    np.testing.assert_allclose(effects_by_hand(layer, weights), expected, rtol=1e-6, atol=1e-6)


def output(states, attention, edges, get, i, left_out=None, interaction=True, average=False):
    """The output of field i for one row, without the message from one field."""
    released = get["kernel"].ndim == 3 and len(get["kernel"]) == len(states) != len(attention)
    heads = []
    for head in range(len(attention)):
        kernel = np.split(get["kernel"][i], len(attention), axis=1)[head] if released else get["kernel"][head]
        total = np.zeros(kernel.shape[1])
        for j in range(len(states)):
            if j != left_out:
                weight = attention[head, i, j] * (1 if released else edges[i, j])
                total = total + weight * (states[i] * states[j] if interaction else states[j]) @ kernel
        heads.append(total)
    total = np.mean(heads, axis=0) if average else np.concatenate(heads)
    if "residual_kernel" in get:
        kernel, bias = get["residual_kernel"], get["residual_bias"]
        total = total + np.maximum(
            states[i] @ (kernel[i] if released else kernel) + (bias[i, 0] if released else bias), 0
        )
    total = np.maximum(total, 0)
    if "scale" not in get:
        return total
    scale, shift = (get[name][i, 0] if released else get[name] for name in ("scale", "shift"))
    return (total - total.mean()) / np.sqrt(total.var() + 1e-8) * scale + shift


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"use_residual": False},
        {"use_interaction": False},
        {"use_selection": False},
        {"num_heads": 1},
        {"formulation": "paper"},
        {"formulation": "paper", "average_heads": True},
        {"formulation": "paper", "use_residual_norm": True},
        {"formulation": "paper", "use_interaction": False, "selection": "threshold"},
    ],
    ids=str,
)
def test_pairs_are_what_states_lose_without_a_message(float64, mixed_schema, arguments):
    model = GraphFM(mixed_schema, embedding_dim=3, units=(4, 6), **arguments)
    random_weights(model)
    weights, (batch, _) = weights_of(model), random_batch(mixed_schema)
    inputs = {"graph_1": model.get_layer("graph_1").input, "graph_2": model.get_layer("graph_2").input}
    inputs = {name: np.asarray(array) for name, array in keras.Model(model.input, inputs)(batch).items()}
    found = {name: np.asarray(array) for name, array in model.explainer()(batch).items()}
    options = {"interaction": arguments.get("use_interaction", True), "average": arguments.get("average_heads", False)}
    expected = np.zeros_like(found["pairs"])
    for layer in (1, 2):
        prefix = f"graph_{layer}/"
        get = {path.removeprefix(prefix): array for path, array in weights.items() if path.startswith(prefix)}
        for row, states in enumerate(inputs[f"graph_{layer}"]):
            given = states, found[f"attention_{layer}"][row], found[f"edges_{layer}"][row], get
            for i in range(4):
                for j in range(4):
                    moved = np.linalg.norm(output(*given, i, **options) - output(*given, i, left_out=j, **options))
                    expected[row, i, j] += moved / 4  # two layers, two directions
                    expected[row, j, i] += moved / 4
    assert expected.max() > 0.01
    np.testing.assert_allclose(found["pairs"], expected, rtol=1e-9, atol=1e-9)


def test_a_layer_whose_messages_drown_in_the_residual_counts_little():
    """Attention and edge weights do not tell: of small states, both are as large as ever."""
    layer = ReferenceGraphInteraction(8, return_explanations=True)
    states = np.random.default_rng(0).normal(size=(20, 5, 4)).astype("float32")
    layer(states)
    layer.residual_bias.assign(np.random.default_rng(1).uniform(1, 2, layer.residual_bias.shape))

    def means(states):
        _, attention, edges = layer(states)
        weights = np.asarray(attention).mean(axis=1) * np.asarray(edges)
        return weights.mean(), np.asarray(layer.message_effects(states, attention, edges)).mean()

    (weight, effect), (small_weight, small_effect) = means(states), means(states / 100)
    assert small_weight > 0.5 * weight and small_effect < 0.01 * effect


def test_mixed_precision_agrees_within_its_rounding(mixed_schema):
    """Effects are float32 where layers compute in bfloat16, and close to those of float32 layers."""
    keras.utils.set_random_seed(3)
    wide = GraphFM(mixed_schema, embedding_dim=4, units=(8, 8), use_selection=False)
    narrow = GraphFM(mixed_schema, embedding_dim=4, units=(8, 8), use_selection=False, dtype="mixed_bfloat16")
    random_weights(wide)
    narrow.set_weights(wide.get_weights())
    batch, _ = random_batch(mixed_schema, 50)
    ours, theirs = (np.asarray(model.explainer()(batch)["pairs"]) for model in (narrow, wide))
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours.mean(axis=0), theirs.mean(axis=0), rtol=0.05)


@pytest.mark.parametrize("formulation", ["reference", "paper"])
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_a_global_policy_of_mixed_precision(mixed_schema, formulation, policy):
    """A model then casts weights on its own, outside of the layers too."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = GraphFM(mixed_schema, formulation, units=(4, 4))
        found = model.explainer().predict_on_batch(random_batch(mixed_schema)[0])["pairs"]
    finally:
        keras.config.set_dtype_policy(before)
    assert found.dtype == np.float32 and np.isfinite(found).all()
