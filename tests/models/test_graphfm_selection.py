"""GraphFM's selection by a threshold and its metrics of edges, against loops, in both formulations."""

import keras
import numpy as np
import pytest

from ctrzoo.layers import GraphInteraction, ReferenceGraphInteraction
from ctrzoo.models import GraphFM
from tests.ctrzoo.layers.test_edge_metrics import SLOW
from tests.models.reference import check_model, random_batch, random_weights, softmax
from tests.models.test_batches import ROWS, SCHEMA, rows_with_gaps


def edge_weight(x, y, get, metric):
    if metric != "mlp":
        return SLOW[metric](x, y)
    hidden = np.maximum((x * y) @ get["selector_hidden_kernel"] + get["selector_hidden_bias"], 0)
    return 1 / (1 + np.exp(-(hidden @ get["selector_kernel"] + get["selector_bias"])[0]))


def neighbors_of(weights, kept, threshold, keep_ties):
    if threshold is not None:
        return [j for j, weight in enumerate(weights) if weight > threshold]
    if keep_ties:
        return [j for j, weight in enumerate(weights) if weight >= sorted(weights)[-kept]]
    return sorted(range(len(weights)), key=lambda j: -weights[j])[:kept]  # stable: the first of equals


def paper_layer(states, get, kept, threshold, metric):
    """Equations 7 to 13 for one row: `states` `(fields, dim)` -> `(fields, units)`."""
    outputs = []
    for x in states:
        weights = [edge_weight(x, y, get, metric) for y in states]
        neighbors = neighbors_of(weights, kept, threshold, keep_ties=False)
        heads = []
        for head, kernel in enumerate(get["kernel"]):
            scores = np.array([x * states[j] @ get["attention_kernel"][:, head] for j in neighbors])
            attention = softmax(np.where(scores > 0, scores, 0.2 * scores)) if neighbors else []
            message = np.zeros(kernel.shape[1])
            for share, j in zip(attention, neighbors, strict=True):
                message = message + share * weights[j] * (x * states[j] @ kernel)
            heads.append(np.maximum(message, 0))
        outputs.append(np.concatenate(heads))
    return np.array(outputs)


def reference_layer(states, get, kept, threshold, metric):
    """The released code for one row, one field after the other."""
    outputs, num_heads = [], get["attention_kernel"].shape[1]
    for i, x in enumerate(states):
        weights = np.array([edge_weight(x, y, get, metric) for y in states])
        chosen = neighbors_of(list(weights), kept, threshold, keep_ties=True)
        selected = np.array([weight if j in chosen else 0 for j, weight in enumerate(weights)])
        heads = []
        for head, kernel in enumerate(np.split(get["kernel"][i], num_heads, axis=1)):
            scores = [
                max(x * y @ get["attention_kernel"][:, head] + get["attention_bias"][head], 0) * weight
                for y, weight in zip(states, selected, strict=True)
            ]
            attention = softmax(np.array(scores))
            heads.append(sum(share * (x * y @ kernel) for share, y in zip(attention, states, strict=True)))
        residual = np.maximum(x @ get["residual_kernel"][i] + get["residual_bias"][i, 0], 0)
        output = np.maximum(np.concatenate(heads) + residual, 0)
        normal = (output - output.mean()) / np.sqrt(output.var() + 1e-8)
        outputs.append(normal * get["scale"][i, 0] + get["shift"][i, 0])
    return np.array(outputs)


def slow_logits(layer, kept, threshold, metric):
    def logits(weights, embedded, batch):
        rows = []
        for states in embedded:
            means = []
            for number, count in enumerate(kept, start=1):
                prefix = f"graph_{number}/"
                get = {path.removeprefix(prefix): array for path, array in weights.items() if path.startswith(prefix)}
                states = layer(states, get, count, threshold, metric)
                means.append(states.mean(axis=0))
            rows.append(np.concatenate(means) @ weights["output/kernel"] + weights["output/bias"])
        return np.array(rows)

    return logits


@pytest.mark.parametrize(("formulation", "layer"), [("paper", paper_layer), ("reference", reference_layer)])
@pytest.mark.parametrize(
    ("metric", "threshold"),
    [("mlp", 0.5), ("mlp", 0.35), ("cosine", None), ("cosine", 0.6), ("euclidean", None), ("euclidean", 0.3)],
)
def test_a_model_equals_the_loops(float64, mixed_schema, formulation, layer, metric, threshold):
    options = {"selection": "threshold", "threshold": threshold} if threshold else {"num_neighbors": (3, 2)}
    model = GraphFM(mixed_schema, formulation, embedding_dim=3, units=(4, 2), edge_metric=metric, **options)
    check_model(model, slow_logits(layer, (3, 2), threshold, metric), scale=0.8)


def test_the_default_threshold_is_a_half(mixed_schema):
    keras.utils.set_random_seed(0)
    default = GraphFM(mixed_schema, embedding_dim=3, units=(4,), selection="threshold")
    stated = GraphFM(mixed_schema, embedding_dim=3, units=(4,), selection="threshold", threshold=0.5)
    random_weights(default), random_weights(stated)
    batch, _ = random_batch(mixed_schema, 20)
    found = {name: np.asarray(array) for name, array in default.explainer()(batch).items()}
    np.testing.assert_array_equal(found["logit"], stated.explainer()(batch)["logit"])
    edges = found["edges_1"]
    assert (edges == 0).any() and (edges > 0).any() and edges[edges > 0].min() > 0.5


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_metrics_without_weights_have_none(mixed_schema, metric):
    model = GraphFM(mixed_schema, edge_metric=metric)
    assert not [weight.path for weight in model.weights if "selector" in weight.path]


@pytest.mark.parametrize("kind", [GraphInteraction, ReferenceGraphInteraction])
def test_a_field_may_select_nothing(kind):
    states = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
    layer = kind(4, selection="threshold", threshold=0.9, return_explanations=True)
    layer(states)
    layer.score_kernel.assign(np.zeros(layer.score_kernel.shape))  # all edge weights are sigmoid(0), a half
    output, attention, edges = map(np.asarray, layer(states))
    assert not edges.any() and np.isfinite(output).all()
    if kind is GraphInteraction:
        assert not attention.any() and not output.any()
    else:
        np.testing.assert_allclose(attention, 0.2, rtol=1e-6)


@pytest.mark.parametrize("kind", [GraphInteraction, ReferenceGraphInteraction])
def test_a_low_threshold_keeps_what_all_neighbors_keep(kind):
    states = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
    low, every = kind(4, selection="threshold", threshold=1e-6), kind(4, num_neighbors=5)
    low(states), every(states)
    every.set_weights(low.get_weights())
    np.testing.assert_allclose(low(states), every(states), rtol=1e-6)


@pytest.mark.parametrize("formulation", ["paper", "reference"])
@pytest.mark.parametrize("selection", ["top_k", "threshold"])
@pytest.mark.parametrize("metric", ["mlp", "cosine", "euclidean"])
def test_a_row_has_the_same_score_in_every_batch(formulation, selection, metric):
    if (selection, metric) == ("top_k", "mlp"):
        pytest.skip("the default, which `test_batches.py` checks")
    model = GraphFM(SCHEMA, formulation, embedding_dim=4, units=(8, 8), selection=selection, edge_metric=metric)
    random_weights(model)
    features, explainer = rows_with_gaps(), model.explainer()
    together = explainer.predict_on_batch(features)
    scale = 1 + np.abs(together["logit"]).max()
    for size in (1, 2, 3, 5, 8, 16, 31, 33, 63):
        for start in range(0, ROWS, size):
            part = {name: array[start : start + size] for name, array in features.items()}
            alone, rows = explainer.predict_on_batch(part), slice(start, start + size)
            np.testing.assert_allclose(alone["logit"] / scale, together["logit"][rows] / scale, atol=2e-6)
            # Embeddings are the same to the last digit. States of later layers are not, and may nearly tie.
            np.testing.assert_array_equal(alone["edges_1"] > 0, together["edges_1"][rows] > 0)


@pytest.mark.parametrize("options", [{"selection": "threshold", "threshold": 0.3}, {"edge_metric": "euclidean"}])
@pytest.mark.parametrize("formulation", ["paper", "reference"])
def test_a_saved_model_is_the_same(tmp_path, mixed_schema, formulation, options):
    model = GraphFM(mixed_schema, formulation, embedding_dim=3, units=(4, 2), **options)
    random_weights(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert {name: loaded.get_config()[name] for name in options} == options
    batch, _ = random_batch(mixed_schema)
    np.testing.assert_array_equal(loaded.explainer()(batch)["logit"], model.explainer()(batch)["logit"])


def test_a_configuration_without_the_new_options_is_the_default(mixed_schema):
    config = GraphFM(mixed_schema).get_config()
    for name in ("selection", "threshold", "edge_metric"):
        config.pop(name)
    model = GraphFM.from_config(config)
    assert (model.selection, model.threshold, model.edge_metric) == ("top_k", None, "mlp")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"selection": "top"}, "Unknown selection 'top'. Did you mean 'top_k'"),
        ({"edge_metric": "cosinus"}, "Unknown edge metric 'cosinus'. Did you mean 'cosine'"),
        ({"selection": "threshold", "num_neighbors": (4, 2, 2)}, "`num_neighbors` has no effect if a threshold"),
        ({"threshold": 0.5}, "`threshold` has no effect if the largest edge weights are selected. Received: 0.5"),
        ({"selection": "threshold", "threshold": 0}, "above 0 and below 1"),
        ({"selection": "threshold", "threshold": 1.0}, "above 0 and below 1, as edge weights are. Received: 1.0"),
        ({"selection": "threshold", "threshold": True}, "above 0 and below 1"),
        ({"selection": "threshold", "threshold": "0.5"}, "above 0 and below 1"),
        ({"selection": "threshold", "threshold": float("nan")}, "above 0 and below 1"),
        ({"edge_metric": "cosine", "selector_units": 8}, "`selector_units` has no effect on the edge metric 'cosine'"),
        ({"use_selection": False, "selection": "threshold"}, "`selection` has no effect without selection"),
        ({"use_selection": False, "edge_metric": "cosine"}, "`edge_metric` has no effect without selection"),
        ({"use_selection": False, "threshold": 0.5}, "`threshold` has no effect without selection"),
    ],
)
@pytest.mark.parametrize("formulation", ["paper", "reference"])
def test_options_without_effect_are_refused(mixed_schema, formulation, arguments, message):
    with pytest.raises(ValueError, match=message):
        GraphFM(mixed_schema, formulation, **arguments)
