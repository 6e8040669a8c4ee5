"""CrossNet: only the cross layers of DCN."""

from typing import Any

import keras

from ctrzoo.layers import CrossV1, FieldEmbedding
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class CrossNet(CTRModel):
    """CrossNet: vector cross layers on the concatenated field embeddings, then a linear output, without an MLP.

    The default of three layers follows the AutoInt and GraphFM papers.
    Source: Wang et al., 2017, equation 3, https://arxiv.org/abs/1708.05123.
    Cost: O(L n d) per row, for L layers.
    Explanations: none.

    Args:
        schema: The `Schema`.
        embedding_dim: Size of an embedding vector.
        num_layers: Number of cross layers.
        cross_l2: Strength of the penalty `cross_l2 / 2 * ||w||^2` on the weights of the cross layers.
        embedding_dropout: Share of embedding entries dropped in training.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.
    """

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int = 16,
        num_layers: int = 3,
        cross_l2: float = 0.0,
        embedding_dropout: float = 0.0,
        embedding_l2: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        states = flat = keras.layers.Flatten(dtype=dtype, name="flat_embedding")(embedded)
        for number in range(1, num_layers + 1):
            states = CrossV1(l2=cross_l2, dtype=dtype, name=f"cross_{number}")(flat, states)
        logit = keras.layers.Dense(1, dtype=dtype, name="output")(states)
        super().__init__(schema, features, logit, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.num_layers, self.cross_l2 = embedding_dim, num_layers, cross_l2
        self.embedding_dropout, self.embedding_l2 = embedding_dropout, embedding_l2

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "num_layers": self.num_layers,
            "cross_l2": self.cross_l2,
            "embedding_dropout": self.embedding_dropout,
            "embedding_l2": self.embedding_l2,
        }
