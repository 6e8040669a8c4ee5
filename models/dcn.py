"""DCN: the deep and cross network."""

from collections.abc import Sequence
from typing import Any

import keras

from ctrzoo.idle import refuse_idle_hidden
from ctrzoo.layers import MLP, CrossV1, FieldEmbedding
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class DCN(CTRModel):
    """Deep and cross network: vector cross layers next to an MLP, both on the concatenated field embeddings.

    Source: Wang et al., 2017, equations 3 to 5, https://arxiv.org/abs/1708.05123.
    Cost: O(L n d) per row, for L cross layers, and the MLP.
    Explanations: none.

    Args:
        schema: The `Schema`.
        embedding_dim: Size of an embedding vector.
        num_layers: Number of cross layers.
        cross_l2: Strength of the penalty `cross_l2 / 2 * ||w||^2` on the weights of the cross layers.
        embedding_dropout: Share of embedding entries dropped in training.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        deep_units: Hidden widths of the MLP.
        deep_dropout: Share of the MLP's hidden outputs dropped in training.
        deep_batch_norm: Whether the MLP uses batch normalization.
        deep_batch_norm_momentum: Momentum of its moving mean and variance: the share that a step keeps.
        deep_l2: Strength of the penalty `deep_l2 / 2 * ||kernel||^2` on the MLP's hidden kernels.
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
        deep_units: Sequence[int] = (400, 400),
        deep_dropout: float = 0.0,
        deep_batch_norm: bool = False,
        deep_batch_norm_momentum: float = 0.9,
        deep_l2: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        refuse_idle_hidden(DCN, locals())
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        states = flat = keras.layers.Flatten(dtype=dtype, name="flat_embedding")(embedded)
        for number in range(1, num_layers + 1):
            states = CrossV1(l2=cross_l2, dtype=dtype, name=f"cross_{number}")(flat, states)
        hidden = MLP(
            deep_units,
            dropout=deep_dropout,
            batch_norm=deep_batch_norm,
            batch_norm_momentum=deep_batch_norm_momentum,
            l2=deep_l2,
            dtype=dtype,
            name="deep",
        )(flat)
        logit = keras.layers.Dense(1, dtype=dtype, name="output")(
            keras.layers.Concatenate(dtype=dtype, name="states")([states, hidden])
        )
        super().__init__(schema, features, logit, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.num_layers, self.cross_l2 = embedding_dim, num_layers, cross_l2
        self.embedding_dropout, self.embedding_l2 = embedding_dropout, embedding_l2
        self.deep_units, self.deep_dropout = tuple(deep_units), deep_dropout
        self.deep_batch_norm, self.deep_batch_norm_momentum = deep_batch_norm, deep_batch_norm_momentum
        self.deep_l2 = deep_l2

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "num_layers": self.num_layers,
            "cross_l2": self.cross_l2,
            "embedding_dropout": self.embedding_dropout,
            "embedding_l2": self.embedding_l2,
            "deep_units": self.deep_units,
            "deep_dropout": self.deep_dropout,
            "deep_batch_norm": self.deep_batch_norm,
            "deep_batch_norm_momentum": self.deep_batch_norm_momentum,
            "deep_l2": self.deep_l2,
        }
