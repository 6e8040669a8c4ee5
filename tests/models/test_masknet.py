import keras
import numpy as np
import pytest

from ctrzoo.models import MaskNet, build
from ctrzoo.schema import Field, Schema
from tests.models.cases import predict, rows
from tests.models.pairwise import flatten, mlp, outputs
from tests.models.reference import check_model, embed, random_batch, random_weights

pytestmark = pytest.mark.usefixtures("float64")


def normalized(vector, gamma, beta):
    return (vector - vector.mean()) / np.sqrt(vector.var() + 1e-5) * gamma + beta


def mask_of(weights, name, flat):
    hidden = flat @ weights[f"{name}/mask_hidden_kernel"] + weights[f"{name}/mask_hidden_bias"]
    return np.maximum(hidden, 0) @ weights[f"{name}/mask_kernel"] + weights[f"{name}/mask_bias"]


def block(weights, name, states, flat):
    found = (mask_of(weights, name, flat) * states) @ weights[f"{name}/kernel"]
    if f"{name}/gamma" in weights:
        found = normalized(found, weights[f"{name}/gamma"], weights[f"{name}/beta"])
    return np.maximum(found, 0)


def masknet(structure, hidden=()):
    def reference(weights, embedded, batch):
        states = []
        for e in embedded:
            flat = start = e.reshape(-1)
            if "embedding_norm/gamma" in weights:
                scales = weights["embedding_norm/gamma"], weights["embedding_norm/beta"]
                start = np.concatenate([normalized(*parts) for parts in zip(e, *scales, strict=True)])
            if structure == "serial":
                states.append(block(weights, "block_2", block(weights, "block_1", start, flat), flat))
            else:
                states.append(np.concatenate([block(weights, f"block_{k}", start, flat) for k in (1, 2)]))
        return mlp(weights, np.array(states), hidden)

    return reference


@pytest.mark.parametrize("structure", ["serial", "parallel"])
@pytest.mark.parametrize("norms", [(True, True), (False, True), (True, False), (False, False)])
def test_equals_the_slow_reference(structure, norms, mixed_schema):
    first, second = norms
    options = {"normalize_embedding": first, "normalize_blocks": second, "reduction_ratio": 0.5}
    model = MaskNet(mixed_schema, structure, embedding_dim=3, units=(5, 4), **options)
    check_model(model, masknet(structure))


@pytest.mark.parametrize("structure", ["serial", "parallel"])
def test_an_mlp_may_follow(structure, mixed_schema):
    model = MaskNet(mixed_schema, structure, embedding_dim=3, units=(5, 4), deep_units=(3,))
    check_model(model, masknet(structure, hidden=("deep/hidden_0",)))


@pytest.mark.parametrize(("structure", "names"), [("serial", ["mask_1"]), ("parallel", ["mask_1", "mask_2"])])
def test_masks_of_the_embeddings_are_explained(structure, names, mixed_schema):
    model, (batch, _) = MaskNet(mixed_schema, structure, embedding_dim=3, units=(5, 4)), random_batch(mixed_schema)
    weights = random_weights(model)
    flat = flatten(embed(mixed_schema, weights["embedding/table"], batch))
    _, explanations = outputs(model, batch)
    assert list(explanations) == model.explanation_names == names
    for name in names:
        expected = mask_of(weights, name.replace("mask", "block"), flat).reshape(len(flat), 4, 3)
        for field in range(4):
            np.testing.assert_allclose(explanations[name][:, :, field], expected[:, field], rtol=1e-8, atol=1e-12)


def test_parallel_blocks_are_saved_and_train(tmp_path):
    schema = Schema([Field("user", vocabulary_size=9), Field("item", vocabulary_size=5), Field("age", "numerical")])
    keras.utils.set_random_seed(0)
    sizes = {"embedding_dim": 4, "units": (8, 6, 8), "deep_units": (8,), "dropout": 0.1, "deep_batch_norm": True}
    model = build("masknet", schema, structure="parallel", dtype="mixed_bfloat16", **sizes)
    features, _ = rows(schema, 192, seed=3)
    labels = (features["ids"][:, :1] % 2).astype("float32")
    model.compile(keras.optimizers.Adam(0.02))
    losses = model.fit(features, labels, batch_size=64, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(predict(loaded, features), predict(model, features), atol=1e-6)


def test_each_penalty_reaches_its_weights(mixed_schema):
    model = MaskNet(mixed_schema, units=(5,), deep_units=(3,), embedding_l2=0.1, mask_l2=0.2, deep_l2=0.4)
    weights = random_weights(model)
    halves = {
        "embedding/table": 0.05,
        "block_1/mask_hidden_kernel": 0.1,
        "block_1/mask_kernel": 0.1,
        "block_1/kernel": 0.1,
        "deep/hidden_0/kernel": 0.2,
    }
    expected = sum(half * np.sum(weights[path] ** 2) for path, half in halves.items())
    np.testing.assert_allclose(sum(model.losses), expected)


def test_parameters(mixed_schema):
    model = MaskNet(mixed_schema, embedding_dim=2, units=(5, 3), reduction_ratio=2.0)
    norms = 2 * 4 * 2 + 2 * 5 + 2 * 3
    first, second = 8 * 16 + 16 + 16 * 8 + 8 + 8 * 5, 8 * 10 + 10 + 10 * 5 + 5 + 5 * 3
    assert model.count_params() == 20 * 2 + norms + first + second + 3 + 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"structure": "stacked"}, "The structure must be 'serial' or 'parallel'. Received: 'stacked'"),
        ({"reduction_ratio": 0.0}, "`reduction_ratio` must be above 0"),
        ({"units": ()}, "at least one layer's size"),
    ],
)
def test_wrong_options_are_refused(wrong, message, mixed_schema):
    with pytest.raises(ValueError, match=message):
        build("masknet", mixed_schema, **wrong)
