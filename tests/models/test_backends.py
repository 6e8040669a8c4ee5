"""Every model computes on JAX what it computes on TensorFlow."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tests.models.cases import CASES, DIVERSE, predict, rows, with_history

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
ALL = tuple(case.id for case in CASES)

COMPARE = """
import json, pathlib, sys
import ctrzoo.layers, ctrzoo.losses, ctrzoo.model, ctrzoo.models, ctrzoo.schema
import keras, numpy
assert keras.backend.backend() == "jax" and "tensorflow" not in sys.modules
folder = pathlib.Path(sys.argv[1])
features = dict(numpy.load(folder / "features.npz"))
for path in sorted(folder.glob("*.json")):
    name, config = json.loads(path.read_text())
    arrays = numpy.load(path.with_suffix(".npz"))
    model = ctrzoo.models.MODELS[name].from_config(config)
    for weight in model.weights:
        weight.assign(arrays[weight.path])
    print(path.stem, abs(model.predict_on_batch(features) - arrays["outputs"]).max())
model.compile("adam", model.default_loss)
print("fit", model.fit(features, arrays["outputs"], verbose=0).history["loss"][0])
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed: pip install jax")
@pytest.mark.parametrize("chosen", [DIVERSE, pytest.param(ALL, marks=pytest.mark.nightly)], ids=["diverse", "all"])
def test_outputs_on_jax_equal_those_on_tensorflow(chosen, mixed_schema, tmp_path):
    mixed_schema = with_history(mixed_schema)
    features, _ = rows(mixed_schema)
    np.savez(tmp_path / "features.npz", **features)
    for case in CASES:
        if case.id not in chosen:
            continue
        model = case.random(mixed_schema)
        weights = {weight.path: weight.numpy() for weight in model.weights}
        np.savez(tmp_path / f"{case.id}.npz", outputs=predict(model, features), **weights)
        (tmp_path / f"{case.id}.json").write_text(json.dumps([case.name, model.get_config()]))
    finished = subprocess.run(
        [sys.executable, "-c", COMPARE, str(tmp_path)],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        timeout=400,
    )
    assert finished.returncode == 0, finished.stderr
    found = [line.split() for line in finished.stdout.splitlines()]
    assert {name for name, _ in found} == {*chosen, "fit"}
    for name, number in found:
        assert np.isfinite(float(number)) and (name == "fit" or float(number) <= 1e-5), f"{name}: {number}"
