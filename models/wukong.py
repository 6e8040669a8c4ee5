"""WuKong: stacked factorization machines."""

from collections.abc import Sequence
from typing import Any

import keras

from ctrzoo.idle import refuse_idle, refuse_idle_hidden
from ctrzoo.layers import FieldEmbedding, WukongLayer
from ctrzoo.model import CTRModel, deep_logit, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class WuKong(CTRModel):
    """WuKong: layers of an FM block and a linear block, with an MLP on top.

    Each layer doubles the degree of its interactions. As in FuxiCTR's code, the inner products are compressed by a
    trained matrix; the paper makes it from the vectors. FuxiCTR's defaults are vectors of size 64 and batch
    normalization in the MLP. It draws tables from N(0, 0.0001^2); here they come from N(0, 0.01^2).
    Source: Zhang et al., ICML 2024, https://arxiv.org/abs/2403.02545.
    Cost: O(L (m d r + (m r + m d) h)) per row, for L layers, the m = `num_fm` + `num_linear` vectors of a layer, rank
        r and h hidden units, and the MLP.
    Explanations: none.

    Args:
        schema: The `Schema`.
        embedding_dim: Size of an embedding vector.
        num_layers: Number of layers.
        num_fm: Number of vectors that a layer's FM block gives.
        num_linear: Number of vectors that a layer's linear block gives.
        rank: Columns of the matrix that compresses the inner products; `None` keeps all of them.
        fm_units: Hidden widths of the MLP in the FM block.
        fm_dropout: Share of its hidden outputs dropped in training.
        layer_norm: Whether each layer ends with a normalization of its vectors.
        interaction_l2: Strength of the penalty `interaction_l2 / 2 * ||kernel||^2` on the kernels of the layers.
        embedding_dropout: Share of embedding entries dropped in training.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        deep_units: Hidden widths of the MLP on top; `()` for a linear map.
        deep_dropout: Share of the MLP's hidden outputs dropped in training.
        deep_batch_norm: Whether the MLP uses batch normalization.
        deep_batch_norm_momentum: Momentum of its moving mean and variance: the share that a step keeps.
        deep_l2: Strength of the penalty `deep_l2 / 2 * ||kernel||^2` on the MLP's hidden kernels.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If a size is below 1.
    """

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int = 16,
        num_layers: int = 3,
        num_fm: int = 40,
        num_linear: int = 40,
        rank: int | None = 8,
        fm_units: Sequence[int] = (32, 32),
        fm_dropout: float = 0.0,
        layer_norm: bool = True,
        interaction_l2: float = 0.0,
        embedding_dropout: float = 0.0,
        embedding_l2: float = 0.0,
        deep_units: Sequence[int] = (32, 32),
        deep_dropout: float = 0.0,
        deep_batch_norm: bool = False,
        deep_batch_norm_momentum: float = 0.9,
        deep_l2: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        refuse_idle_hidden(WuKong, locals())
        if not fm_units or not num_layers:
            idle = ["fm_dropout"] if num_layers else ["fm_units", "fm_dropout", "layer_norm", "interaction_l2"]
            refuse_idle(WuKong, locals(), idle, "without such layers", "set `fm_units` and `num_layers`")
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        states = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        for number in range(1, num_layers + 1):
            states = WukongLayer(
                num_fm,
                num_linear,
                rank,
                fm_units,
                dropout=fm_dropout,
                layer_norm=layer_norm,
                l2=interaction_l2,
                dtype=dtype,
                name=f"wukong_{number}",
            )(states)
        if deep_units:
            logit = deep_logit(
                states, deep_units, deep_dropout, deep_batch_norm, deep_l2, deep_batch_norm_momentum, dtype
            )
        else:
            flat = keras.layers.Flatten(dtype=dtype, name="flat_states")(states)
            logit = keras.layers.Dense(1, dtype=dtype, name="output")(flat)
        super().__init__(schema, features, logit, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.num_layers, self.layer_norm = embedding_dim, num_layers, layer_norm
        self.num_fm, self.num_linear, self.rank = num_fm, num_linear, rank
        self.fm_units, self.fm_dropout, self.interaction_l2 = tuple(fm_units), fm_dropout, interaction_l2
        self.embedding_dropout, self.embedding_l2 = embedding_dropout, embedding_l2
        self.deep_units, self.deep_dropout = tuple(deep_units), deep_dropout
        self.deep_batch_norm, self.deep_batch_norm_momentum = deep_batch_norm, deep_batch_norm_momentum
        self.deep_l2 = deep_l2

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "num_layers": self.num_layers,
            "num_fm": self.num_fm,
            "num_linear": self.num_linear,
            "rank": self.rank,
            "fm_units": self.fm_units,
            "fm_dropout": self.fm_dropout,
            "layer_norm": self.layer_norm,
            "interaction_l2": self.interaction_l2,
            "embedding_dropout": self.embedding_dropout,
            "embedding_l2": self.embedding_l2,
            "deep_units": self.deep_units,
            "deep_dropout": self.deep_dropout,
            "deep_batch_norm": self.deep_batch_norm,
            "deep_batch_norm_momentum": self.deep_batch_norm_momentum,
            "deep_l2": self.deep_l2,
        }
