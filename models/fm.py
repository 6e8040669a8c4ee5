"""Factorization machine."""

from collections.abc import Mapping
from typing import Any

import keras

from ctrzoo.layers import FieldEmbedding, LinearLogit, PairProducts, PairwiseInteraction
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class FM(CTRModel):
    """Factorization machine: a linear part and the inner product of every pair of field embeddings.

    Source: Rendle, ICDM 2010, equation 1, https://doi.org/10.1109/ICDM.2010.127.
    Cost: O(n d) per row.
    Explanations: `fields`, each field's own contribution to the logit (its linear term); `pairs`, each pair's
        contribution to the logit.

    Args:
        schema: The `Schema`.
        embedding_dim: Size of an embedding vector.
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
        logit = linear + PairwiseInteraction(dtype=dtype, name="pairwise")(embedded)
        explanations = {"fields": terms, "pairs": PairProducts(dtype=dtype, name="pairs")(embedded)}
        super().__init__(schema, features, logit, explanations, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.linear_l2, self.embedding_l2 = embedding_dim, linear_l2, embedding_l2
        self.embedding_dropout = embedding_dropout

    @property
    def pair_terms(self) -> Mapping[str, str] | None:
        return {"embedding": "pairwise"}

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "linear_l2": self.linear_l2,
            "embedding_l2": self.embedding_l2,
            "embedding_dropout": self.embedding_dropout,
        }
