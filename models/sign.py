"""SIGN: statistical interaction graph network, with L0 selection of its edges."""

from collections.abc import Sequence
from typing import Any

import keras

from ctrzoo.idle import refuse_idle_hidden
from ctrzoo.layers import EdgeGates, FieldEmbedding, InteractionGraph
from ctrzoo.model import CTRModel, deep_logit, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class SIGN(CTRModel):
    """L0-SIGN: predict which pairs of fields interact, then average their interactions.

    Edges are predicted from a separate embedding table, through gates that can be exactly zero. A penalty on the
    probability that edges exist and another on the interactions keep the graph small; both join `model.losses`. The
    authors' network has two outputs and a squared error; this one has a single logit.
    Source: Su et al., 2021, https://arxiv.org/abs/2008.00404.
    Cost: O(n^2 d u) per row, for hidden sizes u.
    Explanations: with `use_selection`: `gates`, the gate of each pair (on the diagonal, of each field with itself).
        Otherwise none.

    Args:
        schema: The `Schema`.
        embedding_dim: Size of an embedding vector.
        use_selection: `False` gives plain SIGN: all edges, no gates.
        edge_embedding_dim: Size of a vector of the second table, from which edges are predicted.
        edge_units: Hidden size of the edge prediction.
        edge_dropout: Share of the edge prediction's hidden outputs dropped in training.
        edge_l0: Strength of the penalty on the mean probability that an edge exists.
        units: Hidden size of the interaction network.
        activation_l2: Strength of the penalty on the squared norms of the interactions, summed over a row's pairs.
        embedding_dropout: Share of embedding entries dropped in training.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2` on each of the two tables.
        deep_units: Hidden widths of an MLP trained jointly on the same embeddings; `()` for none.
        deep_dropout: Share of the MLP's hidden outputs dropped in training.
        deep_batch_norm: Whether the MLP uses batch normalization.
        deep_batch_norm_momentum: Momentum of its moving mean and variance: the share that a step keeps.
        deep_l2: Strength of the penalty `deep_l2 / 2 * ||kernel||^2` on the MLP's hidden kernels.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.
    """

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int = 16,
        use_selection: bool = True,
        edge_embedding_dim: int = 8,
        edge_units: int = 32,
        edge_dropout: float = 0.5,
        edge_l0: float = 1e-3,
        units: int = 32,
        activation_l2: float = 1e-3,
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
        refuse_idle_hidden(SIGN, locals())
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        gates, explanations = None, {}
        if use_selection:
            initial = keras.initializers.RandomNormal(mean=0.2, stddev=0.01)
            edges = FieldEmbedding(
                schema, edge_embedding_dim, initial, embedding_l2, dtype=dtype, name="edge_embedding"
            )(features)
            gates = EdgeGates(edge_units, edge_dropout, edge_l0, dtype=dtype, name="edges")(edges)
            explanations["gates"] = gates
        graph = InteractionGraph(units, activation_l2, dtype=dtype, name="graph")(embedded, gates)
        logit = keras.layers.Dense(1, dtype=dtype, name="output")(graph)
        logit += deep_logit(
            embedded, deep_units, deep_dropout, deep_batch_norm, deep_l2, deep_batch_norm_momentum, dtype
        )
        super().__init__(schema, features, logit, explanations, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.use_selection, self.edge_embedding_dim = (
            embedding_dim,
            use_selection,
            edge_embedding_dim,
        )
        self.edge_units, self.edge_dropout, self.edge_l0 = edge_units, edge_dropout, edge_l0
        self.units, self.activation_l2 = units, activation_l2
        self.embedding_dropout, self.embedding_l2 = embedding_dropout, embedding_l2
        self.deep_units, self.deep_dropout = tuple(deep_units), deep_dropout
        self.deep_batch_norm, self.deep_batch_norm_momentum = deep_batch_norm, deep_batch_norm_momentum
        self.deep_l2 = deep_l2

    @property
    def needs_whole_batches(self) -> bool:
        # Between the layers of a step that normalizes the whole batch, replicas would mix up the losses that they add.
        return self.deep_batch_norm

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "use_selection": self.use_selection,
            "edge_embedding_dim": self.edge_embedding_dim,
            "edge_units": self.edge_units,
            "edge_dropout": self.edge_dropout,
            "edge_l0": self.edge_l0,
            "units": self.units,
            "activation_l2": self.activation_l2,
            "embedding_dropout": self.embedding_dropout,
            "embedding_l2": self.embedding_l2,
            "deep_units": self.deep_units,
            "deep_dropout": self.deep_dropout,
            "deep_batch_norm": self.deep_batch_norm,
            "deep_batch_norm_momentum": self.deep_batch_norm_momentum,
            "deep_l2": self.deep_l2,
        }
