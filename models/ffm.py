"""Field-aware factorization machine."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from ctrzoo.layers import FieldAwareInteraction, FieldEmbedding, LinearLogit
from ctrzoo.layers.embedding import shares_of_events
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class FFM(CTRModel):
    """Field-aware factorization machine: each feature has one vector for every other field.

    The authors' libffm corresponds to `normalize=True, use_linear=False`; it trains with AdaGrad and draws initial
    vectors from U(0, 1/sqrt(embedding_dim)). Here they come from N(0, 0.01^2). The model overfits early, so stop
    training by a validation loss.
    Source: Juan et al., RecSys 2016, section 3, https://doi.org/10.1145/2959100.2959134.
    Cost: O(n^2 d) per row; the table has n d numbers per feature.
    Explanations: `fields`, each field's own contribution to the logit (with `use_linear`: its linear term); `pairs`,
        each pair's contribution to the logit.

    Args:
        schema: The `Schema`.
        embedding_dim: Size of each of a feature's vectors; much smaller than in an FM.
        normalize: Whether to divide the pair term by the sum of the squared values of the row.
        use_linear: Whether to add a linear part with a bias.
        linear_l2: Strength of the penalty `linear_l2 / 2 * ||w||^2` on the linear weights.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        embedding_dropout: Share of embedding entries dropped in training.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.
    """

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int = 4,
        normalize: bool = False,
        use_linear: bool = True,
        linear_l2: float = 0.0,
        embedding_l2: float = 0.0,
        embedding_dropout: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        features = feature_inputs(schema)
        width = schema.num_fields * embedding_dim
        embedded = FieldEmbedding(schema, width, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        logit, pairs = FieldAwareInteraction(return_explanations=True, dtype=dtype, name="field_aware")(embedded)
        if normalize:
            values = ops.cast(features["values"], keras.backend.result_type(logit.dtype, "float32"))
            values = shares_of_events(values, schema)
            scale = ops.divide_no_nan(1.0, ops.sum(ops.square(values), axis=-1, keepdims=True))
            logit, pairs = logit * scale, pairs * ops.expand_dims(scale, axis=-1)
        explanations = {"pairs": pairs}
        if use_linear:
            linear, terms = LinearLogit(schema, l2=linear_l2, return_explanations=True, dtype=dtype, name="linear")(
                features
            )
            logit, explanations = linear + logit, {"fields": terms, **explanations}
        super().__init__(schema, features, logit, explanations, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.normalize, self.use_linear = embedding_dim, normalize, use_linear
        self.linear_l2, self.embedding_l2, self.embedding_dropout = linear_l2, embedding_l2, embedding_dropout

    @property
    def pair_terms(self) -> Mapping[str, str] | None:
        return None if self.normalize else {"embedding": "field_aware"}

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "normalize": self.normalize,
            "use_linear": self.use_linear,
            "linear_l2": self.linear_l2,
            "embedding_l2": self.embedding_l2,
            "embedding_dropout": self.embedding_dropout,
        }
