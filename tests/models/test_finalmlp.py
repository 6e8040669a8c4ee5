import numpy as np
import pytest

from ctrzoo.models import build
from ctrzoo.schema import Field, Schema
from tests.models.rowwise import check_rows, dense, embed, mlp, random_rows

SIZES = {"embedding_dim": 2, "first_units": (5, 4), "second_units": (6, 2), "gate_units": (3,)}
PLAIN = {"use_gates": False, "gate_units": (64,)}  # the default, as there are none
# The slots, the first id and the vocabulary of each field of `mixed_schema`: user, age, item, tags.
SLOTS, FIRST = {"user": [0], "age": [1], "item": [2], "tags": [3, 4, 5]}, {"user": 1, "age": 10, "item": 11, "tags": 16}


def context(table, names, ids, values):
    """Embed fields from a table that has only them, one below the other."""
    found, start = [], 1
    for name in ("user", "age", "item", "tags"):
        if name in names:
            vectors = [values[slot] * table[ids[slot] - FIRST[name] + start] for slot in SLOTS[name] if ids[slot]]
            found.extend(np.sum(vectors, axis=0) if vectors else np.zeros(table.shape[1]))
            start += {"user": 9, "age": 1, "item": 5, "tags": 4}[name]
    return np.array(found)


def gate(weights, number, names, ids, values):
    if f"gate_{number}/context" in weights:
        given = weights[f"gate_{number}/context"][0]
    else:
        given = context(weights[f"context_embedding_{number}/table"], names, ids, values)
    return 2 / (1 + np.exp(-mlp(weights, f"gate_{number}/gate", given)))


def logit_parts(weights, schema, ids, values, num_heads=1, contexts=((), ())):
    flat = embed(weights["embedding/table"], schema, ids, values).ravel()
    outputs, parts = [], []
    for number in (1, 2):
        gated = f"gate_{number}/gate/output/kernel" in weights
        chosen = flat * gate(weights, number, contexts[number - 1], ids, values) if gated else flat
        outputs.append(mlp(weights, f"deep_{number}", chosen))
        parts.append(float(np.squeeze(dense(weights, f"output_{number}", outputs[-1]))))
    product, kernel = 0.0, weights["fusion/kernel"]
    first, second = len(outputs[0]) // num_heads, len(outputs[1]) // num_heads
    for head in range(num_heads):
        for i in range(first):
            for j in range(second):
                product += outputs[0][head * first + i] * kernel[head, i, j] * outputs[1][head * second + j]
    return [*parts, product]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {**PLAIN, "num_heads": 2},
        {"num_heads": 2, "gate_units": ()},
        {"first_context": ("user",), "second_context": ("tags", "item")},
        {"second_context": ("age", "user")},
    ],
    ids=["gates", "plain", "linear", "contexts", "one_context"],
)
def test_finalmlp_equals_the_reference(float64, mixed_schema, options):
    contexts = options.get("first_context", ()), options.get("second_context", ())

    def reference(weights, schema, ids, values):
        return sum(logit_parts(weights, schema, ids, values, options.get("num_heads", 1), contexts))

    check_rows("finalmlp", mixed_schema, reference, **{**SIZES, **options})


def test_explanations_are_gates_and_parts_of_the_logit(float64, mixed_schema):
    contexts = ("user",), ("item", "tags")
    model = build("finalmlp", mixed_schema, first_context=contexts[0], second_context=contexts[1], **SIZES)
    weights, batch, rows = random_rows(model)
    found = {name: np.asarray(array) for name, array in model.explainer()(batch).items()}
    assert model.explanation_names == ["field_gates_1", "field_gates_2", "parts"]
    for row, (ids, values) in enumerate(rows):
        expected = logit_parts(weights, mixed_schema, ids, values, 1, contexts)
        np.testing.assert_allclose(found["parts"][row], expected, rtol=1e-9)
        np.testing.assert_allclose(found["logit"][row], [sum(expected)], rtol=1e-9)
        for number in (1, 2):
            entries = gate(weights, number, contexts[number - 1], ids, values)
            means = [entries[2 * field : 2 * field + 2].mean() for field in range(4)]
            np.testing.assert_allclose(found[f"field_gates_{number}"][row], means, rtol=1e-9)
    assert build("finalmlp", mixed_schema, **{**SIZES, **PLAIN}).explanation_names == ["parts"]


def test_a_context_that_shares_the_ids_of_a_field_outside_it_has_rows_of_its_own():
    schema = Schema([Field("item", vocabulary_size=5), Field("last", vocabulary_size=5, share="item")])
    model = build("finalmlp", schema, first_context=("last",), **SIZES)
    tables = {weight.path: weight.shape for weight in model.weights if weight.path.endswith("table")}
    assert tables == {"embedding/table": (6, 2), "context_embedding_1/table": (6, 2)}


def test_penalties(mixed_schema):
    model = build("finalmlp", mixed_schema, deep_l2=0.2, embedding_l2=0.4, first_context=("user",), **SIZES)
    weights, batch, _ = random_rows(model)
    model(batch)
    kernels = [f"deep_{number}/hidden_{layer}/kernel" for number in (1, 2) for layer in (0, 1)]
    tables = ["embedding/table", "context_embedding_1/table"]
    expected = 0.1 * sum(np.sum(weights[path] ** 2) for path in kernels)
    expected += 0.2 * sum(np.sum(weights[path] ** 2) for path in tables)
    np.testing.assert_allclose(sum(model.losses), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"first_context": ("users",)}, "`first_context`: Unknown field 'users'. Did you mean 'user'?"),
        ({"second_context": ("user", "user")}, "`second_context` must name a field once. Received: user, user"),
        ({**PLAIN, "first_context": ("user",)}, "Received: .* with use_gates=False. Leave one out"),
        ({"first_units": ()}, "Each of the two MLPs needs at least one layer"),
        ({"num_heads": 3}, "3 heads, sizes 4 and 2"),
    ],
)
def test_what_is_refused(mixed_schema, options, message):
    with pytest.raises(ValueError, match=message):
        build("finalmlp", mixed_schema, **{**SIZES, **options})


def test_batch_normalization_and_its_momentum_are_those_of_each_stream(mixed_schema):
    options = {"first_batch_norm": True, "first_batch_norm_momentum": 0.7, "second_batch_norm": True}
    model = build("finalmlp", mixed_schema, **SIZES, **options)
    momenta = [
        [step.momentum for step in model.get_layer(f"deep_{number}").steps if hasattr(step, "momentum")]
        for number in (1, 2)
    ]
    assert momenta == [[0.7, 0.7], [0.9, 0.9]]
