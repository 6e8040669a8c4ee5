"""Models as MLflow stores them."""

import numpy as np
import pytest

from ctrzoo import models
from ctrzoo.experiments.tracking.model import RecordedModel, save_model
from tests.small_data import SmallData


def test_a_stored_model_has_a_signature_and_predicts_the_same(mixed_schema, tmp_path):
    pyfunc = pytest.importorskip("mlflow.pyfunc")
    model = models.build("fm", mixed_schema, embedding_dim=3)
    model.save(tmp_path / "model.keras")
    save_model(model, tmp_path / "stored", tmp_path / "model.keras")
    loaded = pyfunc.load_model(str(tmp_path / "stored"))
    features, _ = SmallData(mixed_schema).arrays("valid")
    np.testing.assert_array_equal(loaded.predict(features), model.predict(features, verbose=0))
    inputs = {spec.name: (spec.type, spec.shape) for spec in loaded.metadata.signature.inputs}
    assert inputs == {"ids": (np.dtype("int32"), (-1, 6)), "values": (np.dtype("float32"), (-1, 6))}
    with pytest.raises(Exception, match="(?s)ids.*int32|int32.*ids|[Ii]ncompatible"):
        loaded.predict({**features, "ids": features["ids"].astype("float64") + 0.5})


def test_parameters_of_a_prediction_are_refused(mixed_schema):
    model = RecordedModel(models.build("lr", mixed_schema))
    with pytest.raises(ValueError, match=r"take no `params`. Received: \['top'\]"):
        model.predict({}, {"top": 3})
