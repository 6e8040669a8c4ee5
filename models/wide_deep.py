"""Wide & Deep."""

from collections.abc import Sequence
from typing import Any

import keras

from ctrzoo.idle import refuse_idle_hidden
from ctrzoo.layers import FieldEmbedding, HashedPairs, LinearLogit
from ctrzoo.model import CTRModel, deep_logit, feature_inputs, features_of
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class WideDeep(CTRModel):
    """Wide & Deep: a linear model and an MLP on embeddings, trained jointly on the sum of their logits.

    Fields of the schema that are crosses (`Field.cross`) are cross-product features, so only the wide part has them.
    The paper trains the wide part with FTRL and an L1 penalty, and the deep part with AdaGrad.
    Source: Cheng et al., DLRS 2016, equation 3, https://arxiv.org/abs/1606.07792.
    Cost: O(n d h) per row, for a first hidden layer of h, and the rest of the MLP.
    Explanations: `fields`, each field's contribution to the wide part of the logit; with `crosses` also `pairs`,
        each cross's contribution.

    Args:
        schema: The `Schema`.
        embedding_dim: Size of an embedding vector.
        crosses: Pairs of field names whose cross-product features join the wide part too, such as
            `(("user", "item"),)`, without a place in the schema. Model comparisons leave them out.
        num_buckets: Rows in the hash table of the crosses' weights.
        deep_units: Widths of the hidden layers; `()` for only the wide model.
        deep_dropout: Share of hidden outputs dropped in training.
        deep_batch_norm: Whether to batch-normalize the hidden layers.
        deep_batch_norm_momentum: Momentum of its moving mean and variance: the share that a step keeps.
        deep_l2: Strength of the penalty `deep_l2 / 2 * ||kernel||^2` on the hidden kernels.
        linear_l2: Strength of the penalty `linear_l2 / 2 * ||w||^2` on the wide part's weights.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        embedding_dropout: Share of embedding entries dropped in training.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If a cross does not join two different fields.
    """

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int = 16,
        crosses: Sequence[Sequence[str]] = (),
        num_buckets: int = 2**20,
        deep_units: Sequence[int] = (400, 400),
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
        refuse_idle_hidden(WideDeep, locals())
        features = feature_inputs(schema)
        plain = [field.name for field in schema.fields if not field.cross]
        deep_schema, deep_features = features_of(schema, features, plain)
        embedded = FieldEmbedding(deep_schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(
            deep_features
        )
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        # The MLP's output layer has a bias; one is enough.
        logit, terms = LinearLogit(
            schema, use_bias=not deep_units, l2=linear_l2, return_explanations=True, dtype=dtype, name="linear"
        )(features)
        explanations = {"fields": terms}
        if crosses:
            crossed, pairs = HashedPairs(
                schema, num_buckets, crosses, l2=linear_l2, return_explanations=True, dtype=dtype, name="crosses"
            )(features)
            logit, explanations = logit + crossed, {**explanations, "pairs": pairs}
        logit += deep_logit(
            embedded, deep_units, deep_dropout, deep_batch_norm, deep_l2, deep_batch_norm_momentum, dtype
        )
        super().__init__(schema, features, logit, explanations, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.num_buckets = embedding_dim, num_buckets
        self.crosses = tuple(tuple(pair) for pair in crosses)
        self.deep_units, self.deep_dropout = tuple(deep_units), deep_dropout
        self.deep_batch_norm, self.deep_batch_norm_momentum = deep_batch_norm, deep_batch_norm_momentum
        self.deep_l2 = deep_l2
        self.linear_l2, self.embedding_l2, self.embedding_dropout = linear_l2, embedding_l2, embedding_dropout

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "crosses": self.crosses,
            "num_buckets": self.num_buckets,
            "deep_units": self.deep_units,
            "deep_dropout": self.deep_dropout,
            "deep_batch_norm": self.deep_batch_norm,
            "deep_batch_norm_momentum": self.deep_batch_norm_momentum,
            "deep_l2": self.deep_l2,
            "linear_l2": self.linear_l2,
            "embedding_l2": self.embedding_l2,
            "embedding_dropout": self.embedding_dropout,
        }
