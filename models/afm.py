"""Attentional factorization machine."""

from typing import Any

import keras

from ctrzoo.layers import AttentionalInteraction, FieldEmbedding, LinearLogit
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class AFM(CTRModel):
    """Attentional factorization machine: an FM whose pairs are weighted by a softmax over all pairs.

    The softmax runs over the pairs, as in the paper. The released code takes it over an axis of length 1, which makes
    every weight 1.
    Source: Xiao et al., IJCAI 2017, equations 4 to 6, https://arxiv.org/abs/1708.04617.
    Cost: O(n^2 d t) per row, for t attention units.
    Explanations: `fields`, each field's own contribution to the logit (its linear term); `pairs`, each pair's
        contribution to the logit; `attention`, the weight of each pair (the weights of all pairs i < j sum to 1).

    Args:
        schema: The `Schema`.
        embedding_dim: Size of an embedding vector.
        attention_units: Size of the attention's hidden layer.
        attention_dropout: Share of attention weights dropped in training.
        pooling_dropout: Share of the pooled vector's entries dropped in training; the paper's best is
            0.2 on Frappe and 0.5 on MovieLens.
        attention_l2: Strength of the penalty `attention_l2 / 2 * ||W||^2` on the attention's hidden kernel.
        linear_l2: Strength of the penalty `linear_l2 / 2 * ||w||^2` on the linear weights.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        embedding_dropout: Share of embedding entries dropped in training.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.
    """

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int = 16,
        attention_units: int = 16,
        attention_dropout: float = 0.0,
        pooling_dropout: float = 0.0,
        attention_l2: float = 0.0,
        linear_l2: float = 0.0,
        embedding_l2: float = 0.0,
        embedding_dropout: float = 0.0,
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
        interaction, pairs, attention = AttentionalInteraction(
            attention_units,
            attention_dropout,
            pooling_dropout,
            l2=attention_l2,
            return_explanations=True,
            dtype=dtype,
            name="attentional",
        )(embedded)
        explanations = {"fields": terms, "pairs": pairs, "attention": attention}
        super().__init__(schema, features, linear + interaction, explanations, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.attention_units, self.attention_l2 = embedding_dim, attention_units, attention_l2
        self.attention_dropout, self.pooling_dropout = attention_dropout, pooling_dropout
        self.linear_l2, self.embedding_l2, self.embedding_dropout = linear_l2, embedding_l2, embedding_dropout

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "attention_units": self.attention_units,
            "attention_dropout": self.attention_dropout,
            "pooling_dropout": self.pooling_dropout,
            "attention_l2": self.attention_l2,
            "linear_l2": self.linear_l2,
            "embedding_l2": self.embedding_l2,
            "embedding_dropout": self.embedding_dropout,
        }
