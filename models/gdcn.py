"""GDCN: the deep and cross network with gates."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ctrzoo.idle import refuse_idle, refuse_idle_hidden
from ctrzoo.layers import MLP, FieldEmbedding, GatedCross
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class GDCN(CTRModel):
    """Gated deep and cross network: cross layers with a matrix and a gate, below an MLP or next to it.

    A gate weights each product before it is added, so that deep cross networks can leave out useless ones. As in
    FuxiCTR, the biases of the cross layers start at U(0, 1). FuxiCTR draws tables from N(0, 0.0001^2); here they come
    from N(0, 0.01^2).
    Source: Wang et al., CIKM 2023, equation 1, https://arxiv.org/abs/2311.04635.
    Cost: O(L (n d)^2) per row with L cross layers, twice that of DCN-v2, and the MLP.
    Explanations: `field_gates_k`, the gate of layer k on each field, the mean over the field's entries: 0 adds no
        product to the field, 1 adds it in full.

    Args:
        schema: The `Schema`.
        structure: `"stacked"` for the MLP on top of the cross layers (GDCN-S); `"parallel"` for cross layers and MLP
            side by side (GDCN-P).
        embedding_dim: Size of an embedding vector.
        num_layers: Number of cross layers.
        cross_l2: Strength of the penalty `cross_l2 / 2 * ||W||^2` on both matrices of each cross layer.
        embedding_dropout: Share of embedding entries dropped in training.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        deep_units: Hidden widths of the MLP; `()` keeps only the cross layers.
        deep_dropout: Share of the MLP's hidden outputs dropped in training.
        deep_batch_norm: Whether the MLP uses batch normalization.
        deep_batch_norm_momentum: Momentum of its moving mean and variance: the share that a step keeps.
        deep_l2: Strength of the penalty `deep_l2 / 2 * ||kernel||^2` on the MLP's hidden kernels.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If the structure is unknown, or a size is below 1.
    """

    def __init__(
        self,
        schema: Schema,
        structure: str = "stacked",
        embedding_dim: int = 16,
        num_layers: int = 3,
        cross_l2: float = 0.0,
        embedding_dropout: float = 0.0,
        embedding_l2: float = 0.0,
        deep_units: Sequence[int] = (400, 400),
        deep_dropout: float = 0.0,
        deep_batch_norm: bool = False,
        deep_batch_norm_momentum: float = 0.9,
        deep_l2: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        refuse_idle_hidden(GDCN, locals())
        if not deep_units:
            refuse_idle(GDCN, locals(), ["structure"], "without hidden layers", "name their widths in `deep_units`")
        if not num_layers:
            refuse_idle(GDCN, locals(), ["cross_l2"], "without cross layers", "set `num_layers`")
        if structure not in ("stacked", "parallel"):
            raise ValueError(f"The structure must be 'stacked' or 'parallel'. Received: {structure!r}.")
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        states = flat = keras.layers.Flatten(dtype=dtype, name="flat_embedding")(embedded)
        explanations = {}
        for number in range(1, num_layers + 1):
            layer = GatedCross(l2=cross_l2, return_explanations=True, dtype=dtype, name=f"cross_{number}")
            states, gate = layer(flat, states)
            of_fields = keras.layers.Reshape((schema.num_fields, embedding_dim), dtype=dtype)(gate)
            explanations[f"field_gates_{number}"] = ops.mean(of_fields, axis=-1)
        if deep_units:
            mlp = MLP(
                deep_units,
                dropout=deep_dropout,
                batch_norm=deep_batch_norm,
                batch_norm_momentum=deep_batch_norm_momentum,
                l2=deep_l2,
                dtype=dtype,
                name="deep",
            )
            if structure == "stacked":
                states = mlp(states)
            else:
                states = keras.layers.Concatenate(dtype=dtype, name="states")([states, mlp(flat)])
        logit = keras.layers.Dense(1, dtype=dtype, name="output")(states)
        super().__init__(schema, features, logit, explanations, task=task, dtype=dtype, **kwargs)
        self.structure, self.embedding_dim, self.num_layers = structure, embedding_dim, num_layers
        self.cross_l2, self.embedding_dropout, self.embedding_l2 = cross_l2, embedding_dropout, embedding_l2
        self.deep_units, self.deep_dropout = tuple(deep_units), deep_dropout
        self.deep_batch_norm, self.deep_batch_norm_momentum = deep_batch_norm, deep_batch_norm_momentum
        self.deep_l2 = deep_l2

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "structure": self.structure,
            "embedding_dim": self.embedding_dim,
            "num_layers": self.num_layers,
            "cross_l2": self.cross_l2,
            "embedding_dropout": self.embedding_dropout,
            "embedding_l2": self.embedding_l2,
            "deep_units": self.deep_units,
            "deep_dropout": self.deep_dropout,
            "deep_batch_norm": self.deep_batch_norm,
            "deep_batch_norm_momentum": self.deep_batch_norm_momentum,
            "deep_l2": self.deep_l2,
        }
