"""The strongest reasons of each prediction: which fields or pairs of fields add most to the logit."""

from __future__ import annotations

import typing

import keras
import numpy as np
import pyarrow as pa

from ctrzoo.explanation.explainer import kinds_of
from ctrzoo.lookup import for_this_process

if typing.TYPE_CHECKING:
    from ctrzoo.model import CTRModel
    from ctrzoo.types import Features

BATCH = 1024


class Reasons:
    """Computes predictions of a model and the strongest reasons for them.

    Args:
        model: A model that says what its fields or pairs of fields add to the logit.
        count: How many reasons to give, at least 1.

    Raises:
        ValueError: If the model says neither.

    >>> from ctrzoo import models
    >>> from ctrzoo.schema import Field, Schema
    >>> model = models.build("lr", Schema([Field("user", vocabulary_size=2), Field("ad", vocabulary_size=2)]))
    >>> predictions, columns = Reasons(model, 1)({"ids": np.array([[1, 3]]), "values": np.ones((1, 2), "float32")})
    >>> predictions.shape, list(columns)
    ((1,), ['reason_1', 'contribution_1'])
    """

    def __init__(self, model: CTRModel, count: int):
        kinds = kinds_of(model)
        self._parts = [
            name
            for name in ("fields", "pairs")
            if name in kinds and kinds[name].signed and (name == "fields" or model.pairs_add_up)
        ]
        if not self._parts:
            said = ", ".join(kinds) or "nothing"
            raise ValueError(
                f"Reasons are what fields or pairs add to the logit, which {model.name} does not say (it explains: "
                f"{said}). Leave out --explain, or explain the run with ctrzoo-explain."
            )
        self.count = count
        names = list(model.schema.names)
        self._first, self._second = np.triu_indices(len(names), 1)
        called = {
            "fields": names,
            "pairs": [f"{names[i]} × {names[j]}" for i, j in zip(self._first, self._second, strict=True)],
        }
        self._names = pa.array([name for part in self._parts for name in called[part]], pa.string())
        outputs: typing.Any = model.explainer().output
        self._model = keras.Model(
            model.input, {"output": model.output, **{part: outputs[part] for part in self._parts}}
        )

    def __call__(self, features: Features) -> tuple[np.ndarray, dict[str, pa.Array]]:
        """Return the predictions `(rows,)`, and by name the columns of the reasons and of what they add to the logit.

        A reason is a field, or a pair `a × b`; the strongest comes first. What adds nothing, such as a missing cell, is
        no reason: then the cells are null.
        """
        found = [self._strongest(features, start) for start in range(0, len(features["ids"]), BATCH)]
        predictions, places, added = (np.concatenate(part) for part in zip(*found, strict=True))
        columns = {}
        for number in range(self.count):
            if number < places.shape[1]:
                nothing = added[:, number] == 0
                reasons = self._names.take(pa.array(places[:, number], mask=nothing))
                values = pa.array(added[:, number], pa.float32(), mask=nothing)
            else:
                reasons, values = pa.nulls(len(places), pa.string()), pa.nulls(len(places), pa.float32())
            columns |= {f"reason_{number + 1}": reasons, f"contribution_{number + 1}": values}
        return predictions, columns

    def _strongest(self, features, start):
        batch = {name: array[start : start + BATCH] for name, array in features.items()}
        with for_this_process():
            outputs: typing.Any = self._model.predict_on_batch(batch)
        outputs = {name: np.asarray(output, np.float32) for name, output in outputs.items()}
        parts = [
            outputs[part] if part == "fields" else outputs[part][:, self._first, self._second] for part in self._parts
        ]
        added = np.concatenate(parts, axis=1)
        places = np.argsort(-np.abs(added), axis=1, kind="stable")[:, : self.count]
        return outputs["output"][:, 0], places, np.take_along_axis(added, places, axis=1)
