"""The step on JAX computes what the step on TensorFlow computes, from the same weights and batches."""

import json

import keras
import numpy as np

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
FIELDS = [
    {"name": "a", "vocabulary_size": 50},
    {"name": "b", "vocabulary_size": 301},
    {"name": "n", "kind": "numerical"},
    {"name": "c", "vocabulary_size": 7},
]
ON_JAX = """
import json, pathlib, sys
import keras, numpy as np
from ctrzoo import models, optimizers
from ctrzoo.schema import Schema
from ctrzoo.training.jax_step import JaxStep

folder = pathlib.Path(sys.argv[1])
cases, makers, fields = json.loads((folder / "cases.json").read_text())
for number, (name, optimizer, options) in enumerate(cases):
    arrays = np.load(folder / f"{number}.npz")
    model = models.build(name, Schema(fields), **options)
    for index, weight in enumerate(model.weights):
        weight.assign(arrays[f"start{index}"])
    settings = dict(makers[optimizer])
    model.compile(getattr(optimizers, settings.pop("class"))(**settings))
    model.optimizer.build(model.trainable_variables)
    step = JaxStep(model, positive_weight=2.0)
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


@needs_jax
def test_losses_and_weights_equal_those_of_tensorflow(tmp_path):
    (tmp_path / "cases.json").write_text(json.dumps([CASES, MAKERS, FIELDS]))
    arrays, expected = made_batches(), []
    for number, (name, optimizer, options) in enumerate(CASES):
        keras.utils.set_random_seed(number)
        model = models.build(name, Schema([Field(**field) for field in FIELDS]), **options)
        start = {f"start{index}": weight.numpy() for index, weight in enumerate(model.weights)}
        np.savez(tmp_path / f"{number}.npz", **arrays, **start)
        settings = dict(MAKERS[optimizer])
        model.compile(getattr(optimizers, settings.pop("class"))(**settings))
        model.optimizer.build(model.trainable_variables)
        step = ReplicatedStep(model, positive_weight=2.0)
        parts = zip(*arrays.values(), strict=True)
        losses = [float(step.train(({"ids": i, "values": v}, y, w))) for i, v, y, w in parts]
        features = {"ids": arrays["ids"][0], "values": arrays["values"][0]}
        expected.append((losses, step.predict(features), [weight.numpy() for weight in model.weights]))
    run_on_jax(ON_JAX, tmp_path)
    for number, (losses, scores, weights) in enumerate(expected):
        found, case = np.load(tmp_path / f"jax{number}.npz"), str(CASES[number])
        np.testing.assert_allclose(found["losses"], losses, rtol=1e-5, err_msg=case)
        np.testing.assert_allclose(found["scores"], scores, atol=1e-5, err_msg=case)
        for index, weight in enumerate(weights):
            np.testing.assert_allclose(found[f"end{index}"], weight, atol=1e-5, err_msg=case)
