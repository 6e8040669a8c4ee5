"""InterHAt: interpretable prediction with hierarchical attention."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ctrzoo.idle import refuse_idle_hidden
from ctrzoo.layers import (
    MLP,
    REFERENCE_ATTENTION,
    AttentionPooling,
    FieldAttention,
    FieldEmbedding,
    ProductAttention,
    TransformerBlock,
)
from ctrzoo.layers.numerics import sizes
from ctrzoo.model import CTRModel, check_formulation, deep_logit, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class InterHAt(CTRModel):
    """InterHAt: each order is the product of the first states with an attentional summary of the order before.

    In the paper, `u_k` pools the fields of order k, `x_(k+1) = u_k * x_1 + x_k`, and the prediction is an MLP of
    an attentional sum of `u_1, u_2, ...`. The released code is a different network: see `formulation`.
    Source: Li et al., WSDM 2020, https://doi.org/10.1145/3336191.3371785.
    Cost: O(n^2 d + K n d a) per row, for K orders, and scores from hidden layers of size a; the reference
        O(K n^2 d a).
    Explanations: `attention`, the self-attention of each head; `order_k` for order k: in the paper formulation the
        attention over fields, in the reference formulation each field's attention over its products with the others;
        in the paper formulation also `orders`, the attention over orders.

    Args:
        schema: The `Schema`.
        formulation: `"reference"` is the code released with GraphCTR: AutoInt's layer; then, for each order, every
            field attends over its own products with all fields; then a linear function of the last states.
            `"paper"`: a transformer block, a summary for each order, attention over orders.
        embedding_dim: Size of an embedding vector.
        units: Size of all attention heads together; also the size of a state, in the reference formulation.
        num_heads: Number of self-attention heads.
        num_orders: Number of orders.
        attention_units: Hidden size of the attention scores of an order, or one size per order: the original's
            `block_shape`.
        use_residual: Whether the reference formulation's self-attention adds a linear function of its input.
        feed_forward_units: Hidden size of the transformer block, in the paper formulation.
        output_units: Hidden widths of the last MLP, in the paper formulation.
        attention_dropout: Share of attention weights dropped in training.
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
        ValueError: If the formulation is unknown, `units` is not a multiple of `num_heads`, or `num_orders` is below 1.
    """

    def __init__(
        self,
        schema: Schema,
        formulation: str = "reference",
        embedding_dim: int = 16,
        units: int = 64,
        num_heads: int = 2,
        num_orders: int = 3,
        attention_units: int | Sequence[int] = 64,
        use_residual: bool = True,
        feed_forward_units: int = 64,
        output_units: Sequence[int] = (8,),
        attention_dropout: float = 0.0,
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
        refuse_idle_hidden(InterHAt, locals())
        check_formulation(formulation)
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        if num_orders < 1:
            raise ValueError(f"`num_orders` must be at least 1. Received: {num_orders}.")
        explanations, numbers = {}, range(1, num_orders + 1)
        hidden = sizes("attention_units", attention_units, num_orders)
        if formulation == "reference":
            first, explanations["attention"] = FieldAttention(
                units,
                num_heads,
                use_residual=use_residual,
                attention_dropout=attention_dropout,
                return_explanations=True,
                dtype=dtype,
                name="attention",
                **REFERENCE_ATTENTION,
            )(embedded)
            states = first
            for number, width in zip(numbers, hidden, strict=True):
                order = ProductAttention(
                    width, attention_dropout, return_explanations=True, dtype=dtype, name=f"order_{number}"
                )
                states, explanations[f"order_{number}"] = order(states, first)
            logit = keras.layers.Dense(1, dtype=dtype, name="output")(
                keras.layers.Flatten(dtype=dtype, name="flat_states")(states)
            )
        else:
            first, explanations["attention"] = TransformerBlock(
                units,
                num_heads,
                feed_forward_units,
                attention_dropout,
                return_explanations=True,
                dtype=dtype,
                name="transformer",
            )(embedded)
            states, summaries = first, []
            for number, width in zip(numbers, hidden, strict=True):
                pooling = AttentionPooling(width, return_explanations=True, dtype=dtype, name=f"order_{number}")
                summary, explanations[f"order_{number}"] = pooling(states)
                summaries.append(summary)
                states = ops.expand_dims(summary, 1) * first + states
            pooling = AttentionPooling(hidden[-1], return_explanations=True, dtype=dtype, name="orders")
            summary, explanations["orders"] = pooling(ops.stack(summaries, axis=1))
            logit = MLP(output_units, output_dim=1, dtype=dtype, name="output")(summary)
        logit += deep_logit(
            embedded, deep_units, deep_dropout, deep_batch_norm, deep_l2, deep_batch_norm_momentum, dtype
        )
        super().__init__(schema, features, logit, explanations, task=task, dtype=dtype, **kwargs)
        self.formulation, self.embedding_dim, self.units = formulation, embedding_dim, units
        self.num_heads, self.num_orders = num_heads, num_orders
        self.attention_units = attention_units if isinstance(attention_units, int) else hidden
        self.use_residual, self.feed_forward_units = use_residual, feed_forward_units
        self.output_units, self.attention_dropout = tuple(output_units), attention_dropout
        self.embedding_dropout, self.embedding_l2 = embedding_dropout, embedding_l2
        self.deep_units, self.deep_dropout = tuple(deep_units), deep_dropout
        self.deep_batch_norm, self.deep_batch_norm_momentum = deep_batch_norm, deep_batch_norm_momentum
        self.deep_l2 = deep_l2

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "formulation": self.formulation,
            "embedding_dim": self.embedding_dim,
            "units": self.units,
            "num_heads": self.num_heads,
            "num_orders": self.num_orders,
            "attention_units": self.attention_units,
            "use_residual": self.use_residual,
            "feed_forward_units": self.feed_forward_units,
            "output_units": self.output_units,
            "attention_dropout": self.attention_dropout,
            "embedding_dropout": self.embedding_dropout,
            "embedding_l2": self.embedding_l2,
            "deep_units": self.deep_units,
            "deep_dropout": self.deep_dropout,
            "deep_batch_norm": self.deep_batch_norm,
            "deep_batch_norm_momentum": self.deep_batch_norm_momentum,
            "deep_l2": self.deep_l2,
        }
