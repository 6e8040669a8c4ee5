"""Every model is exported and saved before its first call, and LiteRT and ONNX Runtime compute what it predicts."""

import warnings
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from ctrzoo.layers import AnovaKernel
from ctrzoo.models import MODELS_OF_HISTORIES
from ctrzoo.schema import Field, Schema
from tests.models.cases import CASES, DIVERSE, EACH, predict, randomize, rows, with_history

SIZES = (6, 1, 4)
BUILT_IN = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
OTHER_KINDS = Schema(
    [
        Field("emb", "vector", vocabulary_size=3, num_slots=3),
        Field("item", vocabulary_size=7, num_slots=2, compositional=4),
        Field("age", "numerical"),
        Field("seen", "multivalued", vocabulary_size=5, num_slots=4, compositional=2),
        Field("one", "vector"),
    ]
)
DEEPFM, POLY2 = (next(case for case in CASES if case.id == name) for name in ("deepfm", "poly2"))


@pytest.fixture
def schema_of(mixed_schema):
    """Return the schema of a case: the models of histories need one."""
    return lambda case: with_history(mixed_schema) if case.name in MODELS_OF_HISTORIES else mixed_schema


@pytest.fixture(params=CASES, ids=repr)
def case(request):
    return request.param


def uncalled(case, schema, **hyperparameters):
    """Return a new model with random weights; `CASES` would share one that other tests have called."""
    model = case.new(schema, **hyperparameters)
    randomize(model)
    return model


def interpreter(**source):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"(.|\n)*tf.lite.Interpreter is deprecated")
        return tf.lite.Interpreter(**source)


def converted(converter):
    """Convert with LiteRT's own operations; return a function from features to probabilities."""
    converter.target_spec.supported_ops = BUILT_IN["supported_ops"]
    return run_lite(interpreter(model_content=converter.convert()))


def run_lite(lite):
    def run(features):
        for details in lite.get_input_details():
            name = "ids" if details["dtype"] == np.int32 else "values"
            lite.resize_tensor_input(details["index"], features[name].shape)
        lite.allocate_tensors()
        for details in lite.get_input_details():
            lite.set_tensor(details["index"], features["ids" if details["dtype"] == np.int32 else "values"])
        lite.invoke()
        return lite.get_tensor(lite.get_output_details()[0]["index"])

    return run


def check(run, model):
    """Compare with what the model predicts, in batches of several sizes."""
    features, _ = rows(model.schema)
    expected = predict(model, features)
    assert np.ptp(expected) > 1e-3
    for size in SIZES:
        found = run({name: array[:size] for name, array in features.items()})
        np.testing.assert_allclose(found, expected[:size], rtol=0, atol=1e-6)


def check_onnx(model, folder):
    pytest.importorskip("tf2onnx")
    runtime = pytest.importorskip("onnxruntime")
    model.export(folder / "model.onnx", format="onnx", verbose=False)
    session = runtime.InferenceSession(folder / "model.onnx")
    check(lambda features: session.run(None, features)[0], model)


def exported(case, schema, folder):
    """Export a model before its first call; compare what is loaded again, and return the model."""
    model = uncalled(case, schema)
    model.export(folder / "model", verbose=False)
    loaded: Any = tf.saved_model.load(folder / "model")
    check(lambda features: loaded.serve({name: tf.constant(array) for name, array in features.items()}), model)
    return model


@pytest.mark.parametrize("case", [case for case in CASES if case.id not in DIVERSE], ids=repr)
def test_saved_model(case, schema_of, tmp_path):
    exported(case, schema_of(case), tmp_path)


@pytest.mark.parametrize("case", EACH)
def test_saved_model_and_litert(case, schema_of, tmp_path):
    model = exported(case, schema_of(case), tmp_path)
    check(converted(tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "model"))), model)


def test_keras_file(case, schema_of, tmp_path):
    model = uncalled(case, schema_of(case))
    model.save(tmp_path / "model.keras")
    loaded: Any = keras.saving.load_model(tmp_path / "model.keras")
    check(lambda features: predict(loaded, features), model)


def test_onnx(case, schema_of, tmp_path):
    check_onnx(uncalled(case, schema_of(case)), tmp_path)


@pytest.mark.parametrize("predicts_first", [False, True])
def test_all_ways_to_litert(mixed_schema, tmp_path, predicts_first):
    model = uncalled(DEEPFM, mixed_schema)
    if predicts_first:  # the graph of `predict` must not be taken for the export
        model.predict(rows(mixed_schema)[0], verbose=0)
    model.export(tmp_path / "model.tflite", format="litert", verbose=False, target_spec=BUILT_IN)
    check(run_lite(interpreter(model_path=str(tmp_path / "model.tflite"))), model)
    check(converted(tf.lite.TFLiteConverter.from_keras_model(model)), model)
    signature = {name: tf.TensorSpec((None, 6), array.dtype, name) for name, array in rows(mixed_schema)[0].items()}
    function = tf.function(model).get_concrete_function(signature)
    check(converted(tf.lite.TFLiteConverter.from_concrete_functions([function])), model)


@pytest.fixture(params=["lr", "deepfm", "ffm"])
def maximum_model(request):
    """A model of two fields that are pooled by the maximum; some rows have no value of them."""
    maximum = Field("tags", "multivalued", vocabulary_size=4, num_slots=3, pooling="max")
    last = Field("last", "multivalued", vocabulary_size=4, num_slots=2, pooling="max", share="tags")
    schema = Schema([maximum, Field("user", vocabulary_size=9), Field("age", "numerical"), last])
    model = uncalled(next(case for case in CASES if case.id == request.param), schema)
    assert (rows(schema)[0]["values"][:, :3] == 0).all(axis=1).any()
    return model


def test_litert_takes_the_maximum_of_a_field(maximum_model):
    check(converted(tf.lite.TFLiteConverter.from_keras_model(maximum_model)), maximum_model)


def test_onnx_takes_the_maximum_of_a_field(maximum_model, tmp_path):
    check_onnx(maximum_model, tmp_path)


@pytest.mark.parametrize("name", ["lr", "deepfm", "ffm", "dlrm", "poly2"])
def test_litert_takes_vectors_and_compositional_fields(name):
    model = uncalled(next(case for case in CASES if case.id == name), OTHER_KINDS)
    check(converted(tf.lite.TFLiteConverter.from_keras_model(model)), model)


@pytest.mark.parametrize("name", ["deepfm", "poly2"])
def test_onnx_takes_vectors_and_compositional_fields(name, tmp_path):
    check_onnx(uncalled(next(case for case in CASES if case.id == name), OTHER_KINDS), tmp_path)


def test_litert_hashes_to_any_number_of_buckets(mixed_schema):
    model = uncalled(POLY2, mixed_schema, num_buckets=63)
    check(converted(tf.lite.TFLiteConverter.from_keras_model(model)), model)


@pytest.fixture
def crossed_model(mixed_schema):
    """A Wide & Deep whose deep part leaves a field out."""
    schema = Schema([Field("both", vocabulary_size=30, cross=("user", "item")), *mixed_schema.fields])
    return uncalled(next(case for case in CASES if case.id == "wide_deep"), schema)


def test_litert_leaves_crosses_out_of_the_deep_part(crossed_model):
    check(converted(tf.lite.TFLiteConverter.from_keras_model(crossed_model)), crossed_model)


def test_onnx_leaves_crosses_out_of_the_deep_part(crossed_model, tmp_path):
    check_onnx(crossed_model, tmp_path)


def test_litert_with_fewer_fields_than_the_order(mixed_schema):
    schema = Schema([Field("user", vocabulary_size=9), Field("item", vocabulary_size=5)])
    hofm = next(case for case in CASES if case.id == "hofm")
    model = uncalled(hofm, schema, order=3)
    assert any(isinstance(layer, AnovaKernel) and layer.order > schema.num_fields for layer in model.layers)
    check(converted(tf.lite.TFLiteConverter.from_keras_model(model)), model)
