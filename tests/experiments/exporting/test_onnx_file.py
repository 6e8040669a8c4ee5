"""An ONNX file has named inputs and outputs and takes any number of rows."""

import importlib.util

import numpy as np
import pytest

from ctrzoo import models
from ctrzoo.experiments.exporting import onnx_file
from tests.models.cases import randomize, rows


def test_missing_libraries_are_named(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in ("onnx", "tf2onnx") else real("json"))
    with pytest.raises(ValueError, match=r'ONNX needs tf2onnx and onnx. .*"ctrzoo\[onnx\]"'):
        onnx_file.check_onnx_is_installed()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: real("json"))
    onnx_file.check_onnx_is_installed()


@pytest.mark.parametrize("task", ["classification", "ranking"])
def test_a_model_that_was_never_called(task, mixed_schema, tmp_path):
    pytest.importorskip("tf2onnx")
    onnx = pytest.importorskip("onnx")
    model = models.build("fm", mixed_schema, task=task)
    randomize(model)
    onnx_file.save_onnx(model, tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert [each.name for each in graph.input] == ["ids", "values"]
    assert [each.name for each in graph.output] == ["probability" if task == "classification" else "prediction"]
    assert {each.type.tensor_type.shape.dim[0].dim_param for each in (*graph.input, *graph.output)} == {"rows"}
    features, _ = rows(mixed_schema)
    for count in (1, 6):
        part = {name: array[:count] for name, array in features.items()}
        found = onnx_file.run_onnx(tmp_path / "model.onnx", part)
        np.testing.assert_allclose(found, np.asarray(model(part))[:, 0], rtol=1e-5, atol=1e-6)
