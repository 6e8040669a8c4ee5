"""The step on JAX computes what the step on TensorFlow computes, from the same weights and batches."""

import json

import keras
import numpy as np
import pytest

from ctrzoo import models, optimizers
from ctrzoo.schema import Field, Schema
from ctrzoo.training.strategy import ReplicatedStep
from tests.ctrzoo.on_jax import needs_jax, run_on_jax

# With a small epsilon, Adam divides a gradient that is almost 0 by itself, so its steps follow rounding.
ADAM = {"class": "LazyAdam", "learning_rate": 0.05, "epsilon": 1e-3}
MAKERS = {
    "lazy_adam": ADAM,
    "amsgrad": {**ADAM, "amsgrad": True},
    "clipped": {**ADAM, "global_clipnorm": 0.01, "weight_decay": 0.1},
    "adam": {**ADAM, "lazy": False},
    "adagrad": {"class": "Adagrad", "learning_rate": 0.1},
    "ftrl": {"class": "Ftrl", "learning_rate": 0.1, "l1_regularization_strength": 0.01},
    "sgd": {"class": "SGD", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True},
}
CASES = [("deepfm", name, {}) for name in MAKERS] + [
    ("lr", "lazy_adam", {}),
    ("dcn_v2", "lazy_adam", {}),
    ("deepfm", "adagrad", {"embedding_l2": 1e-3}),  # a penalty makes gradients dense
]
# GraphFM switches edges and ReLU units on and off, so its training amplifies rounding: in float32 the backends drift
# apart (docs/understand/limits.md). In float64 they agree to the last digits, if float32 holds Adam's numbers exactly,
# to which Keras rounds them on TensorFlow.
MAKERS["exact"] = {
    "class": "LazyAdam",
    "learning_rate": 2**-4,
    "beta_1": 7 / 8,
    "beta_2": 1 - 2**-10,
    "epsilon": 2**-10,
}
GRAPH = {"units": [8, 8], "num_neighbors": [3, 2], "selector_units": 4}
POSITIVE_WEIGHT = {"float32": 2.0, "float64": 1.0}  # TensorFlow multiplies it by float32 weights only
CASES_64 = [("graphfm", "exact", GRAPH), ("graphfm", "exact", {**GRAPH, "formulation": "paper"})]
FIELDS = [
    {"name": "a", "vocabulary_size": 50},
    {"name": "b", "vocabulary_size": 301},
    {"name": "n", "kind": "numerical"},
    {"name": "c", "vocabulary_size": 7},
]
ON_JAX = """
import json, pathlib, sys
import jax, keras, numpy as np
from keras.src.backend.common import dtypes
from ctrzoo import models, optimizers
from ctrzoo.schema import Schema
from ctrzoo.training.jax_step import JaxStep

folder, dtype = pathlib.Path(sys.argv[1]), sys.argv[2]
keras.config.set_floatx(dtype)
if dtype == "float64":
    jax.config.update("jax_enable_x64", True)
    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"  # Keras has float32 there for JAX
cases, makers, fields = json.loads((folder / "cases.json").read_text())
for number, (name, optimizer, options) in enumerate(cases):
    arrays = np.load(folder / f"{number}.npz")
    model = models.build(name, Schema(fields), dtype=dtype, **options)
    for index, weight in enumerate(model.weights):
        weight.assign(arrays[f"start{index}"])
    settings = dict(makers[optimizer])
    model.compile(getattr(optimizers, settings.pop("class"))(**settings))
    model.optimizer.build(model.trainable_variables)
    step = JaxStep(model, positive_weight=2.0 if dtype == "float32" else 1.0)
    parts = arrays["ids"], arrays["values"], arrays["labels"], arrays["weights"]
    losses = [float(step.train(({"ids": i, "values": v}, y, w))) for i, v, y, w in zip(*parts, strict=True)]
    outputs = {f"end{index}": weight.numpy() for index, weight in enumerate(model.weights)}
    features = {"ids": parts[0][0], "values": parts[1][0]}
    np.savez(folder / f"jax{number}.npz", losses=losses, scores=step.predict(features), **outputs)
"""


def made_batches(num=20, rows=64):
    random = np.random.default_rng(1)
    firsts, sizes = (1, 51, 352, 353), (50, 301, 1, 7)
    columns = [first + random.integers(0, size, (num, rows)) for first, size in zip(firsts, sizes, strict=True)]
    ids = np.stack(columns, axis=-1).astype("int32")
    values = np.ones(ids.shape, "float32")
    values[..., 2] = random.random((num, rows))
    labels = (random.random((num, rows, 1)) < 0.3).astype("float32")
    return {"ids": ids, "values": values, "labels": labels, "weights": 0.5 + random.random((num, rows), "float32")}


@pytest.fixture
def floatx():
    """Give Keras its type of numbers back after the test."""
    yield
    keras.config.set_floatx("float32")


@needs_jax
@pytest.mark.parametrize(
    ("dtype", "cases", "rtol", "atol"), [("float32", CASES, 1e-5, 1e-5), ("float64", CASES_64, 1e-12, 1e-12)]
)
def test_losses_and_weights_equal_those_of_tensorflow(tmp_path, floatx, dtype, cases, rtol, atol):
    (tmp_path / "cases.json").write_text(json.dumps([cases, MAKERS, FIELDS]))
    arrays, expected = made_batches(), []
    keras.config.set_floatx(dtype)
    if dtype == "float64":
        arrays |= {name: arrays[name].astype(dtype) for name in ("labels", "weights")}
    for number, (name, optimizer, options) in enumerate(cases):
        keras.utils.set_random_seed(number)
        model = models.build(name, Schema([Field(**field) for field in FIELDS]), dtype=dtype, **options)
        start = {f"start{index}": weight.numpy() for index, weight in enumerate(model.weights)}
        np.savez(tmp_path / f"{number}.npz", **arrays, **start)
        settings = dict(MAKERS[optimizer])
        model.compile(getattr(optimizers, settings.pop("class"))(**settings))
        model.optimizer.build(model.trainable_variables)
        step = ReplicatedStep(model, positive_weight=POSITIVE_WEIGHT[dtype])
        parts = zip(*arrays.values(), strict=True)
        losses = [float(step.train(({"ids": i, "values": v}, y, w))) for i, v, y, w in parts]
        features = {"ids": arrays["ids"][0], "values": arrays["values"][0]}
        expected.append((losses, step.predict(features), [weight.numpy() for weight in model.weights]))
    run_on_jax(ON_JAX, tmp_path, dtype)
    for number, (losses, scores, weights) in enumerate(expected):
        found, case = np.load(tmp_path / f"jax{number}.npz"), str(cases[number])
        np.testing.assert_allclose(found["losses"], losses, rtol=rtol, err_msg=case)
        np.testing.assert_allclose(found["scores"], scores, atol=atol, err_msg=case)
        for index, weight in enumerate(weights):
            np.testing.assert_allclose(found[f"end{index}"], weight, atol=atol, err_msg=case)
