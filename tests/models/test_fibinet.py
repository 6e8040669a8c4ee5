import numpy as np
import pytest

from ctrzoo.models import FiBiNET, build
from tests.models.pairwise import linear, mlp, outputs, pairs_of
from tests.models.reference import check_model, embed, random_batch, random_weights

pytestmark = pytest.mark.usefixtures("float64")
KINDS = ("all", "each", "interaction")


def sigmoid(numbers):
    return 1 / (1 + np.exp(-numbers))


def importances_of(weights, e, activation):
    means = np.array([np.mean(vector) for vector in e])
    hidden = np.maximum(means @ weights["excitation/squeeze_kernel"], 0)
    scores = hidden @ weights["excitation/excite_kernel"]
    return sigmoid(scores) if activation == "sigmoid" else np.maximum(scores, 0)


def products(kernel, e):
    """Return `(e_i W) * e_j` of each pair; `kernel` has one matrix, one of each left field, or one of each pair."""
    found = []
    for number, (i, j) in enumerate(pairs_of(e)):
        if kernel.ndim == 2:
            matrix = kernel
        else:
            matrix = kernel[i] if len(kernel) == len(e) - 1 else kernel[number]
        found.append([sum(e[i][a] * matrix[a, b] for a in range(len(e[i]))) * e[j][b] for b in range(len(e[j]))])
    return np.concatenate(found)


def fibinet(schema, activation, hidden=("deep/hidden_0",)):
    def reference(weights, embedded, batch):
        inputs = []
        for e in embedded:
            weighted = e * importances_of(weights, e, activation)[:, None]
            kernels = weights["bilinear/kernel"], weights["weighted_bilinear/kernel"]
            inputs.append(np.concatenate([products(kernels[0], e), products(kernels[1], weighted)]))
        return linear(schema, weights, batch) + mlp(weights, np.array(inputs), hidden)

    return reference


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_equals_the_slow_reference(kind, activation, mixed_schema):
    sizes = {"embedding_dim": 3, "deep_units": (5,), "reduction_ratio": 0.5}
    model = FiBiNET(mixed_schema, bilinear=kind, excitation=activation, **sizes)
    check_model(model, fibinet(mixed_schema, activation))


def test_without_hidden_layers_the_products_are_added_up(mixed_schema):
    check_model(FiBiNET(mixed_schema, embedding_dim=3, deep_units=()), fibinet(mixed_schema, "relu", hidden=()))


def test_importances_and_linear_terms_are_explained(mixed_schema):
    model, (batch, _) = FiBiNET(mixed_schema, embedding_dim=3, reduction_ratio=1.0), random_batch(mixed_schema)
    weights = random_weights(model)
    _, explanations = outputs(model, batch)
    embedded = embed(mixed_schema, weights["embedding/table"], batch)
    expected = [importances_of(weights, e, "relu") for e in embedded]
    assert np.any(np.equal(expected, 0)) and np.any(np.greater(expected, 0))
    np.testing.assert_allclose(explanations["importances"], expected, rtol=1e-10)
    np.testing.assert_allclose(explanations["fields"].sum(axis=1), linear(mixed_schema, weights, batch), rtol=1e-10)


def test_each_penalty_reaches_its_weights(mixed_schema):
    strengths = {"embedding_l2": 0.1, "linear_l2": 0.2, "bilinear_l2": 0.4, "excitation_l2": 0.8, "deep_l2": 1.6}
    model = FiBiNET(mixed_schema, deep_units=(5,), **strengths)
    weights = random_weights(model)
    halves = {
        "embedding/table": 0.05,
        "linear/weights/table": 0.1,
        "bilinear/kernel": 0.2,
        "weighted_bilinear/kernel": 0.2,
        "excitation/squeeze_kernel": 0.4,
        "excitation/excite_kernel": 0.4,
        "deep/hidden_0/kernel": 0.8,
    }
    expected = sum(half * np.sum(weights[path] ** 2) for path, half in halves.items())
    np.testing.assert_allclose(sum(model.losses), expected)


def test_parameters(mixed_schema):
    model = FiBiNET(mixed_schema, deep_units=())
    assert model.count_params() == 20 * 17 + 2 * 4 + 2 * 6 * 16 * 16 + 12 * 16 + 1
    each = FiBiNET(mixed_schema, bilinear="each", deep_units=())
    assert model.count_params() - each.count_params() == 2 * 3 * 16 * 16


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"bilinear": "field_all"}, "`kernels` must be one of all, each, interaction. Received: 'field_all'"),
        ({"reduction_ratio": 0.0}, "`reduction_ratio` must be above 0"),
        ({"excitation": "rellu"}, "rellu"),
    ],
)
def test_wrong_options_are_refused(wrong, message, mixed_schema):
    with pytest.raises(ValueError, match=message):
        build("fibinet", mixed_schema, **wrong)
