"""The base of all models: compiling, saving with the optimizer's state, tasks."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import ctrzoo
from ctrzoo import models
from ctrzoo.layers import FieldEmbedding
from ctrzoo.model import CTRModel, feature_inputs, features_of
from ctrzoo.schema import Field, Schema
from tests.models.cases import with_history
from tests.models.reference import random_batch


def test_the_loss_follows_the_task(mixed_schema):
    for task, loss in (("classification", "binary_crossentropy"), ("regression", "mean_squared_error")):
        model = models.build("fm", mixed_schema, task=task)
        model.compile()
        assert model.loss.name == loss
        assert model.jit_compile is False


def test_a_saved_model_goes_on_training_where_it_was(mixed_schema, tmp_path):
    features, labels = random_batch(mixed_schema, rows=64)
    keras.utils.set_random_seed(1)
    model = models.build("fm", mixed_schema, embedding_dim=4)
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(features, labels, epochs=2, batch_size=64, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for trained in (model, loaded):
        trained.fit(features, labels, epochs=2, batch_size=64, shuffle=False, verbose=0)
    assert int(loaded.optimizer.iterations) == 4
    np.testing.assert_allclose(loaded.predict(features, verbose=0), model.predict(features, verbose=0), rtol=1e-6)


def test_a_model_is_loaded_in_the_precision_that_it_was_saved_in(mixed_schema, tmp_path):
    features, labels = random_batch(mixed_schema, rows=64)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = models.build("deepfm", mixed_schema, embedding_dim=4, deep_units=(8,))
        model.compile(keras.optimizers.Adam(0.01))
        model.fit(features, labels, epochs=2, batch_size=64, verbose=0)
        model.save(tmp_path / "model.keras")
    finally:
        keras.config.set_dtype_policy("float32")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("embedding").compute_dtype == "float16" and keras.config.dtype_policy().name == "float32"
    np.testing.assert_array_equal(loaded.predict(features, verbose=0), model.predict(features, verbose=0))
    assert isinstance(loaded.optimizer, keras.optimizers.LossScaleOptimizer)
    for ours, theirs in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@keras.saving.register_keras_serializable("tests")
class OwnModel(CTRModel):
    """A model of one's own that names the fewest arguments it can, one of them by keyword only."""

    def __init__(self, schema, *, embedding_dim=4, dtype=None, **kwargs):
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, dtype=dtype, name="embedding")(features)
        logit = keras.layers.Dense(1, dtype=dtype)(keras.layers.Flatten(dtype=dtype)(embedded))
        super().__init__(schema, features, logit, dtype=dtype, **kwargs)
        self.embedding_dim = embedding_dim

    def get_config(self):
        return {**super().get_config(), "embedding_dim": self.embedding_dim}


@keras.saving.register_keras_serializable("tests")
class OwnFM(models.FM):
    """A model of the zoo with an argument more, and one of its arguments set."""

    def __init__(self, schema, gain=2.0, **kwargs):
        super().__init__(schema, linear_l2=0.5, **kwargs)
        self.gain = gain

    def get_config(self):
        config = super().get_config()
        del config["linear_l2"]
        return {**config, "gain": self.gain}


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (OwnModel, {"task": "regression", "embedding_dim": 3, "name": "mine"}),
        (OwnFM, {"task": "regression", "gain": 3.0, "embedding_dropout": 0.5}),
    ],
)
def test_a_model_of_ones_own_keeps_all_arguments(kind, given, mixed_schema, tmp_path):
    model = kind(mixed_schema, **given)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert {key: getattr(loaded, key) for key in given} == given
    assert loaded.get_config() == model.get_config()


def test_frozen_layers_stay_frozen(mixed_schema, tmp_path):
    model = models.build("deepfm", mixed_schema, embedding_dim=4, deep_units=(8,))
    model.get_layer("embedding").trainable = False
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    trained = [weight.path for weight in model.trainable_weights]
    assert [weight.path for weight in loaded.trainable_weights] == trained
    assert len(trained) == len(model.weights) - 1


def test_frozen_layers_without_a_name_and_those_of_older_files_stay_frozen(mixed_schema, tmp_path):
    model = OwnModel(mixed_schema)
    dense = next(layer for layer in model.layers if isinstance(layer, keras.layers.Dense))
    dense.trainable = False
    model.save(tmp_path / "model.keras")
    OwnModel(mixed_schema)  # Keras numbers on
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert [weight.name for weight in loaded.trainable_weights] == ["table"]
    older = OwnModel.from_config({**model.get_config(), "frozen": ["embedding"]})
    assert [weight.name for weight in older.trainable_weights] == ["kernel", "bias"]


def test_a_model_frozen_as_a_whole_can_be_set_free_after_loading(mixed_schema, tmp_path):
    model = models.build("deepfm", mixed_schema, embedding_dim=4, deep_units=(8,))
    model.trainable = False
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert not loaded.trainable and not loaded.trainable_weights
    loaded.trainable = True
    assert len(loaded.trainable_weights) == len(model.weights)


def test_a_model_whose_optimizer_does_not_fit_is_loaded_without_it(mixed_schema, tmp_path):
    model = models.build("autofis", mixed_schema, embedding_dim=4, deep_units=())
    model.compile(model.search_optimizer("adam"), jit_compile=False)
    features, labels = random_batch(mixed_schema, rows=8)
    model.fit(features, labels, verbose=0)
    model.get_layer("gated_pairs").trainable = False
    model.save(tmp_path / "model.keras")
    with pytest.warns(UserWarning, match="The optimizer of 'autofis' was not restored: .* Compile it anew"):
        loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(features, verbose=0), model.predict(features, verbose=0))
    loaded.compile("adam")
    loaded.fit(features, labels, verbose=0)


@pytest.mark.parametrize("wrong", [-1, 10_000])
def test_ids_outside_the_table_are_not_predicted(wrong, mixed_schema):
    features, _ = random_batch(mixed_schema, rows=3)
    features["ids"][1, 2] = wrong
    with pytest.raises(ValueError, match=f"The id {wrong} of field 'item' .row 1"):
        models.build("lr", mixed_schema).predict(features, verbose=0)


@pytest.mark.parametrize("batch_size", [None, 5, 8, 100])
def test_arrays_are_predicted_as_by_keras(mixed_schema, batch_size):
    features, _ = random_batch(mixed_schema, rows=13)
    model = models.build("deepfm", mixed_schema, embedding_dim=4, deep_units=(8,))
    expected = keras.Model.predict(model, features, batch_size=13, verbose=0)
    assert np.std(expected) > 0
    for verbose in (0, 2):
        np.testing.assert_allclose(model.predict(features, batch_size, verbose), expected, rtol=1e-6)
    batches = tf.data.Dataset.from_tensor_slices((features,)).batch(4)
    np.testing.assert_allclose(model.predict(batches, verbose=0), expected, rtol=1e-6)


@pytest.mark.parametrize("rows", [2, 0])
def test_features_of_different_or_no_rows_are_refused(mixed_schema, rows):
    features, _ = random_batch(mixed_schema, rows=3)
    cut = {"ids": features["ids"][:rows], "values": features["values"][: rows and 3]}
    with pytest.raises(ValueError, match=f"same number of rows, at least one. Received: {{'ids': {rows}"):
        models.build("lr", mixed_schema).predict(cut, verbose=0)


def test_confident_wrong_predictions_still_have_a_gradient(mixed_schema):
    """The loss is computed from the logit: a probability that rounds to 1 does not stop learning."""
    features, _ = random_batch(mixed_schema, rows=8)
    model = models.build("lr", mixed_schema)
    model.compile(keras.optimizers.SGD(1.0))
    bias = model.get_layer("linear").bias
    bias.assign([40.0])
    model.fit(features, np.zeros((8, 1)), batch_size=8, epochs=1, verbose=0)
    assert float(bias[0]) == pytest.approx(39.0, abs=1e-3)


def test_a_share_of_the_negatives_is_corrected_wherever_the_model_goes(mixed_schema, tmp_path):
    features, labels = random_batch(mixed_schema, rows=32)
    keras.utils.set_random_seed(1)
    plain = models.build("fm", mixed_schema, embedding_dim=4)
    model = models.build("fm", mixed_schema, embedding_dim=4, negative_rate=0.1)
    model.set_weights(plain.get_weights())
    p = plain.predict(features, verbose=0).astype(np.float64)
    expected = p / (p + (1 - p) / 0.1)
    np.testing.assert_allclose(model(features, training=True), p, rtol=1e-6)
    np.testing.assert_allclose(model.predict(features, verbose=0), expected, rtol=1e-5)
    model.compile(keras.optimizers.SGD(0.0))
    loss = -np.mean(np.where(labels > 0, np.log(p), np.log(1 - p)))  # training sees what it has to fit
    assert model.train_on_batch(features, labels) == pytest.approx(loss, rel=1e-5)
    explained = model.explainer().predict(features, verbose=0)
    np.testing.assert_allclose(explained["probability"], expected, rtol=1e-5)
    np.testing.assert_allclose(1 / (1 + np.exp(-explained["logit"])), expected, rtol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.negative_rate == 0.1
    np.testing.assert_allclose(loaded.predict(features, verbose=0), expected, rtol=1e-5)
    loaded.export(tmp_path / "saved", verbose=False)
    served = tf.saved_model.load(tmp_path / "saved")
    np.testing.assert_allclose(served.serve(features), expected, rtol=1e-5)
    assert [layer.name for layer in model.layers if layer not in plain.layers and "negative" in layer.name]
    assert len(plain.layers) == len(model.layers) - 1  # nothing is added for a share of 1


@pytest.mark.parametrize("format", ["litert", "onnx"])
def test_a_share_of_the_negatives_is_corrected_in_other_formats(format, mixed_schema, tmp_path):
    features, _ = random_batch(mixed_schema, rows=8)
    model = models.build("fm", mixed_schema, embedding_dim=4, negative_rate=0.1)
    path = tmp_path / f"model.{format}"
    if format == "onnx":
        runtime = pytest.importorskip("onnxruntime")
        model.export(path, format="onnx", verbose=False)
        (found,) = runtime.InferenceSession(path).run(None, features)
    else:
        model.export(tmp_path / "model.tflite", format="litert", verbose=False)
        runner = tf.lite.Interpreter(str(tmp_path / "model.tflite"))
        for details in runner.get_input_details():
            name = "ids" if details["dtype"] == np.int32 else "values"
            runner.resize_tensor_input(details["index"], features[name].shape)
        runner.allocate_tensors()
        for details in runner.get_input_details():
            runner.set_tensor(details["index"], features["ids" if details["dtype"] == np.int32 else "values"])
        runner.invoke()
        found = runner.get_tensor(runner.get_output_details()[0]["index"])
    np.testing.assert_allclose(found, model.predict(features, verbose=0), rtol=1e-5)
    assert found.max() < 0.2  # from about one half


@pytest.mark.parametrize(("rate", "task"), [(0, "classification"), (1.5, "classification"), (0.1, "ranking")])
def test_a_wrong_share_of_the_negatives_is_refused(rate, task, mixed_schema):
    with pytest.raises(ValueError, match="above 0 and at most 1|corrects probabilities"):
        models.build("fm", mixed_schema, negative_rate=rate, task=task)


def test_an_unknown_task_is_refused(mixed_schema):
    with pytest.raises(ValueError, match="task must be one of"):
        models.build("lr", mixed_schema, task="clicks")


def test_a_quantized_model_is_exported_and_not_saved(mixed_schema, tmp_path):
    features, _ = random_batch(mixed_schema, rows=8)
    model = models.build("deepfm", mixed_schema, embedding_dim=4, deep_units=(8,))
    model.quantize("int8")
    with pytest.raises(ValueError, match="quantized .*hidden_0.* Save it before .* or write it by `export`"):
        model.save(tmp_path / "model.keras")
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    np.testing.assert_allclose(exported.serve(features), model.predict(features, verbose=0), rtol=1e-6)


def test_an_unknown_argument_is_refused(mixed_schema):
    with pytest.raises(ValueError, match="FM: Unknown argument 'embeding_dim'. Did you mean 'embedding_dim'?"):
        models.FM(mixed_schema, embeding_dim=4)
    assert not models.FM(mixed_schema, name="mine", trainable=False).trainable


def test_a_subclass_without_a_get_config_is_not_saved(mixed_schema):
    class Forgetful(models.FM):
        def __init__(self, schema, gain=2.0, **kwargs):
            super().__init__(schema, **kwargs)

    with pytest.raises(NotImplementedError, match="Forgetful has an `__init__` of its own, so it needs a `get_config`"):
        Forgetful(mixed_schema).get_config()


@pytest.mark.parametrize("name", models.MODELS)
def test_all_layers_follow_the_dtype_of_the_model(name, mixed_schema):
    model = models.build(name, with_history(mixed_schema), dtype="mixed_bfloat16")
    assert keras.config.dtype_policy().name == "float32"
    assert model.dtype_policy.name == "mixed_bfloat16" and model.output.dtype == "float32"
    # All layers, those inside of layers too; the last two hold the logit and the link function in float32. EulerNet's
    # logarithms and phases are float32, too.
    layers = [
        layer for layer in model._flatten_layers(include_self=False) if not isinstance(layer, keras.layers.InputLayer)
    ]
    others = {layer.name for layer in layers if layer.dtype_policy.name != "mixed_bfloat16"}
    wide = {"logit", "probability", *(["drop_explicit"] if name == "eulernet" else [])}
    assert others <= wide | {layer.name for layer in layers if not is_layer_of_a_class(layer)}
    assert {weight.dtype for weight in model.weights} == {"float32"}
    again = type(model).from_config(model.get_config())
    assert again.dtype_policy == model.dtype_policy and keras.config.dtype_policy().name == "float32"


def is_layer_of_a_class(layer):
    """An operation such as `+` is a node of the graph that Keras wraps; it has no policy of its own."""
    return isinstance(layer, keras.layers.Layer) and type(layer).__module__.startswith(("keras.src.layers", "ctrzoo"))


def test_a_layer_that_was_not_given_the_dtype_is_named(mixed_schema):
    class Careless(CTRModel):
        def __init__(self, schema, dtype=None, **kwargs):
            features = feature_inputs(schema)
            embedded = FieldEmbedding(schema, 4, dtype=dtype, name="embedding")(features)
            logit = keras.layers.Dense(1, name="forgotten")(keras.layers.Flatten(dtype=dtype)(embedded))
            super().__init__(schema, features, logit, dtype=dtype, **kwargs)

    with pytest.warns(
        UserWarning, match="Careless has dtype 'mixed_bfloat16', but its layer 'forgotten' has the global"
    ):
        Careless(mixed_schema, dtype="mixed_bfloat16")


def test_a_model_of_version_0_1_is_loaded_in_its_precision(mixed_schema):
    config = models.build("fm", mixed_schema).get_config()
    del config["dtype"]
    model = models.FM.from_config({**config, "precision": "mixed_float16"})
    assert model.get_layer("embedding").compute_dtype == "float16" and keras.config.dtype_policy().name == "float32"


def test_a_model_of_another_version_that_does_not_load_names_it(mixed_schema):
    config = models.build("fm", mixed_schema).get_config()
    assert config["ctrzoo_version"] == ctrzoo.__version__
    with pytest.raises(ValueError, match="written by ctrzoo 9.9.9, this is .*: install the version that wrote it"):
        models.FM.from_config({**config, "ctrzoo_version": "9.9.9", "new_argument": 3})
    policy = keras.config.dtype_policy().name
    with pytest.raises(ValueError, match="nosuchtype"):
        models.FM.from_config({**config, "precision": "nosuchtype"})
    assert keras.config.dtype_policy().name == policy


def test_some_fields_have_a_schema_and_ids_of_their_own():
    fields = [
        Field("user", vocabulary_size=3),
        Field("both", vocabulary_size=4, cross=("user", "item")),
        Field("item", vocabulary_size=1),
        Field("tags", "multivalued", vocabulary_size=2, num_slots=2),
        Field("last", vocabulary_size=2, share="tags"),
        Field("age", "numerical"),
    ]
    features = {"ids": np.array([[3, 7, 8, 9, 0, 10, 11]], "int32")}
    features["values"] = np.array([[1, 1, 1, 1, 0, 1, 0.5]], "float32")
    schema, chosen = features_of(Schema(fields), features, ["age", "last", "both"])
    assert schema.names == ("both", "last", "age") and schema.num_ids == 1 + 4 + 2 + 1
    assert [(field.share, field.cross) for field in schema.fields] == [(None, ())] * 3
    # `both` had the ids 4 to 7, `last` those of `tags`, 9 and 10, and `age` the id 11.
    np.testing.assert_array_equal(chosen["ids"], [[4, 6, 7]])
    np.testing.assert_array_equal(chosen["values"], [[1, 1, 0.5]])
    schema, chosen = features_of(Schema(fields), features, ["tags", "last"])
    assert schema.fields[1].share == "tags" and schema.num_ids == 3
    np.testing.assert_array_equal(chosen["ids"], [[1, 0, 2]])
    np.testing.assert_array_equal(chosen["values"], [[1, 0, 1]])
