"""DeepCrossing."""

from collections.abc import Sequence
from typing import Any

import keras

from ctrzoo.layers import FieldEmbedding, ResidualUnit
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class DeepCrossing(CTRModel):
    """DeepCrossing: residual units on the concatenated field embeddings, then a linear output.

    The default of four hidden layers of 100 follows the DeepCrossing baseline of the AutoInt and GraphFM papers. Each
    layer is its own residual unit, as in the DeepCrossing paper: 502,096 weights for Criteo's 39 fields of dimension
    16. AutoInt reports 1.6e5 weights, which fits one unit around all four layers: 155,824 with `layers_per_unit=4`.
    Source: Shan et al., KDD 2016, section 4, https://doi.org/10.1145/2939672.2939704.
    Cost: O(L n d h) per row, for L units of hidden size h.
    Explanations: none.

    Args:
        schema: The `Schema`.
        embedding_dim: Size of an embedding vector.
        units: Widths of all hidden layers.
        layers_per_unit: Hidden layers in each residual unit.
        dropout: Share of hidden outputs dropped in training.
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on the hidden kernels.
        embedding_dropout: Share of embedding entries dropped in training.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If `layers_per_unit` does not divide the number of hidden layers.
    """

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int = 16,
        units: Sequence[int] = (100, 100, 100, 100),
        layers_per_unit: int = 1,
        dropout: float = 0.0,
        l2: float = 0.0,
        embedding_dropout: float = 0.0,
        embedding_l2: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        if layers_per_unit < 1 or len(units) % layers_per_unit:
            raise ValueError(
                f"`layers_per_unit` must divide the number of hidden layers, {len(units)}. Received: {layers_per_unit}."
            )
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        states = keras.layers.Flatten(dtype=dtype, name="flat_embedding")(embedded)
        for number, first in enumerate(range(0, len(units), layers_per_unit), start=1):
            widths = units[first : first + layers_per_unit]
            states = ResidualUnit(widths, dropout=dropout, l2=l2, dtype=dtype, name=f"unit_{number}")(states)
        logit = keras.layers.Dense(1, dtype=dtype, name="output")(states)
        super().__init__(schema, features, logit, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.units, self.layers_per_unit = embedding_dim, tuple(units), layers_per_unit
        self.dropout, self.l2 = dropout, l2
        self.embedding_dropout, self.embedding_l2 = embedding_dropout, embedding_l2

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "units": self.units,
            "layers_per_unit": self.layers_per_unit,
            "dropout": self.dropout,
            "l2": self.l2,
            "embedding_dropout": self.embedding_dropout,
            "embedding_l2": self.embedding_l2,
        }
