"""Logistic regression."""

from collections.abc import Mapping
from typing import Any

import keras

from ctrzoo.layers import LinearLogit
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class LR(CTRModel):
    """Logistic regression on the ids and values of a row: `logit = b + sum of w[id] * value`.

    Source: Richardson, Dominowska, Ragno, WWW 2007, https://doi.org/10.1145/1242572.1242643.
    Cost: O(n) per row.
    Explanations: `fields`, each field's contribution to the logit.

    Args:
        schema: The `Schema`.
        linear_l2: Strength of the penalty `linear_l2 / 2 * ||w||^2`.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.
    """

    def __init__(
        self, schema: Schema, linear_l2: float = 0.0, task: str = "classification", dtype: DType = None, **kwargs: Any
    ) -> None:
        features = feature_inputs(schema)
        logit, terms = LinearLogit(schema, l2=linear_l2, return_explanations=True, dtype=dtype, name="linear")(features)
        super().__init__(schema, features, logit, {"fields": terms}, task=task, dtype=dtype, **kwargs)
        self.linear_l2 = linear_l2

    @property
    def pair_terms(self) -> Mapping[str, str] | None:
        return {}

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "linear_l2": self.linear_l2,
        }
