"""CrossNet, DCN and DCN-v2."""

import numpy as np
import pytest

from ctrzoo.models import DCNv2, build
from ctrzoo.schema import Field, Schema
from tests.models.rowwise import assign, check_rows, dense, embed, mlp, toy

pytestmark = pytest.mark.usefixtures("float64")


def cross(weights, x0):
    """Vector layers by the outer product of the equation."""
    x, number = x0, 1
    while f"cross_{number}/kernel" in weights:
        x = np.outer(x0, x) @ weights[f"cross_{number}/kernel"][:, 0] + weights[f"cross_{number}/bias"] + x
        number += 1
    return x


def matrix_cross(weights, x0, gate):
    x, number = x0, 1
    while f"cross_{number}/bias" in weights:
        layer = {path.split("/")[1]: array for path, array in weights.items() if path.startswith(f"cross_{number}/")}
        if "kernel" in layer:
            change = x0 * (layer["kernel"].T @ x + layer["bias"])
        elif "gate_kernel" in layer:
            scores = x @ layer["gate_kernel"]
            gates = np.exp(scores) / np.exp(scores).sum() if gate == "softmax" else 1 / (1 + np.exp(-scores))
            change = 0
            for k, weight in enumerate(gates):
                hidden = np.tanh(layer["middle_kernel"][k].T @ np.tanh(layer["down_kernel"][k].T @ x))
                change = change + weight * x0 * (layer["up_kernel"][k].T @ hidden + layer["bias"])
        else:
            change = x0 * (layer["up_kernel"].T @ (layer["down_kernel"].T @ x) + layer["bias"])
        x, number = x + change, number + 1
    return x


def test_cross_net_equals_the_reference(mixed_schema):
    def reference(weights, schema, ids, values):
        return dense(weights, "output", cross(weights, embed(weights["embedding/table"], schema, ids, values).ravel()))

    check_rows("cross_net", mixed_schema, reference, embedding_dim=2)


def test_dcn_equals_the_reference(mixed_schema):
    def reference(weights, schema, ids, values):
        x0 = embed(weights["embedding/table"], schema, ids, values).ravel()
        return dense(weights, "output", np.concatenate([cross(weights, x0), mlp(weights, "deep", x0)]))

    check_rows("dcn", mixed_schema, reference, embedding_dim=2, num_layers=2, deep_units=(5, 4))


@pytest.mark.parametrize(
    "options",
    [
        {"cross": "full"},
        {"cross": "full", "structure": "stacked"},
        {"cross": "full", "deep_units": ()},
        {"cross": "low_rank", "rank": 3},
        {"cross": "mixture", "rank": 3, "num_experts": 2},
        {"cross": "mixture", "rank": 3, "num_experts": 2, "gate": "sigmoid", "structure": "stacked"},
    ],
)
def test_dcn_v2_equals_the_reference(mixed_schema, options):
    options = {"deep_units": (5, 4), **options}

    def reference(weights, schema, ids, values):
        x0 = embed(weights["embedding/table"], schema, ids, values).ravel()
        states = matrix_cross(weights, x0, options.get("gate", "softmax"))
        if options.get("structure") == "stacked":
            states = mlp(weights, "deep", states)
        elif options["deep_units"]:
            states = np.concatenate([states, mlp(weights, "deep", x0)])
        return dense(weights, "output", states)

    check_rows("dcn_v2", mixed_schema, reference, embedding_dim=2, num_layers=2, **options)


def test_dcn_v2_contains_the_pair_term_of_fm():
    model, batch = toy("dcn_v2", num_layers=1, deep_units=())
    block_upper = np.kron(np.triu(np.ones((3, 3)), 1), np.eye(2))  # W: field i reads the sum of all fields j > i
    assign(model, {"cross_1/kernel": block_upper.T, "output/kernel": np.ones((6, 1))})
    np.testing.assert_allclose(model.explainer()(batch)["logit"], [[7.0 + 3.0]])  # the sum of all entries is 7


def test_cross_net_has_3744_cross_weights_for_criteo():
    model = build("cross_net", Schema([Field(f"field_{index}") for index in range(39)]))
    assert sum(layer.count_params() for layer in model.layers if layer.name.startswith("cross_")) == 3744


def test_wrong_arguments_are_refused(mixed_schema):
    with pytest.raises(ValueError, match="'parallel' or 'stacked'. Received: 'series'"):
        build("dcn_v2", mixed_schema, structure="series")
    with pytest.raises(ValueError, match="one of full, low_rank, mixture. Received: 'vector'"):
        build("dcn_v2", mixed_schema, cross="vector")
    for cross in ("low_rank", "mixture"):
        with pytest.raises(ValueError, match=f"whole number for cross='{cross}'. Received: None"):
            DCNv2(mixed_schema, cross=cross, rank=None)
