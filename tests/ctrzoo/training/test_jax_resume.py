"""A run on JAX that is killed goes on where it was, with any number of devices, and another backend refuses it."""

import os
import shutil
import subprocess
import sys
import time

import pytest

from ctrzoo.training.checkpoints import Checkpoints
from tests.ctrzoo.on_jax import CHECKOUT, needs_jax, on_jax, run_on_jax
from tests.ctrzoo.training.interrupted import SCHEMA, run

NUM_IDS = 58  # which 4 devices divide only as 60 rows, 8 devices as 64
RESUME = """
import pathlib, sys
import numpy as np
from tests.ctrzoo.training.interrupted import run

folder = pathlib.Path(sys.argv[1])
undisturbed = run(folder / "undisturbed", devices=4)[0]
for devices in map(int, sys.argv[2].split(",")):
    result = run(folder / f"killed_{devices}", devices=devices)[0]
    if devices == 4:
        assert result == undisturbed
    for found, wanted in zip(result["weights"], undisturbed["weights"], strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)
    losses = [[row["valid_log_loss"] for row in each["history"]] for each in (result, undisturbed)]
    np.testing.assert_allclose(*losses, rtol=1e-6)
    print(devices, result == undisturbed)
"""


@pytest.mark.nightly
@needs_jax
def test_a_killed_run_goes_on_with_any_number_of_devices(tmp_path):
    killed, devices = tmp_path / "killed", os.environ.get("CTRZOO_DEVICES", "4,8")
    (tmp_path / "undisturbed").mkdir()
    killed.mkdir()
    command = [sys.executable, "-m", "tests.ctrzoo.training.interrupted", str(killed), "0.5", "4"]
    process = subprocess.Popen(command, cwd=CHECKOUT, env=on_jax(4), stderr=subprocess.DEVNULL)
    while process.poll() is None and len(Checkpoints(killed / "checkpoints").paths()) < 2:
        time.sleep(0.01)
    assert process.poll() is None, "the run was over before it could be killed"
    process.kill()
    process.wait()
    _, arrays = Checkpoints(killed / "checkpoints").restore()
    assert SCHEMA.num_ids == NUM_IDS
    tables = [array for array in arrays.values() if array.ndim == 2 and len(array) > 20]
    # A table of vectors and one of numbers, each with two moments: none holds rows that were added.
    assert len(tables) == 6 and {len(table) for table in tables} == {NUM_IDS}
    assert all(abs(table).max() > 0 for table in tables)
    for number in devices.split(","):
        shutil.copytree(killed, tmp_path / f"killed_{number}")
    found = run_on_jax(RESUME, tmp_path, devices, num_devices=8)
    assert [line.split()[0] for line in found] == devices.split(",")
    with pytest.raises(ValueError, match="another run: backend was 'jax', is 'tensorflow'. Choose another folder"):
        run(killed)
