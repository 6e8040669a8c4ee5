"""CIN: only the compressed interaction network of xDeepFM."""

from collections.abc import Sequence
from typing import Any

import keras

from ctrzoo.layers import CompressedInteraction, FieldEmbedding, LinearLogit
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class CIN(CTRModel):
    """Compressed interaction network and a linear part, without an MLP: the "xDeepFM" of GraphFM's table 2.

    With three layers of 200 halved maps, the network has 1,864,200 weights on Criteo, which fits the 1.9e6 that
    AutoInt reports. With all maps used twice (`split_half=False`, the paper's equations) it would have 3.4e6.
    Source: Lian et al., 2018, equations 6 to 8, https://arxiv.org/abs/1803.05170.
    Cost: O(L n H^2 d) per row, for L layers of H maps.
    Explanations: `fields`, each field's contribution to the linear part of the logit.

    Args:
        schema: The `Schema`.
        embedding_dim: Size of an embedding vector.
        units: Feature maps in each layer of the network.
        split_half: Whether half of each layer's maps feed the next layer and the other half feed the output.
        activation: Nonlinearity of the maps.
        interaction_l2: Strength of the penalty `interaction_l2 / 2 * ||W||^2` on the compressed interactions.
        linear_l2: Strength of the penalty `linear_l2 / 2 * ||w||^2` on the linear weights.
        embedding_dropout: Share of embedding entries dropped in training.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If a number of maps is below 1, or is odd but must be halved.
    """

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int = 16,
        units: Sequence[int] = (200, 200, 200),
        split_half: bool = True,
        activation: str = "linear",
        interaction_l2: float = 0.0,
        linear_l2: float = 0.0,
        embedding_dropout: float = 0.0,
        embedding_l2: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        linear, terms = LinearLogit(schema, l2=linear_l2, return_explanations=True, dtype=dtype, name="linear")(
            features
        )
        pooled = CompressedInteraction(units, split_half, activation, l2=interaction_l2, dtype=dtype, name="cin")(
            embedded
        )
        logit = linear + keras.layers.Dense(1, use_bias=False, dtype=dtype, name="output")(pooled)
        super().__init__(schema, features, logit, {"fields": terms}, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.units, self.split_half, self.activation = (
            embedding_dim,
            tuple(units),
            split_half,
            activation,
        )
        self.interaction_l2, self.linear_l2 = interaction_l2, linear_l2
        self.embedding_dropout, self.embedding_l2 = embedding_dropout, embedding_l2

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "units": self.units,
            "split_half": self.split_half,
            "activation": self.activation,
            "interaction_l2": self.interaction_l2,
            "linear_l2": self.linear_l2,
            "embedding_dropout": self.embedding_dropout,
            "embedding_l2": self.embedding_l2,
        }
