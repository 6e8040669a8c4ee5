"""A LiteRT file takes any number of rows and has no operation of TensorFlow."""

import numpy as np

from ctrzoo import models
from ctrzoo.experiments.exporting.litert_file import run_litert, save_litert
from tests.models.cases import randomize, rows


def test_any_number_of_rows(mixed_schema, tmp_path):
    model = models.build("fm", mixed_schema)
    randomize(model)
    save_litert(model, tmp_path / "model.tflite")
    features, _ = rows(mixed_schema)
    expected = np.asarray(model(features))[:, 0]
    assert np.ptp(expected) > 1e-3
    for count in (1, 6, 2):
        found = run_litert(tmp_path / "model.tflite", {name: array[:count] for name, array in features.items()})
        np.testing.assert_allclose(found, expected[:count], rtol=0, atol=1e-6)
    assert b"Flex" not in (tmp_path / "model.tflite").read_bytes()  # Flex operations are those of TensorFlow
