"""Higher-order factorization machine."""

from collections.abc import Mapping
from typing import Any

import keras

from ctrzoo.layers import AnovaKernel, FieldEmbedding, LinearLogit, PairProducts
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class HOFM(CTRModel):
    """Higher-order factorization machine: interactions of 2, 3, ..., `order` fields, each order factorized.

    Each order has its own embedding table: `embedding_2`, `embedding_3`, ...
    Source: Blondel et al., NIPS 2016, sections 2 and 3, https://arxiv.org/abs/1607.07195.
    Cost: O(K^2 n d) per row, for order K.
    Explanations: `fields`, each field's own contribution to the logit (its linear term); `pairs`, each pair's
        contribution at order 2.

    Args:
        schema: The `Schema`.
        order: Maximum number of fields that interact, at least 2.
        embedding_dim: Size of an embedding vector, the same for each order.
        linear_l2: Strength of the penalty `linear_l2 / 2 * ||w||^2` on the linear weights.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`, for each order's table.
        embedding_dropout: Share of embedding entries dropped in training.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If the order is less than 2.
    """

    def __init__(
        self,
        schema: Schema,
        order: int = 3,
        embedding_dim: int = 16,
        linear_l2: float = 0.0,
        embedding_l2: float = 0.0,
        embedding_dropout: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        if order < 2:
            raise ValueError(f"`order` must be at least 2; a linear model is 'lr'. Received: {order}.")
        features = feature_inputs(schema)
        logit, terms = LinearLogit(schema, l2=linear_l2, return_explanations=True, dtype=dtype, name="linear")(features)
        explanations = {"fields": terms}
        for size in range(2, order + 1):
            embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name=f"embedding_{size}")(
                features
            )
            embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name=f"embedding_dropout_{size}")(embedded)
            logit += AnovaKernel(size, dtype=dtype, name=f"order_{size}")(embedded)
            if size == 2:
                explanations["pairs"] = PairProducts(dtype=dtype, name="pairs")(embedded)
        super().__init__(schema, features, logit, explanations, task=task, dtype=dtype, **kwargs)
        self.order, self.embedding_dim, self.linear_l2 = order, embedding_dim, linear_l2
        self.embedding_l2, self.embedding_dropout = embedding_l2, embedding_dropout

    @property
    def pair_terms(self) -> Mapping[str, str] | None:
        return {f"embedding_{size}": f"order_{size}" for size in range(2, self.order + 1)}

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "order": self.order,
            "embedding_dim": self.embedding_dim,
            "linear_l2": self.linear_l2,
            "embedding_l2": self.embedding_l2,
            "embedding_dropout": self.embedding_dropout,
        }
