"""HoAFM: high-order attentive factorization machine."""

from collections.abc import Sequence
from typing import Any

import keras

from ctrzoo.idle import refuse_idle_hidden
from ctrzoo.layers import FieldEmbedding, HighOrderCross, LinearLogit
from ctrzoo.model import CTRModel, check_formulation, deep_logit, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class HoAFM(CTRModel):
    """HoAFM: a linear part and cross layers; the bit-wise weights over the other fields are parameters.

    The last order is a product of `num_layers + 1` embeddings, which start small. The reference formulation uses only
    this order, so its training starts on a plateau that lengthens with the number of layers. The paper formulation
    avoids the plateau through its linear part and lower orders.
    Source: Tao et al., 2020, https://www.sciencedirect.com/science/article/pii/S0306457319302389.
    Cost: O(L n^2 d) per row, for L layers.
    Explanations: `pairs`, each pair's contribution to the logit, over all orders that reach it; `weights`, the
        weight of each field for each other field in each layer (rows sum to 1; the same for every row of data); in
        the paper formulation also `fields`, each field's contribution to the linear part of the logit.

    Args:
        schema: The `Schema`, of at least two fields.
        formulation: `"reference"` is the code released with GraphCTR: only the last order reaches the logit, without
            a linear part. `"paper"` sums all orders and a linear part. It omits its authors' batch normalization of
            each order's sum, because pairs would no longer add up to the logit.
        embedding_dim: Size of an embedding vector.
        num_layers: Cross layers; layer k adds interactions of order k + 1.
        negative_slope: Negative slope of the leaky ReLU between layers.
        cross_dropout: Share of the layers' states and of each order's sum dropped in training.
        linear_l2: In the paper formulation, strength of the penalty `linear_l2 / 2 * ||w||^2` on the linear weights.
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
        ValueError: If the formulation is unknown, `num_layers` is below 1, or the schema has only one field.
    """

    def __init__(
        self,
        schema: Schema,
        formulation: str = "reference",
        embedding_dim: int = 16,
        num_layers: int = 3,
        negative_slope: float = 0.2,
        cross_dropout: float = 0.0,
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
        refuse_idle_hidden(HoAFM, locals())
        check_formulation(formulation)
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        logit, pairs, weights = HighOrderCross(
            num_layers,
            formulation == "paper",
            negative_slope,
            cross_dropout,
            return_explanations=True,
            dtype=dtype,
            name="cross",
        )(embedded)
        explanations = {"pairs": pairs, "weights": weights}
        if formulation == "paper":
            linear, explanations["fields"] = LinearLogit(
                schema, l2=linear_l2, return_explanations=True, dtype=dtype, name="linear"
            )(features)
            logit += linear
        logit += deep_logit(
            embedded, deep_units, deep_dropout, deep_batch_norm, deep_l2, deep_batch_norm_momentum, dtype
        )
        super().__init__(schema, features, logit, explanations, task=task, dtype=dtype, **kwargs)
        self.formulation, self.embedding_dim, self.num_layers = formulation, embedding_dim, num_layers
        self.negative_slope, self.cross_dropout, self.linear_l2 = negative_slope, cross_dropout, linear_l2
        self.embedding_dropout, self.embedding_l2 = embedding_dropout, embedding_l2
        self.deep_units, self.deep_dropout = tuple(deep_units), deep_dropout
        self.deep_batch_norm, self.deep_batch_norm_momentum = deep_batch_norm, deep_batch_norm_momentum
        self.deep_l2 = deep_l2

    @property
    def pairs_add_up(self) -> bool:
        return False

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "formulation": self.formulation,
            "embedding_dim": self.embedding_dim,
            "num_layers": self.num_layers,
            "negative_slope": self.negative_slope,
            "cross_dropout": self.cross_dropout,
            "linear_l2": self.linear_l2,
            "embedding_dropout": self.embedding_dropout,
            "embedding_l2": self.embedding_l2,
            "deep_units": self.deep_units,
            "deep_dropout": self.deep_dropout,
            "deep_batch_norm": self.deep_batch_norm,
            "deep_batch_norm_momentum": self.deep_batch_norm_momentum,
            "deep_l2": self.deep_l2,
        }
