"""GraphFM: graph factorization machines."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ctrzoo.idle import refuse_idle_hidden
from ctrzoo.layers import FieldEmbedding, GraphInteraction, ReferenceGraphInteraction
from ctrzoo.model import CTRModel, deep_logit, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class GraphFM(CTRModel):
    """Graph factorization machine: each layer selects interactions for each field and aggregates them.

    The output is a linear function of all layers' states, averaged over fields (equations 15 to 17).
    Source: Li et al., 2021, equations 7 to 17, https://arxiv.org/abs/2105.11866.
    Cost: O(L n (n d (H + 16) + d u)) per row, for L layers of size u, n fields, H heads.
    Explanations: `pairs`, how far the state of a field moves if the message of the other field is left out, averaged
        over both directions and layers (a layer whose messages are small next to its residual counts little);
        for layer k = 1, 2, ...: `edges_k`, the weight of each selected interaction (row: the selecting field; zero
        for interactions not selected), and `attention_k`, the attention of each head.

    Args:
        schema: The `Schema`.
        formulation: `"reference"` reproduces the numbers of the authors' released code; `"paper"` follows
            equations 7 to 17. See `ReferenceGraphInteraction` and `GraphInteraction` for the differences.
        embedding_dim: Size of an embedding vector.
        units: State size after each layer; one entry per layer.
        num_heads: Number of attention heads; 1 is the ablation GraphFM(-M).
        num_neighbors: Number of interactions that each field selects, one number per layer. `None` takes all fields,
            then half, then an eighth: (39, 20, 5) on Criteo and (7, 4, 2) on MovieLens-1M.
        use_selection: `False` is the ablation GraphFM(-S).
        use_interaction: `False` is the ablation GraphFM(-I).
        use_residual: Whether the reference formulation adds its residual.
        average_heads: In the paper formulation, whether to average the heads (equation 14) instead of concatenating
            them (13).
        use_residual_norm: In the paper formulation, whether each layer gets the residual and layer normalization of
            the released code, which the paper lacks. Without them, a state of layer k is a product of 2^k
            embeddings. Such products are small, so deeper layers learn little.
        selector_units: Hidden size of the edge network.
        include_input: Whether the raw embeddings join the states that are averaged over fields.
        attention_dropout: Share of attention weights dropped in training.
        embedding_dropout: Share of embedding entries dropped in training.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        selection: `"top_k"` selects `num_neighbors` interactions for each field, `"threshold"` those whose edge weight
            is above the threshold.
        threshold: The threshold, above 0 and below 1; `None` is 0.5. Only for `selection="threshold"`.
        edge_metric: How edge weights are computed: `"mlp"` is the edge network of equation 7. `"cosine"`, which is
            `(1 + cosine) / 2`, and `"euclidean"`, which is `1 / (1 + distance)`, compare the states of two fields
            and learn no weights.
        deep_units: Hidden widths of an MLP trained jointly on the same embeddings; `()` for none.
        deep_dropout: Share of the MLP's hidden outputs dropped in training.
        deep_batch_norm: Whether the MLP uses batch normalization.
        deep_batch_norm_momentum: Momentum of its moving mean and variance: the share that a step keeps.
        deep_l2: Strength of the penalty `deep_l2 / 2 * ||kernel||^2` on the MLP's hidden kernels.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If a name is unknown, an option has no effect, or `num_neighbors` does not fit the layers or fields.
    """

    def __init__(
        self,
        schema: Schema,
        formulation: str = "reference",
        embedding_dim: int = 16,
        units: Sequence[int] = (64, 64, 64),
        num_heads: int = 2,
        num_neighbors: int | Sequence[int] | None = None,
        use_selection: bool = True,
        use_interaction: bool = True,
        use_residual: bool = True,
        average_heads: bool = False,
        use_residual_norm: bool = False,
        selector_units: int = 16,
        include_input: bool = False,
        attention_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        embedding_l2: float = 0.0,
        selection: str = "top_k",
        threshold: float | None = None,
        edge_metric: str = "mlp",
        deep_units: Sequence[int] = (),
        deep_dropout: float = 0.0,
        deep_batch_norm: bool = False,
        deep_batch_norm_momentum: float = 0.9,
        deep_l2: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        refuse_idle_hidden(GraphFM, locals())
        common = {
            "num_heads": num_heads,
            "selector_units": selector_units,
            "use_selection": use_selection,
            "use_interaction": use_interaction,
            "attention_dropout": attention_dropout,
            "selection": selection,
            "threshold": threshold,
            "edge_metric": edge_metric,
            "return_explanations": True,
        }
        if formulation == "reference":
            layer = ReferenceGraphInteraction
            common |= {"use_residual": use_residual}
        elif formulation == "paper":
            layer = GraphInteraction
            common |= {"average_heads": average_heads, "use_residual_norm": use_residual_norm}
        else:
            raise ValueError(f"The formulation must be 'reference' or 'paper'. Received: {formulation!r}.")
        if not units:
            raise ValueError(f"`units` must have at least one layer's size, such as (64, 64). Received: {units!r}.")

        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        states, explanations, effects = [embedded], {}, []
        neighbors = _neighbors(num_neighbors, len(units), schema.num_fields, selection)
        for number, (width, kept) in enumerate(zip(units, neighbors, strict=True), start=1):
            graph = layer(width, num_neighbors=kept, dtype=dtype, name=f"graph_{number}", **common)
            state, attention, edges = graph(states[-1])
            effects.append(graph.message_effects(states[-1], attention, edges))
            states.append(state)
            explanations |= {f"edges_{number}": edges, f"attention_{number}": attention}
        effect = sum(effects[1:], effects[0]) / len(effects)
        explanations = {"pairs": (effect + ops.transpose(effect, (0, 2, 1))) / 2, **explanations}
        means = [ops.mean(state, axis=1) for state in (states if include_input else states[1:])]
        logit = keras.layers.Dense(1, dtype=dtype, name="output")(ops.concatenate(means, axis=-1))
        logit += deep_logit(
            embedded, deep_units, deep_dropout, deep_batch_norm, deep_l2, deep_batch_norm_momentum, dtype
        )
        super().__init__(schema, features, logit, explanations, task=task, dtype=dtype, **kwargs)
        self.formulation, self.embedding_dim, self.units = formulation, embedding_dim, tuple(units)
        self.num_heads, self.num_neighbors, self.selector_units = num_heads, num_neighbors, selector_units
        self.use_selection, self.use_interaction, self.use_residual = use_selection, use_interaction, use_residual
        self.average_heads, self.use_residual_norm, self.include_input = average_heads, use_residual_norm, include_input
        self.attention_dropout, self.embedding_dropout = attention_dropout, embedding_dropout
        self.selection, self.threshold, self.edge_metric = selection, threshold, edge_metric
        self.embedding_l2, self.deep_units, self.deep_dropout = embedding_l2, tuple(deep_units), deep_dropout
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
            "units": self.units,
            "num_heads": self.num_heads,
            "num_neighbors": self.num_neighbors,
            "use_selection": self.use_selection,
            "use_interaction": self.use_interaction,
            "use_residual": self.use_residual,
            "average_heads": self.average_heads,
            "use_residual_norm": self.use_residual_norm,
            "selector_units": self.selector_units,
            "include_input": self.include_input,
            "attention_dropout": self.attention_dropout,
            "embedding_dropout": self.embedding_dropout,
            "embedding_l2": self.embedding_l2,
            "selection": self.selection,
            "threshold": self.threshold,
            "edge_metric": self.edge_metric,
            "deep_units": self.deep_units,
            "deep_dropout": self.deep_dropout,
            "deep_batch_norm": self.deep_batch_norm,
            "deep_batch_norm_momentum": self.deep_batch_norm_momentum,
            "deep_l2": self.deep_l2,
        }


def _neighbors(num_neighbors, num_layers, num_fields, selection):
    if num_neighbors is None and selection == "threshold":
        return [None] * num_layers
    if num_neighbors is None:
        shares = [1, 2] + [8] * num_layers
        return [max(math.ceil(num_fields / share), min(2, num_fields)) for share in shares[:num_layers]]
    if not isinstance(num_neighbors, (tuple, list)) or len(num_neighbors) != num_layers:
        raise ValueError(
            f"`num_neighbors` must have one entry for each of the {num_layers} layers. Received: {num_neighbors}."
        )
    return list(num_neighbors)
