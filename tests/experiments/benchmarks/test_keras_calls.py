"""What a measured process does."""

import dataclasses

import keras
import pytest

from ctrzoo import models
from ctrzoo.experiments.benchmarks import suites
from ctrzoo.experiments.benchmarks.keras_calls import calls_of
from ctrzoo.experiments.benchmarks.shapes import SHAPES
from ctrzoo.experiments.benchmarks.work import Work

TINY = SHAPES["tiny"]
WORK = Work("ctrzoo", "lr", TINY.to_dict(), shape="tiny", batch_size=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setattr(suites, "FOLDER_ROWS", 100)
    with patch.context():
        return suites.write_folder(tmp_path_factory.mktemp("data") / "rows", TINY)


@pytest.mark.parametrize(("mode", "steps"), [("train", 3), ("fit", 3), ("together", 3), ("input", 0), ("predict", 0)])
def test_a_call_makes_the_steps_it_is_asked_for(mode, steps, folder):
    model, optimizer = models.build("lr", TINY), keras.optimizers.Adam()
    work = dataclasses.replace(WORK, mode=mode, folder=folder, num_rows=20)
    calls_of(model, optimizer, work)(3)
    assert optimizer.iterations == steps
