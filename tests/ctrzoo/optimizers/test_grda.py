import importlib.util
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from ctrzoo.optimizers.grda import GRDA

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]


def variable(values, name="gates"):
    return keras.Variable(np.asarray(values, "float32"), name=name)


def test_the_worked_step():
    gate = variable([0.6, -0.6])
    optimizer = GRDA()
    optimizer.apply([keras.ops.convert_to_tensor([0.1, -0.1])], [gate])
    np.testing.assert_allclose(gate, [0.495, -0.495], rtol=1e-6)


ON_JAX = """
import sys
from ctrzoo.optimizers import GRDA
import keras
gate, optimizer = keras.Variable([0.6, -0.6]), GRDA()
optimizer.apply([keras.ops.convert_to_tensor([0.1, -0.1])], [gate])
assert keras.backend.backend() == "jax" and "tensorflow" not in sys.modules
print(*gate.numpy())
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed: pip install jax")
def test_the_worked_step_on_jax():
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", ON_JAX]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=CHECKOUT, timeout=300)
    assert finished.returncode == 0, finished.stderr
    np.testing.assert_allclose([float(word) for word in finished.stdout.split()], [0.495, -0.495], rtol=1e-6)


def test_a_schedule_is_refused():
    with pytest.raises(ValueError, match="GRDA needs a number as its learning rate"):
        GRDA(keras.optimizers.schedules.CosineDecay(1.0, 10))


def test_many_steps_follow_the_equations():
    rng, gate = np.random.default_rng(0), variable([0.6, 0.1, -0.2])
    optimizer = GRDA(0.5, c=0.03, mu=0.7)
    accumulated = np.array([0.6, 0.1, -0.2])
    for step in range(1, 21):
        gradient = rng.normal(size=3) * 0.2
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [gate])
        accumulated = accumulated - 0.5 * gradient
        threshold = 0.03 * 0.5**1.2 * step**0.7
        expected = np.sign(accumulated) * np.maximum(np.abs(accumulated) - threshold, 0)
        np.testing.assert_allclose(gate, expected, atol=1e-5)


def test_without_gradient_a_gate_is_zero_after_2920_steps():
    for finished, is_zero in ((2918, False), (2919, True)):
        gate, optimizer = variable([0.6]), GRDA()
        optimizer.apply([keras.ops.zeros(1)], [gate])  # the first step takes the gate's value
        optimizer.iterations.assign(finished)
        optimizer.apply([keras.ops.zeros(1)], [gate])
        assert (float(gate[0]) == 0) == is_zero
