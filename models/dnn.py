"""MLP on field embeddings."""

from collections.abc import Sequence
from typing import Any

import keras

from ctrzoo.idle import refuse_idle_hidden
from ctrzoo.layers import FieldEmbedding
from ctrzoo.model import CTRModel, deep_logit, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class DNN(CTRModel):
    """MLP on the field embeddings, without any other interaction: the deep part of Wide&Deep and DeepFM alone.

    FuxiCTR's model of this name computes the same. It draws tables from N(0, 0.0001^2); here they come from
    N(0, 0.01^2).
    Source: Covington, Adams, Sargin, RecSys 2016, https://doi.org/10.1145/2959100.2959190.
    Cost: O(n d h) per row, for a first hidden layer of h, and the rest of the MLP.
    Explanations: none.

    Args:
        schema: The `Schema`.
        embedding_dim: Size of an embedding vector.
        deep_units: Widths of the hidden layers, at least one.
        deep_dropout: Share of hidden outputs dropped in training.
        deep_batch_norm: Whether to batch-normalize the hidden layers.
        deep_batch_norm_momentum: Momentum of its moving mean and variance: the share that a step keeps.
        deep_l2: Strength of the penalty `deep_l2 / 2 * ||kernel||^2` on the hidden kernels.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        embedding_dropout: Share of embedding entries dropped in training.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If `deep_units` is empty.
    """

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int = 16,
        deep_units: Sequence[int] = (400, 400),
        deep_dropout: float = 0.0,
        deep_batch_norm: bool = False,
        deep_batch_norm_momentum: float = 0.9,
        deep_l2: float = 0.0,
        embedding_l2: float = 0.0,
        embedding_dropout: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        refuse_idle_hidden(DNN, locals())
        if not deep_units:
            raise ValueError("`deep_units` must name at least one hidden layer. Received: none.")
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        logit = deep_logit(
            embedded, deep_units, deep_dropout, deep_batch_norm, deep_l2, deep_batch_norm_momentum, dtype
        )
        super().__init__(schema, features, logit, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.deep_units, self.deep_dropout = embedding_dim, tuple(deep_units), deep_dropout
        self.deep_batch_norm, self.deep_batch_norm_momentum = deep_batch_norm, deep_batch_norm_momentum
        self.deep_l2 = deep_l2
        self.embedding_l2, self.embedding_dropout = embedding_l2, embedding_dropout

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "deep_units": self.deep_units,
            "deep_dropout": self.deep_dropout,
            "deep_batch_norm": self.deep_batch_norm,
            "deep_batch_norm_momentum": self.deep_batch_norm_momentum,
            "deep_l2": self.deep_l2,
            "embedding_l2": self.embedding_l2,
            "embedding_dropout": self.embedding_dropout,
        }
