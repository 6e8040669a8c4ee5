"""Neural factorization machine."""

from collections.abc import Sequence
from typing import Any

import keras

from ctrzoo.idle import refuse_idle
from ctrzoo.layers import MLP, BiInteraction, FieldEmbedding, LinearLogit
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class NFM(CTRModel):
    """Neural factorization machine: an MLP on the sum of all pairs' element-wise products, plus a linear part.

    Optional batch normalization and dropout follow the pooled vector and each hidden layer. Without hidden layers, the
    output weights start at 1, so the model starts as an FM.
    Source: He and Chua, SIGIR 2017, equations 2 to 4, https://arxiv.org/abs/1708.05027.
    Cost: O(n d) per row, and the MLP.
    Explanations: `fields`, each field's own contribution to the logit (its linear term). The MLP mixes all
        pairs, so their contributions cannot be told apart.

    Args:
        schema: The `Schema`.
        embedding_dim: Size of an embedding vector.
        pooling_dropout: Share of the pooled vector's entries dropped in training.
        deep_units: Widths of the hidden layers. AutoInt's and GraphFM's comparisons use one layer of 200.
        deep_dropout: Share of hidden outputs dropped in training.
        deep_batch_norm: Whether to batch-normalize the pooled vector and the hidden layers.
        deep_batch_norm_momentum: Momentum of its moving mean and variance: the share that a step keeps.
        deep_l2: Strength of the penalty `deep_l2 / 2 * ||kernel||^2` on the hidden kernels.
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
        pooling_dropout: float = 0.0,
        deep_units: Sequence[int] = (200,),
        deep_dropout: float = 0.0,
        deep_batch_norm: bool = False,
        deep_batch_norm_momentum: float = 0.9,
        deep_l2: float = 0.0,
        linear_l2: float = 0.0,
        embedding_l2: float = 0.0,
        embedding_dropout: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        if not deep_batch_norm:
            momentum = ["deep_batch_norm_momentum"]
            refuse_idle(NFM, locals(), momentum, "without batch normalization", "set deep_batch_norm=True")
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        linear, terms = LinearLogit(
            schema, use_bias=False, l2=linear_l2, return_explanations=True, dtype=dtype, name="linear"
        )(features)
        pooled = BiInteraction(dtype=dtype, name="bi_interaction")(embedded)
        if deep_batch_norm:
            pooled = keras.layers.BatchNormalization(
                momentum=deep_batch_norm_momentum, dtype=dtype, name="pooled_batch_norm"
            )(pooled)
        pooled = keras.layers.Dropout(pooling_dropout, dtype=dtype, name="pooled_dropout")(pooled)
        deep = {
            "dropout": deep_dropout,
            "batch_norm": deep_batch_norm,
            "batch_norm_momentum": deep_batch_norm_momentum,
            "l2": deep_l2,
        }
        hidden = MLP(deep_units, dtype=dtype, name="deep", **deep)(pooled)
        start = "glorot_uniform" if deep_units else "ones"
        logit = linear + keras.layers.Dense(1, kernel_initializer=start, dtype=dtype, name="output")(hidden)
        super().__init__(schema, features, logit, {"fields": terms}, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.pooling_dropout = embedding_dim, pooling_dropout
        self.deep_units, self.deep_dropout = tuple(deep_units), deep_dropout
        self.deep_batch_norm, self.deep_batch_norm_momentum = deep_batch_norm, deep_batch_norm_momentum
        self.deep_l2 = deep_l2
        self.linear_l2, self.embedding_l2, self.embedding_dropout = linear_l2, embedding_l2, embedding_dropout

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "pooling_dropout": self.pooling_dropout,
            "deep_units": self.deep_units,
            "deep_dropout": self.deep_dropout,
            "deep_batch_norm": self.deep_batch_norm,
            "deep_batch_norm_momentum": self.deep_batch_norm_momentum,
            "deep_l2": self.deep_l2,
            "linear_l2": self.linear_l2,
            "embedding_l2": self.embedding_l2,
            "embedding_dropout": self.embedding_dropout,
        }
