"""Mutated checkpoints and models are refused in one line, or hold the same numbers."""

import io
import pathlib
import zipfile

import keras
import numpy as np
import pytest

from ctrzoo import models
from ctrzoo.experiments.explained_run import load_model
from ctrzoo.files import seal_zip
from ctrzoo.training.run_state import RunState, RunStore
from tests.fuzz.mutations import judged, mutated, seeds


@pytest.fixture
def model(mixed_schema):
    model = models.build("lr", mixed_schema)
    model.compile(keras.optimizers.Adam())
    model.optimizer.build(model.trainable_variables)
    random = np.random.default_rng(0)
    for variable in variables_of(model):
        if variable.dtype == "float32":
            variable.assign(random.random(variable.shape))
    return model


def variables_of(model):
    return [*model.variables, *model.optimizer.variables]


def numbers_of(model):
    return [keras.ops.convert_to_numpy(variable) for variable in variables_of(model)]


def damaged(content, source):
    """Return the bytes of a zip file after a change: of its bytes, or of a member of it."""
    if source.random() < 0.6:
        return mutated(content, source)
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(file, "w") as other:
        names = archive.namelist()
        chosen = source.choice(names)
        change = source.choice(["delete", "rename", "swap", "cut", "empty"])
        for name in names:
            member = archive.read(source.choice(names) if name == chosen and change == "swap" else name)
            if name == chosen and change in ("cut", "empty"):
                member = member[: len(member) // 2 if change == "cut" else 0]
            if not (name == chosen and change == "delete"):
                other.writestr(name + "x" * (name == chosen and change == "rename"), member)
    return file.getvalue()


@pytest.mark.parametrize("is_sealed", [True, False], ids=["sealed", "as version 0.1 wrote it"])
def test_checkpoints(model, tmp_path, monkeypatch, is_sealed):
    description = {"model": "LR"}
    store = RunStore(model, tmp_path, 2, description)
    best = [array + 1 for array in numbers_of(model)[: len(model.weights)]]
    state = RunState(epoch=1, steps=20, history=[{"valid_log_loss": 0.5}], best_epoch=1)
    store.save(state, best)
    (path,) = store.checkpoints.paths()
    original, expected = path.read_bytes(), numbers_of(model)
    if not is_sealed:
        monkeypatch.setattr("ctrzoo.__version__", "0.1.0")
        store.save(state, best)
        original = unsealed(path.read_bytes())
    refused = number = 0
    for number, source in enumerate(seeds(f"checkpoints {is_sealed}")):
        path.write_bytes(damaged(original, source))
        is_changed_inside = zipfile.is_zipfile(path) and not same_members(original, path.read_bytes())
        for variable in variables_of(model):
            variable.assign(np.zeros(variable.shape, variable.dtype))
        what = f"checkpoint {number}"
        with judged(what) as accepted:
            found, found_best = store.restore()
        refused += not accepted
        if accepted:
            assert found == state, what
            if not is_changed_inside or is_sealed:
                for array, other in zip([*numbers_of(model), *found_best], [*expected, *best], strict=True):
                    np.testing.assert_array_equal(array, other, err_msg=what)
    assert number < 200 or refused > number / 2


@pytest.mark.parametrize("is_sealed", [True, False], ids=["sealed", "as version 0.1 wrote it"])
def test_models(model, mixed_schema, tmp_path, is_sealed):
    path = tmp_path / "model.keras"
    model.save(path)
    if is_sealed:
        seal_zip(path)
    original, expected = path.read_bytes(), [keras.ops.convert_to_numpy(weight) for weight in model.weights]
    refused = number = 0
    for number, source in enumerate(seeds(f"models {is_sealed}")):
        path.write_bytes(damaged(original, source))
        what = f"model {number}"
        with judged(what) as accepted:
            found = load_model(pathlib.Path(tmp_path), mixed_schema)
        refused += not accepted
        if accepted:
            for weight, other in zip(found.weights, expected, strict=True):
                np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), other, err_msg=what)
    assert number < 200 or refused > number / 2


def unsealed(content):
    """Return a zip file without its comment."""
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = b""
    return file.getvalue()


def same_members(content, other):
    """Tell whether zip files hold the same, as far as they can be read."""
    members = []
    for each in (content, other):
        try:
            with zipfile.ZipFile(io.BytesIO(each)) as archive:
                members.append({name: archive.read(name) for name in archive.namelist()})
        except Exception:
            return False
    return members[0] == members[1]
