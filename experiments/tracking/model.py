"""Models of the zoo as MLflow stores them, with their signature, and as it loads them."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from typing import Any, cast

import keras
import numpy as np

import ctrzoo
from ctrzoo.model import CTRModel
from ctrzoo.types import Path

from ... import models  # noqa: F401, their classes, to load them


class RecordedModel:
    """A model as `mlflow.pyfunc.load_model` returns it within its own class.

    Args:
        model: The `CTRModel`.
    """

    def __init__(self, model: CTRModel) -> None:
        self.model = model

    def predict(self, features: Mapping[str, Any], params: Mapping[str, Any] | None = None) -> np.ndarray:
        """Return the outputs of the model, float32 `(rows, 1)`.

        Args:
            features: `{"ids": (rows, slots), "values": (rows, slots)}`.
            params: Must be None or empty; MLflow passes it.

        Raises:
            ValueError: If there are `params`.
        """
        if params:
            raise ValueError(f"Models of ctrzoo take no `params`. Received: {sorted(params)}.")
        return self.model.predict({name: np.asarray(array) for name, array in features.items()}, verbose=0)


def _load_pyfunc(path: str) -> RecordedModel:
    """Load a model for MLflow, which calls this function by its name."""
    return RecordedModel(cast(CTRModel, keras.models.load_model(path)))


def save_model(model: CTRModel, path: Path, file: Path) -> None:
    """Write a model with its signature in MLflow's format.

    Args:
        model: The model.
        path: The folder to write.
        file: The model's `.keras` file, which is copied.
    """
    types, signatures, pyfunc = (
        importlib.import_module(f"mlflow.{name}") for name in ("types.schema", "models.signature", "pyfunc")
    )
    slots = model.schema.num_slots
    inputs = [
        types.TensorSpec(np.dtype(kind), (-1, slots), name) for name, kind in (("ids", "int32"), ("values", "float32"))
    ]
    output = types.TensorSpec(np.dtype("float32"), (-1, 1))
    signature = signatures.ModelSignature(types.Schema(inputs), types.Schema([output]))
    with warnings.catch_warnings():
        # The signature follows from the schema, so that no example has to prove it.
        warnings.filterwarnings("ignore", ".*[Ii]nput example")
        pyfunc.save_model(
            path=str(path),
            loader_module=__name__,
            data_path=str(file),
            signature=signature,
            pip_requirements=[f"ctrzoo=={ctrzoo.__version__}"],
        )
