import numpy as np
import pytest

from ctrzoo.models import build
from tests.models.rowwise import check_rows, dense, embed, mlp, random_rows

SIZES = {"embedding_dim": 2, "num_layers": 2}


def gated_cross(weights, x0, gates):
    """Walk the cross layers entry by entry; append the gate of each layer to `gates`."""
    x, number = x0, 1
    while f"cross_{number}/kernel" in weights:
        kernel, bias, gate_kernel = (weights[f"cross_{number}/{name}"] for name in ("kernel", "bias", "gate_kernel"))
        gate, after = np.zeros(len(x)), np.zeros(len(x))
        for entry in range(len(x)):
            inner = sum(kernel[k, entry] * x[k] for k in range(len(x))) + bias[entry]
            gate[entry] = 1 / (1 + np.exp(-sum(gate_kernel[k, entry] * x[k] for k in range(len(x)))))
            after[entry] = x0[entry] * inner * gate[entry] + x[entry]
        x, number = after, number + 1
        gates.append(gate)
    return x


@pytest.mark.parametrize(
    "options", [{"structure": "stacked"}, {"structure": "parallel"}, {"deep_units": ()}], ids=["S", "P", "cross"]
)
def test_gdcn_equals_the_reference(float64, mixed_schema, options):
    options = {"deep_units": (5, 4), **options}

    def reference(weights, schema, ids, values):
        x0 = embed(weights["embedding/table"], schema, ids, values).ravel()
        states = gated_cross(weights, x0, [])
        if options.get("structure") == "stacked":
            states = mlp(weights, "deep", states)
        elif options["deep_units"]:
            states = np.concatenate([states, mlp(weights, "deep", x0)])
        return dense(weights, "output", states)

    check_rows("gdcn", mixed_schema, reference, **SIZES, **options)


def test_explanations_are_the_mean_gates_of_the_fields(float64, mixed_schema):
    model = build("gdcn", mixed_schema, deep_units=(4,), **SIZES)
    weights, batch, rows = random_rows(model)
    found = model.explainer()(batch)
    assert model.explanation_names == ["field_gates_1", "field_gates_2"]
    for row, (ids, values) in enumerate(rows):
        gates = []
        gated_cross(weights, embed(weights["embedding/table"], mixed_schema, ids, values).ravel(), gates)
        for number, gate in enumerate(gates, 1):
            expected = [gate[2 * field : 2 * field + 2].mean() for field in range(4)]
            np.testing.assert_allclose(np.asarray(found[f"field_gates_{number}"])[row], expected, rtol=1e-9)


def test_parameters(mixed_schema):
    model = build("gdcn", mixed_schema, embedding_dim=3, num_layers=2, deep_units=(5,))
    assert model.count_params() == 20 * 3 + 2 * (2 * 12 * 12 + 12) + (12 + 1) * 5 + 6


def test_penalties(mixed_schema):
    model = build("gdcn", mixed_schema, cross_l2=0.2, embedding_dim=2, num_layers=1, deep_units=())
    weights, batch, _ = random_rows(model)
    model(batch)
    squares = sum(np.sum(weights[f"cross_1/{name}"] ** 2) for name in ("kernel", "gate_kernel"))
    np.testing.assert_allclose(sum(model.losses), 0.1 * squares, rtol=1e-5)


def test_an_unknown_structure_is_refused(mixed_schema):
    with pytest.raises(ValueError, match="'stacked' or 'parallel'. Received: 'series'"):
        build("gdcn", mixed_schema, structure="series")
