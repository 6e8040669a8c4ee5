"""Field-matrixed factorization machine."""

from typing import Any

import keras

from ctrzoo.layers import FieldEmbedding, LinearLogit, WeightedPairs
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType

PAIR_WEIGHTS = ("matrix", "vector")


@keras.saving.register_keras_serializable("ctrzoo")
class FmFM(CTRModel):
    """Field-matrixed factorization machine: an FM in which each pair of fields has a matrix, `e_i^T M_ij e_j`.

    All embeddings have one size; the paper also allows one for each field. The matrices start at random, not at the
    identity, so the model does not start as an FM. FuxiCTR draws tables from N(0, 0.0001^2); here they come from
    N(0, 0.01^2), and linear weights start at 0.
    Source: Sun et al., WWW 2021, FmFM and FvFM, https://arxiv.org/abs/2102.12994.
    Cost: O(n^2 d^2) per row with matrices, O(n^2 d) with vectors.
    Explanations: `fields`, each field's own contribution to the logit (its linear term); `pairs`, each pair's
        contribution to the logit.

    Args:
        schema: The `Schema`.
        embedding_dim: Size of an embedding vector.
        pair_weights: `"matrix"` for a matrix of each pair; `"vector"` for its diagonal alone (the paper's FvFM).
        pair_l2: Strength of the penalty `pair_l2 / 2 * ||M||^2` on the matrices or vectors.
        linear_l2: Strength of the penalty `linear_l2 / 2 * ||w||^2` on the linear weights.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        embedding_dropout: Share of embedding entries dropped in training.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If `pair_weights` is unknown.
    """

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int = 16,
        pair_weights: str = "matrix",
        pair_l2: float = 0.0,
        linear_l2: float = 0.0,
        embedding_l2: float = 0.0,
        embedding_dropout: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        if pair_weights not in PAIR_WEIGHTS:
            raise ValueError(f"`pair_weights` must be one of {', '.join(PAIR_WEIGHTS)}. Received: {pair_weights!r}.")
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        linear, terms = LinearLogit(schema, l2=linear_l2, return_explanations=True, dtype=dtype, name="linear")(
            features
        )
        interaction, pairs = WeightedPairs(
            pair_weights, l2=pair_l2, return_explanations=True, dtype=dtype, name="weighted_pairs"
        )(embedded)
        explanations = {"fields": terms, "pairs": pairs}
        super().__init__(schema, features, linear + interaction, explanations, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.pair_weights, self.pair_l2 = embedding_dim, pair_weights, pair_l2
        self.linear_l2, self.embedding_l2, self.embedding_dropout = linear_l2, embedding_l2, embedding_dropout

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "pair_weights": self.pair_weights,
            "pair_l2": self.pair_l2,
            "linear_l2": self.linear_l2,
            "embedding_l2": self.embedding_l2,
            "embedding_dropout": self.embedding_dropout,
        }
