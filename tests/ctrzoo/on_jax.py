"""Run a script in a process of its own whose backend is JAX, with the CPU divided into devices."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
needs_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed: pip install jax")


def on_jax(num_devices=1):
    """Return the environment of such a process."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={num_devices}"
    return {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}


def run_on_jax(script, *arguments, num_devices=1):
    """Return what the script prints, line by line; it must succeed."""
    finished = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env=on_jax(num_devices),
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        timeout=400,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.splitlines()
