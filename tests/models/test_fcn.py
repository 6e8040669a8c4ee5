import keras
import numpy as np
import pytest

from ctrzoo.losses import FusedLoss
from ctrzoo.models import build
from ctrzoo.training.strategy import ReplicatedStep
from tests.models.rowwise import check_rows, dense, embed, random_rows

SIZES = {"embedding_dim": 2, "num_exponential_layers": 2, "num_linear_layers": 2}
ECN = {"use_linear": False, "num_linear_layers": 4}  # the default, as there is none


def network(weights, name, x0, options):
    """A cross network on one head by loops over entries."""
    x, number = x0, 1
    while f"{name}_{number}/kernel" in weights:
        layer = f"{name}_{number}"
        kernel, bias = weights[f"{layer}/kernel"], weights[f"{layer}/bias"]
        mapped = np.array([sum(kernel[k, m] * x[k] for k in range(len(x))) for m in range(kernel.shape[1])])
        if f"{layer}/head_norm/gamma" in weights:
            norm = {part: weights[f"{layer}/head_norm/{part}"][options["head"]] for part in ("gamma", "beta")}
            mean, variance = (
                weights[f"{layer}/head_norm/moving_{part}"][options["head"]] for part in ("mean", "variance")
            )
            mapped = norm["gamma"] * (mapped - mean) / np.sqrt(variance + 1e-3) + norm["beta"]
        mask = mapped
        if f"{layer}/mask_norm/gamma" in weights:
            centred = mapped - mapped.mean()
            mask = weights[f"{layer}/mask_norm/gamma"] * centred / np.sqrt(np.mean(centred**2) + 1e-5)
            mask = mask + weights[f"{layer}/mask_norm/beta"]
        map_and_masked = [*mapped, *(mapped * np.maximum(mask, 0))]
        first = x if name == "exponential" else x0
        x = np.array([first[k] * (map_and_masked[k] + bias[k]) + x[k] for k in range(len(x))])
        number += 1
    return float(np.squeeze(dense(weights, f"{name}_output", x)))


def logits_of(weights, schema, ids, values, num_heads=1):
    """Return the logits of the networks, each the mean over the heads."""
    embedded = embed(weights["embedding/table"], schema, ids, values)
    size = embedded.shape[1] // num_heads
    names = [name for name in ("exponential", "linear") if f"{name}_1/kernel" in weights]
    logits = np.zeros((num_heads, len(names)))
    for head in range(num_heads):
        halves = [[], []]
        for vector in embedded:
            own = vector[head * size : (head + 1) * size]
            halves[0].extend(own[: size // 2])
            halves[1].extend(own[size // 2 :])
        x0 = np.array(halves[0] + halves[1])
        logits[head] = [network(weights, name, x0, {"head": head}) for name in names]
    return logits.mean(axis=0)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_heads": 2, "embedding_dim": 4},
        {"num_heads": 2, "batch_norm": True, "layer_norm": False},
        {**ECN, "layer_norm": False},
    ],
    ids=["fcn", "heads", "batch_norm", "ecn"],
)
def test_fcn_equals_the_reference(float64, mixed_schema, options):
    def reference(weights, schema, ids, values):
        return np.mean(logits_of(weights, schema, ids, values, options.get("num_heads", 1)))

    check_rows("fcn", mixed_schema, reference, **{**SIZES, **options})


def entropy(labels, logits, weights=None):
    losses = [np.logaddexp(0, logit if label == 0 else -logit) for label, logit in zip(labels, logits, strict=True)]
    return np.average(losses, weights=weights)


def fused(labels, logits, weights=None):
    mean = entropy(labels, logits.mean(axis=1), weights)
    own = [entropy(labels, logits[:, index], weights) for index in (0, 1)]
    return mean + sum(each * max(each - mean, 0) for each in own)


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5]])
@pytest.mark.parametrize("eagerly", [False, True])
def test_fit_and_the_trainer_take_the_losses_of_both_networks(mixed_schema, weights, eagerly):
    model = build("fcn", mixed_schema, cross_l2=0.1, **SIZES)
    arrays, batch, rows = random_rows(model)
    logits = np.array([logits_of(arrays, mixed_schema, *row) for row in rows])
    labels = np.array([[1.0], [0.0], [1.0]], "float32")
    penalty = 0.05 * sum(np.sum(arrays[path] ** 2) for path in arrays if path.endswith(("1/kernel", "2/kernel")))
    expected = fused(labels[:, 0], logits, weights) + penalty
    plain = entropy(labels[:, 0], logits.mean(axis=1), weights)
    assert expected > plain + penalty + 0.01
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=eagerly)
    given = None if weights is None else np.array(weights, "float32")
    found = model.fit(batch, labels, sample_weight=given, verbose=0).history["loss"][0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    # An evaluation takes the loss of the mean alone.
    evaluated = model.evaluate(batch, labels, sample_weight=given, verbose=0)
    np.testing.assert_allclose(evaluated, plain + penalty, rtol=1e-5)
    columns = (batch, labels) if given is None else (batch, labels, given)
    columns = keras.tree.map_structure(keras.ops.convert_to_tensor, columns)
    np.testing.assert_allclose(ReplicatedStep(model).train(columns), expected, rtol=1e-5)


def test_the_gradient_is_that_of_the_fused_loss(float64, mixed_schema):
    import tensorflow as tf

    model = build("fcn", mixed_schema, **SIZES)
    weights, batch, rows = random_rows(model)
    labels = np.array([[1.0], [0.0], [1.0]])
    model.compile()
    with tf.GradientTape() as tape:
        loss = model.compute_loss(batch, labels, model(batch, training=True), training=True)
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        gradient = np.asarray(tf.convert_to_tensor(gradient))
        entry = np.unravel_index(np.abs(gradient).argmax(), gradient.shape)
        slopes = []
        for step in (1e-5, -1e-5):
            moved = {**weights, weight.path: weights[weight.path].copy()}
            moved[weight.path][entry] += step
            slopes.append(fused(labels[:, 0], np.array([logits_of(moved, mixed_schema, *row) for row in rows])))
        # Keras' cross entropy is of probabilities, whose logarithm has a small number added.
        np.testing.assert_allclose(gradient[entry], (slopes[0] - slopes[1]) / 2e-5, rtol=1e-4, err_msg=weight.path)


def test_the_loss_of_other_tasks_and_models(mixed_schema):
    for task, options, name in (
        ("classification", {}, "binary_crossentropy"),
        ("regression", {}, "mean_squared_error"),
        ("regression", {"loss": "poisson"}, "poisson"),
    ):
        loss = build("fcn", mixed_schema, task=task, **SIZES, **options).default_loss
        assert isinstance(loss, FusedLoss) and loss.name == name
        alone = build("fcn", mixed_schema, task=task, **{**SIZES, **ECN}, **options)
        assert not isinstance(alone.default_loss, FusedLoss) and alone.default_loss.name == name
        assert not alone.needs_whole_batches
    assert build("fcn", mixed_schema, task="ranking", **SIZES).default_loss.name == "pairwise_logistic"


def test_with_another_loss_only_the_mean_is_trained(mixed_schema):
    model = build("fcn", mixed_schema, **SIZES)
    arrays, batch, rows = random_rows(model)
    logits = np.array([logits_of(arrays, mixed_schema, *row) for row in rows])
    labels = np.array([[1.0], [0.0], [1.0]])
    model.compile("sgd", loss="binary_crossentropy")
    found = model.fit(batch, labels, verbose=0).history["loss"][0]
    np.testing.assert_allclose(found, entropy(labels[:, 0], logits.mean(axis=1)), rtol=1e-5)


def test_a_saved_model_goes_on_with_its_loss(mixed_schema, tmp_path):
    model = build("fcn", mixed_schema, **SIZES)
    arrays, batch, rows = random_rows(model)
    labels = np.array([[1.0], [0.0], [1.0]])
    model.compile(keras.optimizers.SGD(0.0))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    logits = np.array([logits_of(arrays, mixed_schema, *row) for row in rows])
    found = loaded.fit(batch, labels, verbose=0).history["loss"][0]
    np.testing.assert_allclose(found, fused(labels[:, 0], logits), rtol=1e-5)


def test_explanations_are_the_parts_of_the_logit(float64, mixed_schema):
    model = build("fcn", mixed_schema, **SIZES)
    weights, batch, rows = random_rows(model)
    found = np.asarray(model.explainer()(batch)["parts"])
    expected = [logits_of(weights, mixed_schema, *row) / 2 for row in rows]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert build("fcn", mixed_schema, **{**SIZES, **ECN}).explanation_names == []


def test_parameters(mixed_schema):
    """The matrices have half the rows of those of DCN-v2; heads widen the table alone."""
    model = build("fcn", mixed_schema, num_heads=3, layer_norm=False, **SIZES)
    assert model.count_params() == 20 * 6 + 4 * (8 * 4 + 8) + 2 * (8 + 1)


def test_an_odd_size_is_refused(mixed_schema):
    with pytest.raises(ValueError, match="`embedding_dim` must be even, because vectors are halved. Received: 3"):
        build("fcn", mixed_schema, embedding_dim=3)
