"""Factorization-machine supported neural network."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ctrzoo.idle import refuse_idle_hidden
from ctrzoo.layers import FieldEmbedding
from ctrzoo.model import CTRModel, deep_logit, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType

from .fm import FM


@keras.saving.register_keras_serializable("ctrzoo")
class FNN(CTRModel):
    """MLP on the linear weight and vector of each field; `load_fm` copies them from a trained FM.

    A field enters as `(w, v_1, ..., v_d)` times its value, from one table of width `1 + embedding_dim`. The paper also
    feeds the FM's bias, which is constant; here the first hidden layer's bias replaces it.
    Source: Zhang, Du, Wang, ECIR 2016, equations 1 to 5, https://arxiv.org/abs/1601.02376.
    Cost: O(n d h) per row, for a first hidden layer of h, and the rest of the MLP.
    Explanations: none.

    Args:
        schema: The `Schema`.
        embedding_dim: Size of an embedding vector, without the linear weight.
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
        refuse_idle_hidden(FNN, locals())
        if not deep_units:
            raise ValueError("`deep_units` must name at least one hidden layer. Received: none.")
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, 1 + embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
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

    def load_fm(self, fm: FM) -> None:
        """Copy the linear weights and vectors of a trained FM as the starting point of the embeddings.

        Args:
            fm: An `FM` of the same schema and `embedding_dim`.

        Raises:
            ValueError: If `fm` is not an FM, or the schemas or embedding sizes differ.
        """
        if not isinstance(fm, FM):
            raise ValueError(f"The model to load must be an FM. Received: {type(fm).__name__}.")
        differences = self.schema.differences(fm.schema)
        if differences:
            raise ValueError(f"The FM must have this model's schema. They differ: {'; '.join(differences)}.")
        if fm.embedding_dim != self.embedding_dim:
            raise ValueError(
                f"The FM must have vectors of this model's size, {self.embedding_dim}. Received: {fm.embedding_dim}."
            )
        linear = fm.get_layer("linear").weights_of_ids.table
        table = fm.get_layer("embedding").table
        self.get_layer("embedding").table.assign(ops.concatenate([linear, table], axis=-1))
