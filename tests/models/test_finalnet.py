import keras
import numpy as np
import pytest

from ctrzoo.models import build
from tests.models.rowwise import check_rows, dense, embed, random_rows

SIZES = {"embedding_dim": 2, "first_units": (6, 4), "second_units": (4,), "batch_norm": False}
ONE = {"num_blocks": 1, "second_units": (400, 400)}  # the default, as there is none


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def block(weights, number, inputs, residual, activation):
    states, index = inputs, 0
    while f"block_{number}/hidden_{index}/kernel" in weights:
        mapped = dense(weights, f"block_{number}/hidden_{index}", states)
        half = len(mapped) // 2
        products = [mapped[entry] * mapped[half + entry] for entry in range(half)]
        states = np.array([*mapped[:half], *products]) if residual == "concat" else mapped[:half] + np.array(products)
        states, index = np.maximum(states, 0) if activation == "relu" else states, index + 1
    return np.squeeze(dense(weights, f"output_{number}", states))


def logits_of(weights, schema, ids, values, options):
    embedded = embed(weights["embedding/table"], schema, ids, values)
    first = embedded
    if "gate/kernel" in weights:
        fields = range(len(embedded))
        kernel, bias = weights["gate/kernel"], weights["gate/bias"]
        gates = [sum(kernel[other, field] * embedded[other] for other in fields) + bias[field] for field in fields]
        first = np.concatenate([embedded, embedded * np.array(gates)])
    inputs = [first.ravel(), embedded.ravel()][: options.get("num_blocks", 2)]
    activations = options.get("first_activation", "relu"), "relu"
    residual = options.get("residual", "concat")
    return [block(weights, number, x, residual, activations[number - 1]) for number, x in enumerate(inputs, 1)]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_gate": True, "first_activation": "linear"},
        {**ONE, "use_gate": True},
        {"residual": "sum", "first_units": (3, 5)},
    ],
    ids=["two", "gate", "one", "sum"],
)
def test_finalnet_equals_the_reference(float64, mixed_schema, options):
    def reference(weights, schema, ids, values):
        return np.mean(logits_of(weights, schema, ids, values, options))

    check_rows("finalnet", mixed_schema, reference, **{**SIZES, **options})


def test_the_blocks_learn_from_their_mean(float64, mixed_schema):
    model = build("finalnet", mixed_schema, distillation=0.7, **SIZES)
    weights, batch, rows = random_rows(model)
    found = {name: np.asarray(array) for name, array in model.explainer()(batch).items()}
    model(batch)
    expected = 0.0
    for row, (ids, values) in enumerate(rows):
        logits = logits_of(weights, mixed_schema, ids, values, {})
        np.testing.assert_allclose(found["parts"][row], np.array(logits) / 2, rtol=1e-9)
        target = sigmoid(np.mean(logits))
        for logit in logits:
            expected -= (target * np.log(sigmoid(logit)) + (1 - target) * np.log(1 - sigmoid(logit))) / len(rows)
    np.testing.assert_allclose(model.losses, [0.7 * expected], rtol=1e-6)


@pytest.mark.parametrize("task", ["regression", "ranking"])
def test_other_tasks_compare_the_logits(float64, mixed_schema, task):
    model = build("finalnet", mixed_schema, task=task, **SIZES)
    weights, batch, rows = random_rows(model)
    model(batch)
    logits = np.array([logits_of(weights, mixed_schema, *row, {}) for row in rows])
    differences = logits - logits.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(model.losses, [np.mean(np.sum(differences**2, axis=1) / 2)], rtol=1e-6)


def test_one_block_has_no_loss_of_its_own_and_no_explanations(mixed_schema):
    model = build("finalnet", mixed_schema, **{**SIZES, **ONE})
    model(random_rows(model)[1])
    assert model.losses == [] and model.explanation_names == [] and not model.needs_whole_batches
    assert build("finalnet", mixed_schema, **SIZES).needs_whole_batches


def test_the_loss_of_fit_includes_that_of_the_blocks(mixed_schema):
    """Keras' loss of a batch is the log loss plus what the model adds; the metric is the log loss alone."""
    model = build("finalnet", mixed_schema, **SIZES)
    _, batch, _ = random_rows(model)
    labels = np.array([[1.0], [0.0], [1.0]])
    outputs = np.asarray(model(batch))
    own = float(sum(model.losses))
    log_loss = float(np.mean(-np.log(np.where(labels == 1, outputs, 1 - outputs))))
    model.compile(keras.optimizers.SGD(0.0), weighted_metrics=[keras.metrics.BinaryCrossentropy(name="log_loss")])
    found = model.fit(batch, labels, verbose=0).history
    assert own > 0.5
    np.testing.assert_allclose([found["loss"][0], found["log_loss"][0]], [log_loss + own, log_loss], rtol=1e-5)


def test_penalties(mixed_schema):
    model = build("finalnet", mixed_schema, deep_l2=0.2, distillation=0.0, use_gate=True, **SIZES)
    weights, batch, _ = random_rows(model)
    model(batch)
    kernels = ("block_1/hidden_0", "block_1/hidden_1", "block_2/hidden_0")
    expected = 0.1 * sum(np.sum(weights[f"{name}/kernel"] ** 2) for name in kernels)
    np.testing.assert_allclose(sum(model.losses), expected, rtol=1e-5)


def test_the_momentum_reaches_every_batch_normalization(mixed_schema):
    model = build("finalnet", mixed_schema, **{**SIZES, "batch_norm": True}, batch_norm_momentum=0.7)
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    assert [norm.momentum for norm in norms] == [0.7] * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_blocks": 3}, "`num_blocks` must be 1 or 2. Received: 3"),
        ({"second_units": ()}, "at least one layer. Received: none for block 2"),
        ({"first_units": (3,)}, "must be even for the residual 'concat'"),
        ({"residual": "mean"}, "'concat' or 'sum'. Received: 'mean'"),
    ],
)
def test_what_is_refused(mixed_schema, options, message):
    with pytest.raises(ValueError, match=message):
        build("finalnet", mixed_schema, **{**SIZES, **options})
