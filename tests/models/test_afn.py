import keras
import numpy as np

from ctrzoo.models import AFN, build
from tests.models.cases import predict, randomize, rows
from tests.models.pairwise import flatten, mlp
from tests.models.reference import check_model, embed


def normalized(numbers, weights, name, epsilon):
    mean, variance = weights[f"{name}/moving_mean"], weights[f"{name}/moving_variance"]
    return (numbers - mean) / np.sqrt(variance + epsilon) * weights[f"{name}/gamma"] + weights[f"{name}/beta"]


def neurons(weights, e):
    """Return the products of one row, those of a dimension next to each other."""
    found = []
    for dimension in range(e.shape[1]):
        logs = np.array([np.log(max(abs(number), 1e-5)) for number in e[:, dimension]])
        sums = normalized(logs, weights, "neurons/log_norm", 1e-5) @ weights["neurons/kernel"]
        found.append(normalized(np.exp(sums), weights, "neurons/exp_norm", 1e-5))
    return np.concatenate(found)


def hidden_logits(weights, embedded, batch):
    products = np.array([neurons(weights, e) for e in embedded])
    return mlp(weights, products, ("hidden/hidden_0",), "hidden/output")


def test_afn_equals_the_slow_reference(float64, mixed_schema):
    check_model(AFN(mixed_schema, embedding_dim=3, num_neurons=5, hidden_units=(4,)), hidden_logits)


def test_afn_plus_equals_the_slow_reference(float64, mixed_schema):
    def logits(weights, embedded, batch):
        others = embed(mixed_schema, weights["deep_embedding/table"], batch)
        deep = mlp(weights, flatten(others), ("deep/hidden_0",))
        both = np.stack([hidden_logits(weights, embedded, batch), deep], axis=1)
        return both @ weights["output/kernel"] + weights["output/bias"]

    check_model(AFN(mixed_schema, embedding_dim=3, num_neurons=5, hidden_units=(4,), deep_units=(6,)), logits)


def test_each_penalty_reaches_its_weights(mixed_schema):
    sizes = {"num_neurons": 5, "hidden_units": (4,), "deep_units": (6,)}
    model = AFN(mixed_schema, **sizes, embedding_l2=0.1, neuron_l2=0.2, hidden_l2=0.4, deep_l2=0.8)
    randomize(model)
    halves = {
        "embedding/table": 0.05,
        "deep_embedding/table": 0.05,
        "neurons/kernel": 0.1,
        "hidden/hidden_0/kernel": 0.2,
        "deep/hidden_0/kernel": 0.4,
    }
    weights = {weight.path: weight.numpy() for weight in model.weights}
    expected = sum(half * np.sum(weights[path] ** 2) for path, half in halves.items())
    np.testing.assert_allclose(sum(model.losses), expected, rtol=1e-6)


def test_parameters(mixed_schema):
    model = AFN(mixed_schema, num_neurons=10, hidden_units=(7,))
    norms = 4 * (4 + 10)  # with the moving statistics
    assert model.count_params() == 20 * 16 + 4 * 10 + norms + (160 + 1) * 7 + 8
    plus = AFN(mixed_schema, num_neurons=10, hidden_units=(7,), deep_units=(6,))
    assert plus.count_params() - model.count_params() == 20 * 16 + (64 + 1) * 6 + 7 + 3


def test_afn_plus_is_saved_and_trains(mixed_schema, tmp_path):
    keras.utils.set_random_seed(0)
    model = build("afn", mixed_schema, embedding_dim=4, num_neurons=6, hidden_units=(8,), deep_units=(8,))
    features, _ = rows(mixed_schema, 192, seed=3)
    labels = (features["ids"][:, :1] % 2).astype("float32")
    model.compile(keras.optimizers.Adam(0.05))
    losses = model.fit(features, labels, batch_size=64, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(predict(loaded, features), predict(model, features), atol=1e-6)
