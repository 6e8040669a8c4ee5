"""Field-weighted factorization machine."""

from typing import Any

import keras
from keras import ops

from ctrzoo.layers import FieldEmbedding, FieldVectorLogit, LinearLogit, WeightedPairs
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType

LINEAR = ("field_vectors", "feature_vectors", "weights")


@keras.saving.register_keras_serializable("ctrzoo")
class FwFM(CTRModel):
    """Field-weighted factorization machine: an FM in which each pair of fields has a weight of its own.

    FuxiCTR draws tables from N(0, 0.0001^2); here they come from N(0, 0.01^2).
    Source: Pan et al., WWW 2018, FwFM with its three kinds of linear terms, https://arxiv.org/abs/1806.03514.
    Cost: O(n^2 d) per row.
    Explanations: `fields`, each field's own contribution to the logit (its linear term); `pairs`, each pair's
        contribution to the logit, its weight included.

    Args:
        schema: The `Schema`.
        embedding_dim: Size of an embedding vector.
        linear: The linear part: `"field_vectors"`, the inner product of each embedding with a vector of its field
            (the paper's FiLV); `"feature_vectors"`, with a second vector of each feature (FeLV), where the number of a
            numerical field enters squared; `"weights"`, one weight for each feature as in an FM (LW).
        pair_l2: Strength of the penalty `pair_l2 / 2 * ||r||^2` on the weights of the pairs.
        linear_l2: Strength of the penalty `linear_l2 / 2 * ||w||^2` on the vectors or weights of the linear part.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        embedding_dropout: Share of embedding entries dropped in training, before pairs and linear part.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If `linear` is unknown.
    """

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int = 16,
        linear: str = "field_vectors",
        pair_l2: float = 0.0,
        linear_l2: float = 0.0,
        embedding_l2: float = 0.0,
        embedding_dropout: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        if linear not in LINEAR:
            raise ValueError(f"`linear` must be one of {', '.join(LINEAR)}. Received: {linear!r}.")
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        options: dict[str, Any] = {"l2": linear_l2, "dtype": dtype, "name": "linear"}
        if linear == "weights":
            # The bias is that of the pair term, as in FuxiCTR.
            logit, terms = LinearLogit(schema, use_bias=False, return_explanations=True, **options)(features)
        elif linear == "feature_vectors":
            terms = ops.sum(embedded * FieldEmbedding(schema, embedding_dim, **options)(features), axis=-1)
            logit = ops.sum(terms, axis=-1, keepdims=True)
        else:
            logit, terms = FieldVectorLogit(return_explanations=True, **options)(embedded)
        interaction, pairs = WeightedPairs(
            "number", use_bias=True, l2=pair_l2, return_explanations=True, dtype=dtype, name="weighted_pairs"
        )(embedded)
        explanations = {"fields": terms, "pairs": pairs}
        super().__init__(schema, features, logit + interaction, explanations, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.linear, self.pair_l2 = embedding_dim, linear, pair_l2
        self.linear_l2, self.embedding_l2, self.embedding_dropout = linear_l2, embedding_l2, embedding_dropout

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "linear": self.linear,
            "pair_l2": self.pair_l2,
            "linear_l2": self.linear_l2,
            "embedding_l2": self.embedding_l2,
            "embedding_dropout": self.embedding_dropout,
        }
