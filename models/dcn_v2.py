"""DCN-v2: the deep and cross network with matrices."""

from collections.abc import Sequence
from typing import Any

import keras

from ctrzoo.idle import refuse_idle_hidden
from ctrzoo.layers import MLP, CrossV2, FieldEmbedding, MixtureCrossLayer
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class DCNv2(CTRModel):
    """Deep and cross network v2: cross layers with a matrix, next to an MLP or below it.

    Source: Wang et al., 2021, equations 1 to 4, https://arxiv.org/abs/2008.13535.
    Cost: O(L (n d)^2) per row with full matrices, O(L K r n d) with K experts of rank r, and the MLP.
    Explanations: none.

    Args:
        schema: The `Schema`.
        cross: `"full"` matrices, `"low_rank"` matrices, or `"mixture"` of low-rank experts.
        structure: `"parallel"` for cross layers and MLP side by side; `"stacked"` for the MLP on top of the cross
            layers.
        embedding_dim: Size of an embedding vector.
        num_layers: Number of cross layers.
        rank: Rank of the matrices, unless they are full.
        num_experts: Number of experts in a mixture.
        gate: How a mixture weighs its experts: `"softmax"` or `"sigmoid"`.
        cross_l2: Strength of the penalty `cross_l2 / 2 * ||W||^2` on the matrices of the cross layers.
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
        ValueError: If `cross`, `structure` or `gate` is unknown, or a size is below 1.
    """

    def __init__(
        self,
        schema: Schema,
        cross: str = "full",
        structure: str = "parallel",
        embedding_dim: int = 16,
        num_layers: int = 3,
        rank: int = 32,
        num_experts: int = 4,
        gate: str = "softmax",
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
        refuse_idle_hidden(DCNv2, locals())
        kinds = {
            "full": (CrossV2, {}),
            "low_rank": (CrossV2, {"rank": rank}),
            "mixture": (MixtureCrossLayer, {"rank": rank, "num_experts": num_experts, "gate": gate}),
        }
        if cross not in kinds:
            raise ValueError(f"`cross` must be one of {', '.join(kinds)}. Received: {cross!r}.")
        if cross != "full" and rank is None:
            raise ValueError(f"`rank` must be a whole number for cross={cross!r}. Received: None. Or set cross='full'.")
        if structure not in ("parallel", "stacked"):
            raise ValueError(f"The structure must be 'parallel' or 'stacked'. Received: {structure!r}.")
        layer, sizes = kinds[cross]

        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        states = flat = keras.layers.Flatten(dtype=dtype, name="flat_embedding")(embedded)
        for number in range(1, num_layers + 1):
            states = layer(l2=cross_l2, dtype=dtype, name=f"cross_{number}", **sizes)(flat, states)
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
        super().__init__(schema, features, logit, task=task, dtype=dtype, **kwargs)
        self.cross, self.structure, self.embedding_dim, self.num_layers = cross, structure, embedding_dim, num_layers
        self.rank, self.num_experts, self.gate, self.cross_l2 = rank, num_experts, gate, cross_l2
        self.embedding_dropout, self.embedding_l2 = embedding_dropout, embedding_l2
        self.deep_units, self.deep_dropout = tuple(deep_units), deep_dropout
        self.deep_batch_norm, self.deep_batch_norm_momentum = deep_batch_norm, deep_batch_norm_momentum
        self.deep_l2 = deep_l2

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "cross": self.cross,
            "structure": self.structure,
            "embedding_dim": self.embedding_dim,
            "num_layers": self.num_layers,
            "rank": self.rank,
            "num_experts": self.num_experts,
            "gate": self.gate,
            "cross_l2": self.cross_l2,
            "embedding_dropout": self.embedding_dropout,
            "embedding_l2": self.embedding_l2,
            "deep_units": self.deep_units,
            "deep_dropout": self.deep_dropout,
            "deep_batch_norm": self.deep_batch_norm,
            "deep_batch_norm_momentum": self.deep_batch_norm_momentum,
            "deep_l2": self.deep_l2,
        }
