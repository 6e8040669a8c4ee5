"""xDeepFM: a compressed interaction network, a linear part and an MLP."""

from collections.abc import Sequence
from typing import Any

import keras

from ctrzoo.idle import refuse_idle_hidden
from ctrzoo.layers import CompressedInteraction, FieldEmbedding, LinearLogit
from ctrzoo.model import CTRModel, deep_logit, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class XDeepFM(CTRModel):
    """xDeepFM: the sum of a compressed interaction network, a linear part and an MLP on the same embeddings.

    Source: Lian et al., 2018, equation 9, https://arxiv.org/abs/1803.05170.
    Cost: O(L n H^2 d) per row, for L layers of H maps, and the MLP.
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
        deep_units: Hidden widths of the MLP.
        deep_dropout: Share of the MLP's hidden outputs dropped in training.
        deep_batch_norm: Whether the MLP uses batch normalization.
        deep_batch_norm_momentum: Momentum of its moving mean and variance: the share that a step keeps.
        deep_l2: Strength of the penalty `deep_l2 / 2 * ||kernel||^2` on the MLP's hidden kernels.
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
        deep_units: Sequence[int] = (400, 400),
        deep_dropout: float = 0.0,
        deep_batch_norm: bool = False,
        deep_batch_norm_momentum: float = 0.9,
        deep_l2: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        refuse_idle_hidden(XDeepFM, locals())
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
        logit += deep_logit(
            embedded, deep_units, deep_dropout, deep_batch_norm, deep_l2, deep_batch_norm_momentum, dtype
        )
        super().__init__(schema, features, logit, {"fields": terms}, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.units, self.split_half, self.activation = (
            embedding_dim,
            tuple(units),
            split_half,
            activation,
        )
        self.interaction_l2, self.linear_l2 = interaction_l2, linear_l2
        self.embedding_dropout, self.embedding_l2 = embedding_dropout, embedding_l2
        self.deep_units, self.deep_dropout = tuple(deep_units), deep_dropout
        self.deep_batch_norm, self.deep_batch_norm_momentum = deep_batch_norm, deep_batch_norm_momentum
        self.deep_l2 = deep_l2

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
            "deep_units": self.deep_units,
            "deep_dropout": self.deep_dropout,
            "deep_batch_norm": self.deep_batch_norm,
            "deep_batch_norm_momentum": self.deep_batch_norm_momentum,
            "deep_l2": self.deep_l2,
        }
