"""Fi-GNN: feature interaction graph neural network."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ctrzoo.layers import MLP, REFERENCE_ATTENTION, FieldAttention, FieldEmbedding, FieldGraph
from ctrzoo.model import CTRModel, check_formulation, deep_logit, feature_inputs
from ctrzoo.schema import Schema


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
        use_residual: Whether the reference formulation's self-attention adds a linear function of its input.
        score_units: Hidden widths of the two MLPs in the paper formulation; the paper does not specify them.
        attention_dropout: Share of attention weights dropped in training.
        embedding_dropout: Share of embedding entries dropped in training.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        deep_units: Hidden widths of an MLP trained jointly on the same embeddings; `()` for none.
        deep_dropout: Share of the MLP's hidden outputs dropped in training.
        deep_batch_norm: Whether the MLP uses batch normalization.
        deep_l2: Strength of the penalty `deep_l2 / 2 * ||kernel||^2` on the MLP's hidden kernels.
        task: `"classification"`, `"regression"` or `"ranking"`.

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
        use_residual: bool = True,
        score_units: Sequence[int] = (),
        attention_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        embedding_l2: float = 0.0,
        deep_units: Sequence[int] = (),
        deep_dropout: float = 0.0,
        deep_batch_norm: bool = False,
        deep_l2: float = 0.0,
        task: str = "classification",
        **kwargs: Any,
    ) -> None:
        check_formulation(formulation)
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, name="embedding_dropout")(embedded)
        if formulation == "reference":
            options = {**REFERENCE_ATTENTION, "use_residual": use_residual}
            graph = FieldGraph(num_steps, use_attention=False, share_steps=False, use_bias=False, name="graph")
        else:
            options: dict[str, Any] = {"scale_scores": True, "use_residual": False}
            graph = FieldGraph(num_steps, name="graph")
        first, attention = FieldAttention(
            units, num_heads, attention_dropout=attention_dropout, return_attention=True, name="attention", **options
        )(embedded)
        states, edges = graph(first)
        explanations = {"attention": attention, "edges": edges}
        if formulation == "reference":
            logit = keras.layers.Dense(1, name="output")(keras.layers.Flatten(name="flat_states")(states))
        else:
            scores = MLP(score_units, output_dim=1, name="scores")(states)
            importance = MLP(score_units, output_dim=1, name="importance")(states)
            explanations["fields"] = ops.squeeze(scores * importance, axis=-1)
            logit = ops.sum(explanations["fields"], axis=1, keepdims=True)
        logit = logit + deep_logit(embedded, deep_units, deep_dropout, deep_batch_norm, deep_l2)
        super().__init__(schema, features, logit, explanations, task=task, **kwargs)
        self.formulation, self.embedding_dim, self.units = formulation, embedding_dim, units
        self.num_heads, self.num_steps, self.use_residual = num_heads, num_steps, use_residual
        self.score_units, self.attention_dropout = tuple(score_units), attention_dropout
        self.embedding_dropout, self.embedding_l2 = embedding_dropout, embedding_l2
        self.deep_units, self.deep_dropout = tuple(deep_units), deep_dropout
        self.deep_batch_norm, self.deep_l2 = deep_batch_norm, deep_l2
