"""What every public layer must do: its manners as a Keras layer, on TensorFlow and on JAX."""

import importlib.util
import inspect
import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import ctrzoo.layers
from ctrzoo.layers.base import ExplainingLayer, KernelLayer
from tests.ctrzoo.layers.cases import CASES, Case

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
EVERY = pytest.mark.parametrize("case", CASES, ids=str)


def outputs_of(layer, inputs, **options):
    outputs = layer(*inputs, **options)
    return list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]


def random_layer(case, **others):
    """Return a layer with weights that are all different from zero, built by a call."""
    layer = case.layer(**others)
    layer(*case.arrays())
    random = np.random.default_rng(5)
    layer.set_weights([random.uniform(0.1, 0.9, weight.shape) for weight in layer.get_weights()])
    return layer


def init_arguments(kind):
    """Return the names of all arguments of `__init__`, also of the classes above up to Keras' own."""
    names = set()
    for each in kind.__mro__[: kind.__mro__.index(keras.layers.Layer)]:
        if "__init__" in vars(each):
            names |= set(inspect.signature(each.__init__).parameters) - {"self", "args", "kwargs"}
    return names


def test_there_is_a_case_for_every_public_layer():
    layers = {name for name in ctrzoo.layers.__all__ if inspect.isclass(getattr(ctrzoo.layers, name))}
    differing = {case.name for case in CASES} ^ layers
    assert not differing, f"add to or remove from CASES in tests/ctrzoo/layers/cases.py: {sorted(differing)}"
    assert len(layers) == len(ctrzoo.layers.__all__) - 1


@EVERY
def test_the_configuration_is_json_and_holds_every_argument(case):
    config = case.layer(name="mine", trainable=False).get_config()
    assert config["name"] == "mine" and config["trainable"] is False
    assert init_arguments(case.kind) <= set(config)
    again = json.loads(json.dumps(config))
    assert json.loads(json.dumps(case.kind.from_config(again).get_config())) == again
    for argument in case.arguments:
        assert argument in config


def test_the_arguments_of_the_first_case_differ_from_the_defaults():
    """Otherwise an argument that the configuration forgets could not be found."""
    for case in CASES:
        if case.number > 1:
            continue
        forgotten = init_arguments(case.kind) - set(case.arguments) - {"l2", "use_selection", "use_interaction"}
        twice = {argument for each in CASES if each.name == case.name for argument in each.arguments}
        assert forgotten <= twice, f"{case}: {forgotten}"


@EVERY
def test_a_registered_round_trip_computes_the_same(case):
    layer, inputs = random_layer(case), case.arrays()
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(keras.saving.serialize_keras_object(layer))))
    assert type(again) is case.kind
    again(*inputs)
    again.set_weights(layer.get_weights())
    for ours, theirs in zip(outputs_of(again, inputs), outputs_of(layer, inputs), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@EVERY
def test_a_functional_model_of_the_layer_is_saved_and_loaded(case, tmp_path):
    inputs = case.arrays()
    symbols = [
        keras.tree.map_structure(lambda array: keras.Input(array.shape[1:], dtype=array.dtype), part) for part in inputs
    ]
    layer = case.layer()
    outputs = layer(*symbols)
    model = keras.Model(symbols, outputs)
    path = tmp_path / "model.keras"
    model.save(path)
    expected, found = model(inputs, training=False), keras.models.load_model(path)(inputs, training=False)
    for ours, theirs in zip(keras.tree.flatten(found), keras.tree.flatten(expected), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    # Symbolic shapes are those of numbers, with a batch that is not known.
    eager = outputs_of(layer, inputs)
    symbolic = outputs if isinstance(outputs, (tuple, list)) else [outputs]
    assert [tuple(each.shape) for each in symbolic] == [(None, *each.shape[1:]) for each in eager]


@EVERY
def test_the_output_shape_is_known_before_the_call(case):
    inputs = case.arrays()
    layer = case.layer()
    shapes = keras.tree.map_structure(lambda array: tuple(array.shape), inputs)
    if isinstance(inputs[0], dict):
        shapes = [{name: array.shape for name, array in inputs[0].items()}]
    found = layer.compute_output_shape(*shapes)
    outputs = layer(*inputs)
    expected = (
        tuple(outputs.shape) if not isinstance(outputs, (tuple, list)) else tuple(tuple(each.shape) for each in outputs)
    )
    assert keras.tree.map_structure(lambda size: size, tuple(found)) == expected


@EVERY
@pytest.mark.parametrize(
    ("policy", "tolerance"), [("mixed_float16", 2e-2), ("mixed_bfloat16", 6e-2), ("float64", 1e-5)]
)
def test_other_precisions(case, policy, tolerance):
    layer, inputs = random_layer(case), case.arrays()
    other = case.layer(dtype=policy)
    other(*inputs)
    other.set_weights(layer.get_weights())
    for ours, theirs in zip(outputs_of(other, inputs), outputs_of(layer, inputs), strict=True):
        assert ours.dtype == other.compute_dtype
        scale = 1 + np.abs(theirs).max()
        np.testing.assert_allclose(np.asarray(tf.cast(ours, "float64")) / scale, theirs / scale, atol=tolerance)
    assert {weight.dtype for weight in other.trainable_weights} <= {other.variable_dtype}


@EVERY
def test_every_weight_and_input_has_a_finite_gradient(case):
    layer = random_layer(case)
    inputs = case.arrays()
    tensors = keras.tree.map_structure(tf.convert_to_tensor, inputs)
    with tf.GradientTape() as tape:
        floats = [each for each in keras.tree.flatten(tensors) if each.dtype.is_floating]
        tape.watch(floats)
        outputs = outputs_of(layer, tensors, **({"training": True} if layer._call_has_training_arg else {}))
        loss = tf.add_n([tf.reduce_sum(tf.sin(3.0 * output)) for output in outputs] + [tf.add_n([0.0, *layer.losses])])
    variables = [weight.value for weight in layer.trainable_weights]
    gradients = tape.gradient(loss, [*variables, *floats])
    for name, gradient in zip(
        [weight.path for weight in layer.trainable_weights] + ["input"] * len(floats), gradients, strict=True
    ):
        assert gradient is not None, name
        assert np.isfinite(tf.convert_to_tensor(gradient)).all(), name


@EVERY
def test_a_regularizer_adds_the_penalty_and_is_given_once(case):
    if "l2" not in init_arguments(case.kind):
        return
    of_table = "embeddings_regularizer" in init_arguments(case.kind)
    argument = "embeddings_regularizer" if of_table else "kernel_regularizer"
    other_losses = {key: 0.0 for key in ("l0", "activation_l2") if key in case.arguments}
    without = {key: value for key, value in case.arguments.items() if key != argument} | other_losses
    quadratic = Case(case.name, {**without, "l2": 0.5}, case.inputs)
    same = Case(
        case.name,
        {key: value for key, value in {**without, argument: keras.regularizers.L2(0.25)}.items() if key != "l2"},
        case.inputs,
    )
    first, second = random_layer(quadratic), random_layer(same)
    assert len(first.losses) > 0
    np.testing.assert_allclose(np.sum(first.losses), np.sum(second.losses), rtol=1e-6)
    with pytest.raises(ValueError, match="Give one of them"):
        case.kind(**{**without, "l2": 0.5, argument: "l2"})


@EVERY
def test_initializers_are_used(case):
    if case.number > 1:  # some have no bias
        return
    arguments = init_arguments(case.kind)
    for argument in ("kernel_initializer", "bias_initializer", "embeddings_initializer", "gates_initializer"):
        if argument not in arguments:
            continue
        layer = case.layer(**{argument: keras.initializers.Constant(0.125)})
        layer(*case.arrays())
        constant = [weight.path for weight in layer.weights if (weight.numpy() == 0.125).all()]
        assert constant, f"{argument} reaches no weight"
        if argument == "kernel_initializer":
            kernels = {
                weight.path for weight in layer.trainable_weights if weight.path.split("/")[-1].endswith("kernel")
            }
            others = {"AttentionalInteraction": 2}  # the score and output kernels start as the paper has them
            assert len(kernels - set(constant)) == others.get(case.name, 0)


@EVERY
def test_two_weights_of_one_initializer_differ(case):
    if not issubclass(case.kind, KernelLayer):
        return
    layer = case.layer(kernel_initializer=keras.initializers.RandomNormal(seed=None))
    layer(*case.arrays())
    flat = [weight.numpy().ravel()[:4].tolist() for weight in layer.weights if "kernel" in weight.path.split("/")[-1]]
    assert len(flat) == len({tuple(each) for each in flat})


@EVERY
def test_explanations_come_only_on_request(case):
    if not issubclass(case.kind, ExplainingLayer):
        assert "return_explanations" not in init_arguments(case.kind)
        return
    with_explanations = random_layer(case, return_explanations=True)
    plain = random_layer(case, return_explanations=False)
    inputs = case.arrays()
    output, *explanations = with_explanations(*inputs)
    assert explanations
    np.testing.assert_array_equal(plain(*inputs), output)
    config = with_explanations.get_config()
    del config["return_explanations"]  # as in files of version 0.1.0
    assert case.kind.from_config(config).return_explanations


@EVERY
def test_masks_are_not_supported_and_keras_says_so(case):
    """Absent entries are id 0 with value 0; a Keras mask has no effect, so no layer claims to carry it on."""
    layer = case.layer()
    assert not layer.supports_masking
    if case.inputs not in ("features", "history"):
        inputs = [tf.convert_to_tensor(array) for array in case.arrays()]
        keras.src.backend.set_keras_mask(inputs[0], tf.ones(inputs[0].shape[:-1], "bool"))
        with pytest.warns(UserWarning, match="does not support mask"):
            layer(*inputs)


COMPARE = """
import json, pathlib, sys
import ctrzoo.layers
import keras, numpy
assert keras.backend.backend() == "jax" and "tensorflow" not in sys.modules
folder = pathlib.Path(sys.argv[1])
for path in sorted(folder.glob("*.json")):
    arrays = numpy.load(path.with_suffix(".npz"))
    layer = keras.saving.deserialize_keras_object(json.loads(path.read_text()))
    inputs, number = [], 0
    while f"input_{number}" in arrays or f"input_{number}/ids" in arrays:
        whole = f"input_{number}" in arrays
        inputs.append(
            arrays[f"input_{number}"] if whole else {k: arrays[f"input_{number}/{k}"] for k in ("ids", "values")}
        )
        number += 1
    layer(*inputs)
    layer.set_weights([arrays[f"weight_{index}"] for index in range(len(layer.get_weights()))])
    outputs = layer(*inputs)
    outputs = outputs if isinstance(outputs, (tuple, list)) else [outputs]
    found = [abs(numpy.asarray(each) - arrays[f"output_{index}"]).max() for index, each in enumerate(outputs)]
    print(path.stem, max(found))
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed: pip install jax")
def test_outputs_on_jax_equal_those_on_tensorflow(tmp_path):
    for case in CASES:
        layer, inputs = random_layer(case), case.arrays()
        arrays = {f"output_{index}": np.asarray(each) for index, each in enumerate(outputs_of(layer, inputs))}
        arrays |= {f"weight_{index}": weight for index, weight in enumerate(layer.get_weights())}
        for index, part in enumerate(inputs):
            named = (
                {f"input_{index}/{key}": value for key, value in part.items()}
                if isinstance(part, dict)
                else {f"input_{index}": part}
            )
            arrays |= named
        np.savez(tmp_path / f"{case}.npz", **arrays)
        (tmp_path / f"{case}.json").write_text(json.dumps(keras.saving.serialize_keras_object(layer)))
    finished = subprocess.run(
        [sys.executable, "-c", COMPARE, str(tmp_path)],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        timeout=400,
    )
    assert finished.returncode == 0, finished.stderr
    found = dict(line.rsplit(" ", 1) for line in finished.stdout.splitlines())
    assert set(found) == {str(case) for case in CASES}
    assert {name: number for name, number in found.items() if not float(number) <= 2e-5} == {}
