"""FiBiNET: feature importance and bilinear interaction."""

from collections.abc import Sequence
from typing import Any

import keras

from ctrzoo.idle import refuse_idle_hidden
from ctrzoo.layers import MLP, BilinearInteraction, FieldEmbedding, LinearLogit, SqueezeExcitation
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class FiBiNET(CTRModel):
    """FiBiNET: an MLP on bilinear products of all pairs, once of the embeddings and once of weighted embeddings.

    FuxiCTR draws tables from N(0, 0.0001^2); here they come from N(0, 0.01^2), and linear weights start at 0.
    Source: Huang, Zhang, Zhang, RecSys 2019, SENET and bilinear-interaction layers, https://arxiv.org/abs/1905.09433.
    Cost: O(n^2 d h) per row, for a first hidden layer of h; O(n^2 d^2) more for matrices of each pair.
    Explanations: `fields`, each field's own contribution to the logit (its linear term); `importances`, the number
        by which squeeze and excitation multiplies each field's embedding.

    Args:
        schema: The `Schema`, with at least two fields.
        embedding_dim: Size of an embedding vector.
        bilinear: Which pairs share a matrix: `"all"`, those of `"each"` left field, or none (`"interaction"`).
        reduction_ratio: Number of fields divided by the hidden size of squeeze and excitation.
        excitation: Activation of the importances, such as `"relu"` or `"sigmoid"`.
        excitation_l2: Strength of the penalty `excitation_l2 / 2 * ||W||^2` on the kernels of squeeze and excitation.
        bilinear_l2: Strength of the penalty `bilinear_l2 / 2 * ||W||^2` on the bilinear matrices.
        deep_units: Hidden widths of the MLP; `()` makes it a linear function.
        deep_dropout: Share of the MLP's hidden outputs dropped in training.
        deep_batch_norm: Whether the MLP uses batch normalization.
        deep_batch_norm_momentum: Momentum of its moving mean and variance: the share that a step keeps.
        deep_l2: Strength of the penalty `deep_l2 / 2 * ||kernel||^2` on the MLP's hidden kernels.
        linear_l2: Strength of the penalty `linear_l2 / 2 * ||w||^2` on the linear weights.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        embedding_dropout: Share of embedding entries dropped in training.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If `bilinear` or `excitation` is unknown, the ratio is not positive, or there is only one field.
    """

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int = 16,
        bilinear: str = "interaction",
        reduction_ratio: float = 3.0,
        excitation: str = "relu",
        excitation_l2: float = 0.0,
        bilinear_l2: float = 0.0,
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
        refuse_idle_hidden(FiBiNET, locals())
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        # The MLP's output layer has a bias; one is enough.
        linear, terms = LinearLogit(
            schema, use_bias=False, l2=linear_l2, return_explanations=True, dtype=dtype, name="linear"
        )(features)
        weighted, importances = SqueezeExcitation(
            reduction_ratio, excitation, l2=excitation_l2, return_explanations=True, dtype=dtype, name="excitation"
        )(embedded)
        products = [
            BilinearInteraction(bilinear, l2=bilinear_l2, dtype=dtype, name=name)(vectors)
            for name, vectors in (("bilinear", embedded), ("weighted_bilinear", weighted))
        ]
        products = keras.layers.Concatenate(axis=1, dtype=dtype, name="products")(products)
        deep = MLP(
            deep_units,
            output_dim=1,
            dropout=deep_dropout,
            batch_norm=deep_batch_norm,
            batch_norm_momentum=deep_batch_norm_momentum,
            l2=deep_l2,
            dtype=dtype,
            name="deep",
        )(keras.layers.Flatten(dtype=dtype, name="flat_products")(products))
        explanations = {"fields": terms, "importances": importances}
        super().__init__(schema, features, linear + deep, explanations, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.bilinear, self.bilinear_l2 = embedding_dim, bilinear, bilinear_l2
        self.reduction_ratio, self.excitation, self.excitation_l2 = reduction_ratio, excitation, excitation_l2
        self.deep_units, self.deep_dropout = tuple(deep_units), deep_dropout
        self.deep_batch_norm, self.deep_batch_norm_momentum = deep_batch_norm, deep_batch_norm_momentum
        self.deep_l2 = deep_l2
        self.linear_l2, self.embedding_l2, self.embedding_dropout = linear_l2, embedding_l2, embedding_dropout

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "bilinear": self.bilinear,
            "reduction_ratio": self.reduction_ratio,
            "excitation": self.excitation,
            "excitation_l2": self.excitation_l2,
            "bilinear_l2": self.bilinear_l2,
            "deep_units": self.deep_units,
            "deep_dropout": self.deep_dropout,
            "deep_batch_norm": self.deep_batch_norm,
            "deep_batch_norm_momentum": self.deep_batch_norm_momentum,
            "deep_l2": self.deep_l2,
            "linear_l2": self.linear_l2,
            "embedding_l2": self.embedding_l2,
            "embedding_dropout": self.embedding_dropout,
        }
