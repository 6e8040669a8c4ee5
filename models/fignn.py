"""Fi-GNN: feature interaction graph neural network."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ctrzoo.idle import refuse_idle_hidden
from ctrzoo.layers import MLP, REFERENCE_ATTENTION, FieldAttention, FieldEmbedding, FieldGraph
from ctrzoo.model import CTRModel, check_formulation, deep_logit, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class FiGNN(CTRModel):
    """Fi-GNN: self-attention, then gated message passing on the complete graph of fields.

    Source: Li et al., 2019, https://arxiv.org/abs/1910.05552.
    Cost: O(T (n u^2 + n^2 u)) per row, for T steps of states of size u, n fields.
    Explanations: `attention`, the self-attention of each head; `edges`, the weight of each edge (row: the sender;
        all 1 in the reference formulation); in the paper formulation also `fields`, each field's contribution to the
        logit.

    Args:
        schema: The `Schema`.
        formulation: `"reference"` is the code released with GraphCTR: AutoInt's layer first, unweighted edges,
            separate matrices for each step, and a linear function of all states at the end. `"paper"`: attention
            without residual, edges weighted by attention, one set of matrices, and the sum over fields of
            `MLP1(h_i) MLP2(h_i)`.
        embedding_dim: Size of an embedding vector.
        units: Size of a state, all heads together.
        num_heads: Number of self-attention heads.
        num_steps: Steps of message passing, 3 in the paper. GraphCTR uses 2 and counts its attention as the first of 3.
        message_units: Size of a message, or one size per step; `None` is `units`. Only the reference formulation has
            it: the original's `block_shape` without its last entry.
        use_residual: Whether the reference formulation's self-attention adds a linear function of its input.
        score_units: Hidden widths of the two MLPs in the paper formulation; the paper does not specify them.
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
        ValueError: If the formulation is unknown, `units` is not a multiple of `num_heads`, or `num_steps` is below 1.
    """

    def __init__(
        self,
        schema: Schema,
        formulation: str = "reference",
        embedding_dim: int = 16,
        units: int = 64,
        num_heads: int = 2,
        num_steps: int = 2,
        message_units: int | Sequence[int] | None = None,
        use_residual: bool = True,
        score_units: Sequence[int] = (),
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
        refuse_idle_hidden(FiGNN, locals())
        check_formulation(formulation)
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        if formulation == "reference":
            options = {**REFERENCE_ATTENTION, "use_residual": use_residual}
            graph = FieldGraph(
                num_steps,
                use_attention=False,
                share_steps=False,
                use_bias=False,
                message_units=message_units,
                return_explanations=True,
                dtype=dtype,
                name="graph",
            )
        else:
            if message_units is not None:
                raise ValueError(f"The paper's messages have the size of a state. Received: {message_units=}.")
            options: dict[str, Any] = {"scale_scores": True, "use_residual": False}
            graph = FieldGraph(num_steps, return_explanations=True, dtype=dtype, name="graph")
        first, attention = FieldAttention(
            units,
            num_heads,
            attention_dropout=attention_dropout,
            return_explanations=True,
            dtype=dtype,
            name="attention",
            **options,
        )(embedded)
        states, edges = graph(first)
        explanations = {"attention": attention, "edges": edges}
        if formulation == "reference":
            logit = keras.layers.Dense(1, dtype=dtype, name="output")(
                keras.layers.Flatten(dtype=dtype, name="flat_states")(states)
            )
        else:
            scores = MLP(score_units, output_dim=1, dtype=dtype, name="scores")(states)
            importance = MLP(score_units, output_dim=1, dtype=dtype, name="importance")(states)
            explanations["fields"] = ops.squeeze(scores * importance, axis=-1)
            logit = ops.sum(explanations["fields"], axis=1, keepdims=True)
        logit = logit + deep_logit(
            embedded, deep_units, deep_dropout, deep_batch_norm, deep_l2, deep_batch_norm_momentum, dtype
        )
        super().__init__(schema, features, logit, explanations, task=task, dtype=dtype, **kwargs)
        self.formulation, self.embedding_dim, self.units = formulation, embedding_dim, units
        self.num_heads, self.num_steps, self.use_residual = num_heads, num_steps, use_residual
        self.message_units = graph.message_units
        self.score_units, self.attention_dropout = tuple(score_units), attention_dropout
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
            "num_steps": self.num_steps,
            "message_units": self.message_units,
            "use_residual": self.use_residual,
            "score_units": self.score_units,
            "attention_dropout": self.attention_dropout,
            "embedding_dropout": self.embedding_dropout,
            "embedding_l2": self.embedding_l2,
            "deep_units": self.deep_units,
            "deep_dropout": self.deep_dropout,
            "deep_batch_norm": self.deep_batch_norm,
            "deep_batch_norm_momentum": self.deep_batch_norm_momentum,
            "deep_l2": self.deep_l2,
        }
