"""What every model of the zoo keeps to; a new model is tested by being in `MODELS`."""

import inspect
import json
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from ctrzoo.explanation.kinds import kind_of
from ctrzoo.metrics import auc
from ctrzoo.models import MODELS, MODELS_OF_HISTORIES, build, hyperparameters_of
from ctrzoo.schema import Field, Schema
from ctrzoo.training.strategy import ReplicatedStep
from tests.models.cases import CASES, EACH, arguments_of, predict, randomize, rows, with_history

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]

SYMMETRIC = ("pairs", "gates")
STEPS = 12  # FinalNet starts slowly: its loss falls by a tenth in ten steps, by half in sixteen
# The reference HoAFM starts on a plateau, the longer the more layers.
# Three narrow layers of WuKong on a narrow MLP may die at the learning rate of these tests; one layer learns.
LEARNABLE = {"hoafm-reference": {"num_layers": 1}, "wukong": {"num_layers": 1}}
# Kinds of field that `mixed_schema` does not have.
OTHER_KINDS = Schema(
    [
        Field("age", "numerical"),
        Field("emb", "vector", vocabulary_size=3, num_slots=3),
        Field("item", vocabulary_size=7, num_slots=2, compositional=4),
        Field("one", "vector"),
        Field("user", vocabulary_size=5),
        Field("seen", "sequence", vocabulary_size=5, num_slots=4, share="user", pooling="sum"),
    ]
)


@pytest.fixture
def mixed_schema(mixed_schema):
    """Fields of each kind, with a history for the models that need one."""
    return with_history(mixed_schema)


# For tests that take long: each night, all models; else some that have all kinds of layers between them.
DIVERSE = pytest.mark.parametrize("case", EACH, indirect=True)


@pytest.fixture(params=CASES, ids=repr)
def case(request):
    return request.param


@pytest.fixture(params=MODELS)
def name(request):
    return request.param


@pytest.fixture
def model(case, mixed_schema):
    return case.random(mixed_schema)


@pytest.fixture(params=["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.nightly)])
def mixed_precision(request):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield
    keras.config.set_dtype_policy(policy)


def cross_entropy(outputs, labels):
    return float(np.mean(-np.log(np.clip(np.where(labels == 1, outputs, 1 - outputs), 1e-7, 1))))


def learnable(schema, count=192):
    """Rows whose label says whether the first field's id is odd."""
    features, _ = rows(schema, count, seed=3)
    return features, (features["ids"][:, :1] % 2).astype("float32")


def fit(model, optimizer, features, labels, steps):
    """Train for a few steps on all rows; return the losses before each. A graph would take longer to trace."""
    model.compile(optimizer, model.default_loss, run_eagerly=True)
    return [float(model.train_on_batch(features, labels)) for _ in range(steps)]


def test_output_is_a_probability(model):
    outputs = predict(model, rows(model.schema)[0])
    assert (outputs.shape, outputs.dtype) == ((6, 1), np.float32)
    assert np.all((outputs >= 0) & (outputs <= 1)) and np.ptp(outputs) > 0


@DIVERSE
def test_every_trainable_weight_has_a_gradient(model):
    features, labels = rows(model.schema, 64)
    with tf.GradientTape() as tape:
        outputs = model(features, training=True)
        loss = keras.ops.mean(keras.losses.binary_crossentropy(labels, outputs))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        assert gradient is not None, f"{weight.path} has no gradient"
        values = tf.convert_to_tensor(gradient).numpy()
        assert np.all(np.isfinite(values)) and np.any(values), f"{weight.path}: {np.abs(values).max()}"


@DIVERSE
def test_a_row_of_weight_two_counts_as_two_rows(model):
    features, labels = rows(model.schema, 12)
    weights = np.arange(12) % 3
    repeated = np.repeat(np.arange(12), weights)
    found = []
    for chosen, weight in ((np.arange(12), weights.astype("float32")), (repeated, None)):
        batch = {name: array[chosen] for name, array in features.items()}
        with tf.GradientTape() as tape:
            # Not in training, where dropout and batch normalization look at the rows of the batch.
            loss = model.default_loss(labels[chosen], model(batch, training=False), weight)
        gradients = tape.gradient(loss, [variable.value for variable in model.trainable_weights])
        found.append([loss, *map(tf.convert_to_tensor, gradients)])
    for weighted, expected in zip(*found, strict=True):
        np.testing.assert_allclose(weighted, expected, rtol=2e-4, atol=1e-6 + 1e-6 * np.abs(expected).max())


@DIVERSE
def test_fitting_lowers_the_loss(case, mixed_schema):
    keras.utils.set_random_seed(2)
    model = case.new(mixed_schema, **LEARNABLE.get(case.id, {}))
    features, labels = learnable(mixed_schema)
    before = cross_entropy(predict(model, features), labels)
    fit(model, keras.optimizers.Adam(0.05), features, labels, STEPS)
    assert cross_entropy(predict(model, features), labels) < 0.9 * before


@DIVERSE
def test_the_trainer_takes_batches_of_any_size(case, mixed_schema):
    model = case.new(mixed_schema)
    model.compile("sgd")
    step = ReplicatedStep(model)  # its graph does not know the number of rows
    for size in (5, 3):
        features, labels = rows(mixed_schema, size)
        batch = tf.nest.map_structure(tf.constant, (features, np.asarray(labels, "float32").reshape(-1, 1)))
        assert np.isfinite(float(step.train(batch)))


def test_a_configuration_survives_json(model):
    config = model.get_config()
    twin = type(model).from_config(json.loads(json.dumps(config)))
    assert twin.get_config() == config
    assert twin.count_params() == model.count_params()
    assert [weight.path for weight in twin.weights] == [weight.path for weight in model.weights]


@DIVERSE
def test_models_learn_from_the_other_kinds_of_field(case):
    keras.utils.set_random_seed(3)
    schema, emb, item = OTHER_KINDS, 1, 2
    model = case.new(schema, **LEARNABLE.get(case.id, {}))
    features, _ = rows(schema, 192, seed=4)
    # The label depends on the vector's first number, and on whether the number of the remainder is odd.
    number = features["values"][:, schema.slot_fields.index(emb)]
    remainder = features["ids"][:, schema.slot_fields.index(item) + 1]
    labels = (number + 1.5 * (-1) ** remainder > 0).astype("float32")[:, None]
    before = cross_entropy(predict(model, features), labels)
    table = next(weight for weight in model.trainable_weights if weight.shape[0] == schema.num_ids)
    old = keras.ops.convert_to_numpy(table)
    fit(model, keras.optimizers.Adam(0.05), features, labels, STEPS)
    assert cross_entropy(predict(model, features), labels) < 0.9 * before
    for field in (emb, item):
        own = schema.first_ids[field] + np.arange(schema.fields[field].vocabulary_size)
        assert np.all(np.any(keras.ops.convert_to_numpy(table)[own] != old[own], axis=1))
    outputs = model.explainer()(features)
    assert all(np.all(np.isfinite(keras.ops.convert_to_numpy(values))) for values in outputs.values())
    assert type(model).from_config(json.loads(json.dumps(model.get_config()))).schema == schema


@DIVERSE
def test_frozen_weights_stay_frozen(model):
    model.trainable = False
    assert type(model).from_config(model.get_config()).trainable_weights == []


LOAD = """
import ctrzoo.models, keras, numpy, pathlib, sys
folder = pathlib.Path(sys.argv[1])
features = dict(numpy.load(folder / "features.npz"))
for path in sorted(folder.glob("*.keras")):
    model = keras.saving.load_model(path)
    outputs = keras.ops.convert_to_numpy(model(features, training=False))
    difference = numpy.abs(outputs - numpy.load(path.with_suffix(".npy"))).max()
    print(path.stem, type(model).__name__, difference)
"""


def test_saved_models_load_in_a_new_process(mixed_schema, tmp_path):
    features, _ = rows(mixed_schema)
    np.savez(tmp_path / "features.npz", **features)
    for case in CASES:
        model = case.random(mixed_schema)
        model.save(tmp_path / f"{case.id}.keras")
        np.save(tmp_path / f"{case.id}.npy", predict(model, features))
    command = [sys.executable, "-c", LOAD, str(tmp_path)]
    finished = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, timeout=300)
    assert finished.returncode == 0, finished.stderr
    found = {line.split()[0]: line.split()[1:] for line in finished.stdout.splitlines()}
    assert set(found) == {case.id for case in CASES}
    for case in CASES:
        kind, difference = found[case.id]
        assert kind == MODELS[case.name].__name__ and float(difference) <= 1e-6, f"{case.id}: {difference}"


@DIVERSE
def test_a_batch_of_one_equals_its_row_in_a_batch(model):
    features, _ = rows(model.schema)
    batch = predict(model, features)
    for row in (0, 3):
        alone = predict(model, {key: value[row : row + 1] for key, value in features.items()})
        np.testing.assert_allclose(alone, batch[row : row + 1], atol=1e-6)


@pytest.mark.parametrize("key", ["ids", "values"])
def test_one_column_is_not_stretched_to_all_slots(key, model):
    features, _ = rows(model.schema)
    with pytest.raises(ValueError, match=rf"Ids and values must have the shape \(batch, {model.schema.num_slots}\)"):
        model({**features, key: features[key][:, :1]})


@DIVERSE
def test_ids_of_absent_slots_do_not_matter(model):
    features, _ = rows(model.schema)
    tags = np.equal(model.schema.slot_fields, 3)
    absent = tags & (features["values"] == 0)
    assert absent.any()
    ids = np.where(absent, model.schema.first_ids[3] + 1, features["ids"])
    np.testing.assert_array_equal(predict(model, {**features, "ids": ids}), predict(model, features))


@DIVERSE
def test_rows_without_any_entry_give_a_finite_output(model):
    shape = (3, model.schema.num_slots)
    features = {"ids": np.zeros(shape, "int32"), "values": np.zeros(shape, "float32")}
    outputs = {key: keras.ops.convert_to_numpy(value) for key, value in model.explainer()(features).items()}
    assert all(np.all(np.isfinite(value)) for value in outputs.values())
    # Rounding may depend on the place of a row in its batch.
    np.testing.assert_allclose(outputs["probability"], np.tile(outputs["probability"][:1], (3, 1)), rtol=1e-5)


def test_explanations_have_the_shape_that_their_name_says(model, case):
    features, _ = rows(model.schema, 5)
    outputs = model.explainer()(features)
    assert set(outputs) == {"probability", "logit", *model.explanation_names}
    np.testing.assert_allclose(outputs["probability"], predict(model, features), rtol=1e-6)
    for key in model.explanation_names:
        values, kind = keras.ops.convert_to_numpy(outputs[key]), re.sub(r"_\d+$", "", key)
        axes = kind_of(key, values.shape[1:], model.schema.num_fields).axes
        assert len(values) == 5 and np.all(np.isfinite(values)), key
        assert tuple(outputs[key].shape[1:]) == tuple(model._named_tensors[key].shape[1:]), key
        if kind in SYMMETRIC:
            np.testing.assert_allclose(values, np.swapaxes(values, 1, 2), atol=1e-6, err_msg=key)
        if kind in ("attention", "weights", "orders"):
            assert np.all((values >= 0) & (values <= 1 + 1e-6)), key
        if axes in (("head", "field", "field"), ("layer", "field", "field")):
            np.testing.assert_allclose(values.sum(axis=-1), 1, atol=1e-5, err_msg=key)


def test_explanations_are_named_in_the_docstring(model):
    text = inspect.cleandoc(type(model).__doc__).partition("Explanations: ")[2].partition("\n\n")[0]
    for key in model.explanation_names:
        assert f"`{re.sub(r'_[0-9]+$', '_k', key)}`" in text
    assert text.startswith("none.") == (not model.explanation_names)


def test_hyperparameters_are_attributes(case, model):
    given = case.new(model.schema, task="regression")
    for key, value in hyperparameters_of(case.name).items():
        assert getattr(given, key) == (getattr(model, key) if key != "task" else "regression")
        if isinstance(value, tuple):
            assert isinstance(getattr(given, key), tuple)


def test_hyperparameters_are_in_the_docstring(name):
    assert set(arguments_of(MODELS[name].__doc__)) == {"schema", "dtype", *hyperparameters_of(name)}


def test_an_unknown_hyperparameter_is_refused_with_a_suggestion(name, mixed_schema):
    key = "embedding_dim" if "embedding_dim" in hyperparameters_of(name) else "linear_l2"
    with pytest.raises(ValueError, match=f"Model '{name}'.*Did you mean '{key}'?"):
        build(name, mixed_schema, **{key + "s": 4})


def test_an_unknown_task_is_refused(name, mixed_schema):
    with pytest.raises(ValueError, match="The task must be one of"):
        build(name, mixed_schema, task="clasification")


@DIVERSE
def test_mixed_precision(case, mixed_schema, mixed_precision):
    keras.utils.set_random_seed(4)
    model = case.new(mixed_schema)
    features, labels = rows(mixed_schema, 16)
    losses = fit(model, "sgd", features, labels, 1)
    outputs = predict(model, features)
    assert outputs.dtype == np.float32 and np.all(np.isfinite(outputs)) and np.all(np.isfinite(losses))
    assert all(np.all(np.isfinite(keras.ops.convert_to_numpy(weight))) for weight in model.weights)


@DIVERSE
def test_regression(case, mixed_schema):
    keras.utils.set_random_seed(5)
    if case.name not in MODELS_OF_HISTORIES:
        # InterHAt's products start too far from the targets for so few steps, the further the more fields there are.
        mixed_schema = Schema(mixed_schema.fields[:-1])
    model = case.new(mixed_schema, task="regression", **LEARNABLE.get(case.id, {}))
    features, labels = rows(mixed_schema, 32)
    assert model.default_loss.name == "mean_squared_error"
    targets = 3 + 2 * labels
    before = np.mean((predict(model, features) - targets) ** 2)
    fit(model, keras.optimizers.Adam(0.01), features, targets, 3)
    assert np.mean((predict(model, features) - targets) ** 2) < before
    randomize(model, scale=1.0)
    outputs = model.explainer()(features)
    np.testing.assert_array_equal(outputs["prediction"], outputs["logit"])
    assert np.any(np.abs(outputs["logit"] - 0.5) > 0.5) and predict(model, features).dtype == np.float32


def test_a_single_field_is_enough(name):
    schema = Schema([Field("user", vocabulary_size=4)])
    if name in MODELS_OF_HISTORIES:
        with pytest.raises(ValueError, match="The model reads histories"):
            build(name, schema)
        return
    if name in ("pnn", "dlrm", "hoafm", "autofis", "fibinet"):  # their terms are of pairs alone
        with pytest.raises(ValueError, match="at least (one pair|two vectors|two fields|2 fields)"):
            build(name, schema)
        return
    model = build(name, schema)
    features, labels = rows(schema, 8)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(keras.losses.binary_crossentropy(labels, model(features, training=True)))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    found = [tf.convert_to_tensor(gradient) for gradient in gradients if gradient is not None]
    assert found and all(np.all(np.isfinite(gradient)) for gradient in found)


@pytest.mark.parametrize("name", ["fm", "autoint"])
def test_ranking(name, mixed_schema):
    keras.utils.set_random_seed(6)
    model = build(name, mixed_schema, embedding_dim=4, task="ranking")
    features, labels = learnable(mixed_schema, 64)
    model.compile(keras.optimizers.Adam(0.02), model.default_loss, run_eagerly=True)
    losses = model.fit(features, labels, batch_size=64, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    outputs = model.explainer()(features)
    np.testing.assert_array_equal(outputs["prediction"], outputs["logit"])
    assert auc(labels, predict(model, features)) > 0.9
