"""The measured points: which there are, and that a command adds them to a file."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from ctrzoo.experiments.scale.costs import read_points
from ctrzoo.experiments.scale.measuring import DEVICES, SETTINGS, Point, backend_of, grid

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]


def test_grid():
    points = grid()
    assert len(points) == len(set(points))
    assert {point.strategy for point in points} == set(SETTINGS)
    for strategy in SETTINGS:
        assert {point.num_devices for point in points if point.strategy == strategy} == set(DEVICES)
    assert backend_of(Point("divided_batch", 1, 8, 4, 4)) == "jax"
    assert backend_of(Point("mirrored", 1, 8, 4, 4)) == "tensorflow"


def test_the_points_that_were_measured_are_of_the_grid():
    assert set(read_points()) <= set(grid())


@pytest.mark.nightly
@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_points_are_added_to_a_file(backend, tmp_path):
    if backend == "jax":
        pytest.importorskip("jax")
    path = tmp_path / "points.json"
    devices = {"jax": "1,2", "tensorflow": "2"}[backend]  # TensorFlow divides the CPU once
    options = ["--steps=2", f"--backend={backend}", f"--devices={devices}", f"--path={path}"]
    code = (
        "from ctrzoo.experiments.scale import measuring as m; from absl import app\n"
        "m.SHAPES, m.DEVICES, m.FIELD_SIZE = ((16, 16, 64),), (1, 2), 50\n"
        f"m.define_flags(); app.run(m.main, ['', *{options}])"
    )
    strategies = {"jax": {"divided_tables", "divided_batch"}, "tensorflow": {"mirrored", "mirrored_dense"}}[backend]
    for times in (1, 2):
        environment = {**os.environ, "XLA_FLAGS": ""}
        ended = subprocess.run(
            [sys.executable, "-c", code], env=environment, cwd=CHECKOUT, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        found = json.loads(path.read_text(encoding="utf-8"))
        assert len(found) == len(strategies) * len(devices.split(","))
        assert all(len(each["seconds"]) == times for each in found)
        assert all(0 < seconds < 60 for each in found for seconds in each["seconds"])
    assert {point.strategy for point in read_points(path)} == strategies
