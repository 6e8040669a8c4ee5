"""Product-based neural network."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ctrzoo.idle import refuse_idle
from ctrzoo.layers import (
    MLP,
    FactorizedInnerProducts,
    FactorizedOuterProducts,
    FieldEmbedding,
    InnerProducts,
    OuterProducts,
)
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType

PAIR_PRODUCTS = {"inner": InnerProducts, "outer": OuterProducts}
FACTORIZED_PRODUCTS = {"factorized_inner": FactorizedInnerProducts, "factorized_outer": FactorizedOuterProducts}


@keras.saving.register_keras_serializable("ctrzoo")
class PNN(CTRModel):
    """Product-based neural network: products of pairs of fields join the embeddings in the first hidden layer.

    That layer is `relu(linear signal + product signal + bias)`; the variants differ in the product signal.
    Source: Qu et al., ICDM 2016, sections III-B and III-C, https://arxiv.org/abs/1611.00144; `"outer"` with
        one matrix per pair: Qu et al., TOIS 2018, https://arxiv.org/abs/1807.00311.
    Cost: O((n d + n^2) h + n^2 d) per row for `"inner"` and a first hidden layer of h; `"outer"` O(n^2 d^2) more,
        `"factorized_inner"` O(n d h), `"factorized_outer"` O((n d + d^2) h).
    Explanations: none.

    Args:
        schema: The `Schema`.
        variant: `"inner"` feeds the inner product of each pair i < j (IPNN as in the authors' code);
            `"outer"` feeds `e_i^T K_ij e_j`, with a matrix for each pair; `"factorized_inner"` and
            `"factorized_outer"` are the ICDM paper's approximations by rank 1 and by superposition.
        embedding_dim: Size of an embedding vector.
        deep_units: Widths of the hidden layers, at least one.
        deep_dropout: Share of hidden outputs dropped in training.
        deep_batch_norm: Whether to batch-normalize the hidden layers.
        deep_batch_norm_momentum: Momentum of its moving mean and variance: the share that a step keeps.
        deep_l2: Strength of the penalty `deep_l2 / 2 * ||kernel||^2` on the kernels of the hidden layers and of the
            factorized products. It does not apply to the matrices `K_ij` of `"outer"`.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        embedding_dropout: Share of embedding entries dropped in training.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If the variant is unknown, `deep_units` is empty, or a variant with pairs gets only one field.
    """

    def __init__(
        self,
        schema: Schema,
        variant: str = "inner",
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
        if not deep_batch_norm:
            momentum = ["deep_batch_norm_momentum"]
            refuse_idle(PNN, locals(), momentum, "without batch normalization", "set deep_batch_norm=True")
        known = (*PAIR_PRODUCTS, *FACTORIZED_PRODUCTS)
        if variant not in known:
            raise ValueError(f"The variant must be one of {', '.join(known)}. Received: {variant!r}.")
        if not deep_units:
            raise ValueError("`deep_units` must name at least one hidden layer. Received: none.")
        if variant in PAIR_PRODUCTS and schema.num_fields < 2:
            raise ValueError(f"Variant '{variant}' needs at least two fields. Received: one; try 'factorized_inner'.")
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        flat = keras.layers.Flatten(dtype=dtype, name="flat_embedding")(embedded)
        width, regularizer = deep_units[0], keras.regularizers.L2(deep_l2 / 2) if deep_l2 else None
        if variant in PAIR_PRODUCTS:
            products = PAIR_PRODUCTS[variant](dtype=dtype, name="products")(embedded)
            joined = keras.layers.Concatenate(dtype=dtype, name="signals")([flat, products])
            hidden = keras.layers.Dense(width, kernel_regularizer=regularizer, dtype=dtype, name="signal")(joined)
        else:
            linear = keras.layers.Dense(width, kernel_regularizer=regularizer, dtype=dtype, name="signal")(flat)
            hidden = linear + FACTORIZED_PRODUCTS[variant](width, l2=deep_l2, dtype=dtype, name="products")(embedded)
        if deep_batch_norm:
            hidden = keras.layers.BatchNormalization(
                momentum=deep_batch_norm_momentum, dtype=dtype, name="signal_batch_norm"
            )(hidden)
        hidden = keras.layers.Dropout(deep_dropout, dtype=dtype, name="signal_dropout")(ops.relu(hidden))
        deep = {
            "dropout": deep_dropout,
            "batch_norm": deep_batch_norm,
            "batch_norm_momentum": deep_batch_norm_momentum,
            "l2": deep_l2,
        }
        logit = MLP(deep_units[1:], output_dim=1, dtype=dtype, name="deep", **deep)(hidden)
        super().__init__(schema, features, logit, task=task, dtype=dtype, **kwargs)
        self.variant, self.embedding_dim = variant, embedding_dim
        self.deep_units, self.deep_dropout = tuple(deep_units), deep_dropout
        self.deep_batch_norm, self.deep_batch_norm_momentum = deep_batch_norm, deep_batch_norm_momentum
        self.deep_l2 = deep_l2
        self.embedding_l2, self.embedding_dropout = embedding_l2, embedding_dropout

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "variant": self.variant,
            "embedding_dim": self.embedding_dim,
            "deep_units": self.deep_units,
            "deep_dropout": self.deep_dropout,
            "deep_batch_norm": self.deep_batch_norm,
            "deep_batch_norm_momentum": self.deep_batch_norm_momentum,
            "deep_l2": self.deep_l2,
            "embedding_l2": self.embedding_l2,
            "embedding_dropout": self.embedding_dropout,
        }
