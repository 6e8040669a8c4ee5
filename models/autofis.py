"""AutoFIS: automatic selection of a factorization machine's pairs."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from ctrzoo.idle import refuse_idle_hidden
from ctrzoo.layers import FieldEmbedding, GatedPairs, LinearLogit
from ctrzoo.model import CTRModel, deep_logit, feature_inputs
from ctrzoo.optimizers import GRDA, CompositeOptimizer
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class AutoFIS(CTRModel):
    """AutoFIS: a factorization machine with a gate on each pair, trained in two stages.

    First, a search trains all pairs with an optimizer that drives gates to exactly zero. Then any optimizer trains a
    new model of the surviving pairs, gates included:

        search = AutoFIS(schema)
        search.compile(search.search_optimizer("adam"), search.default_loss)
        search.fit(...)
        model = AutoFIS(schema, pairs=search.surviving_pairs())

    With `deep_units` it is AutoDeepFM. Interactions of three fields are left out.
    Source: Liu et al., 2020, section 3, https://arxiv.org/abs/2003.11235.
    Cost: O(n^2 d) per row.
    Explanations: `fields`, each field's own contribution to the logit (its linear term); `pairs`, each pair's
        contribution to the logit; `gates`, the gate of each pair (the same for all rows, zero for pairs that were not
        kept).

    Args:
        schema: The `Schema`.
        embedding_dim: Size of an embedding vector.
        pairs: The pairs of field indices to keep; `None` keeps all, as in the search.
        batch_norm: Whether each pair's product is normalized over the batch, so that gates are comparable.
        batch_norm_momentum: Momentum of its moving mean and variance: the share that a step keeps.
        linear_l2: Strength of the penalty `linear_l2 / 2 * ||w||^2` on the linear weights.
        embedding_dropout: Share of embedding entries dropped in training.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        deep_units: Hidden widths of an MLP trained jointly on the same embeddings; `()` for none.
        deep_dropout: Share of the MLP's hidden outputs dropped in training.
        deep_batch_norm: Whether the MLP uses batch normalization.
        deep_batch_norm_momentum: Momentum of its moving mean and variance: the share that a step keeps.
        deep_l2: Strength of the penalty `deep_l2 / 2 * ||kernel||^2` on the MLP's hidden kernels.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If the model has no pairs, or `pairs` lists a pair that does not exist or lists one twice.
    """

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int = 16,
        pairs: Sequence[tuple[int, int]] | None = None,
        batch_norm: bool = True,
        batch_norm_momentum: float = 0.9,
        linear_l2: float = 0.0,
        embedding_dropout: float = 0.0,
        embedding_l2: float = 0.0,
        deep_units: Sequence[int] = (),
        deep_dropout: float = 0.0,
        deep_batch_norm: bool = False,
        deep_batch_norm_momentum: float = 0.9,
        deep_l2: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        refuse_idle_hidden(AutoFIS, locals())
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        linear, terms = LinearLogit(schema, l2=linear_l2, return_explanations=True, dtype=dtype, name="linear")(
            features
        )
        layer = GatedPairs(
            pairs, batch_norm, batch_norm_momentum, return_explanations=True, dtype=dtype, name="gated_pairs"
        )
        pair_term, pair_terms, gates = layer(embedded)
        logit = (
            linear
            + pair_term
            + deep_logit(embedded, deep_units, deep_dropout, deep_batch_norm, deep_l2, deep_batch_norm_momentum, dtype)
        )
        explanations = {"fields": terms, "pairs": pair_terms, "gates": gates}
        super().__init__(schema, features, logit, explanations, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.pairs, self.batch_norm = embedding_dim, layer.pairs, batch_norm
        self.batch_norm_momentum = batch_norm_momentum
        self.linear_l2, self.embedding_dropout, self.embedding_l2 = linear_l2, embedding_dropout, embedding_l2
        self.deep_units, self.deep_dropout = tuple(deep_units), deep_dropout
        self.deep_batch_norm, self.deep_batch_norm_momentum = deep_batch_norm, deep_batch_norm_momentum
        self.deep_l2 = deep_l2

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "pairs": self.pairs,
            "batch_norm": self.batch_norm,
            "batch_norm_momentum": self.batch_norm_momentum,
            "linear_l2": self.linear_l2,
            "embedding_dropout": self.embedding_dropout,
            "embedding_l2": self.embedding_l2,
            "deep_units": self.deep_units,
            "deep_dropout": self.deep_dropout,
            "deep_batch_norm": self.deep_batch_norm,
            "deep_batch_norm_momentum": self.deep_batch_norm_momentum,
            "deep_l2": self.deep_l2,
        }

    @staticmethod
    def search_optimizer(
        default: str = "adam", learning_rate: float = 1.0, c: float = 0.005, mu: float = 0.6
    ) -> CompositeOptimizer:
        """Return the search optimizer: GRDA for the gates, `default` for all other weights.

        Args:
            default: A Keras optimizer or its name.
            learning_rate: Learning rate of GRDA. This default and the next two come from the authors' code for Avazu.
            c: Size of GRDA's threshold; larger values leave fewer pairs.
            mu: How fast GRDA's threshold grows with the number of steps.
        """
        return CompositeOptimizer(default, GRDA(learning_rate, c, mu), pattern="gated_pairs/gates$")

    def surviving_pairs(self) -> tuple[tuple[int, int], ...]:
        """Return the pairs of field indices whose gate is not zero."""
        layer = self.get_layer("gated_pairs")
        gates = np.asarray(keras.ops.convert_to_numpy(layer.gates))
        return tuple(pair for pair, gate in zip(layer.kept, gates, strict=True) if gate != 0)
