"""AutoInt and AutoInt+: self-attention over fields."""

from collections.abc import Sequence
from typing import Any

import keras

from ctrzoo.idle import refuse_idle_hidden
from ctrzoo.layers import REFERENCE_ATTENTION, FieldAttention, FieldEmbedding
from ctrzoo.model import CTRModel, check_formulation, deep_logit, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class AutoInt(CTRModel):
    """AutoInt: layers of multi-head self-attention over fields, then a linear function of all states.

    Source: Song et al., 2019, equations 5 to 9, https://arxiv.org/abs/1810.11921.
    Cost: O(L (n^2 u + n d u)) per row, for L layers of size u, n fields.
    Explanations: `attention_k` for layer k = 1, 2, ...: the attention of each head (row: the attending field).

    Args:
        schema: The `Schema`.
        formulation: `"reference"` is the released code (also its authors' own): ReLU and bias on queries, keys,
            values and residual, scaled scores, layer normalization. `"paper"` has none of these.
        embedding_dim: Size of an embedding vector.
        units: State size after each layer, all heads together; one entry per layer.
        num_heads: Number of attention heads.
        use_residual: Whether each layer adds a linear function of its input.
        attention_dropout: Share of attention weights dropped in training.
        embedding_dropout: Share of embedding entries dropped in training.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        deep_units: Hidden widths of an MLP trained jointly on the same embeddings; `()` for none, (400, 400) for
            AutoInt+.
        deep_dropout: Share of the MLP's hidden outputs dropped in training.
        deep_batch_norm: Whether the MLP uses batch normalization.
        deep_batch_norm_momentum: Momentum of its moving mean and variance: the share that a step keeps.
        deep_l2: Strength of the penalty `deep_l2 / 2 * ||kernel||^2` on the MLP's hidden kernels.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If the formulation is unknown or a size is not a multiple of `num_heads`.
    """

    def __init__(
        self,
        schema: Schema,
        formulation: str = "reference",
        embedding_dim: int = 16,
        units: Sequence[int] = (64, 64, 64),
        num_heads: int = 2,
        use_residual: bool = True,
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
        refuse_idle_hidden(AutoInt, locals())
        check_formulation(formulation)
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        options = REFERENCE_ATTENTION if formulation == "reference" else {}
        states, explanations = embedded, {}
        for number, width in enumerate(units, start=1):
            states, explanations[f"attention_{number}"] = FieldAttention(
                width,
                num_heads,
                use_residual=use_residual,
                attention_dropout=attention_dropout,
                return_explanations=True,
                dtype=dtype,
                name=f"attention_{number}",
                **options,
            )(states)
        logit = keras.layers.Dense(1, dtype=dtype, name="output")(
            keras.layers.Flatten(dtype=dtype, name="flat_states")(states)
        )
        logit += deep_logit(
            embedded, deep_units, deep_dropout, deep_batch_norm, deep_l2, deep_batch_norm_momentum, dtype
        )
        super().__init__(schema, features, logit, explanations, task=task, dtype=dtype, **kwargs)
        self.formulation, self.embedding_dim, self.units = formulation, embedding_dim, tuple(units)
        self.num_heads, self.use_residual, self.attention_dropout = num_heads, use_residual, attention_dropout
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
            "use_residual": self.use_residual,
            "attention_dropout": self.attention_dropout,
            "embedding_dropout": self.embedding_dropout,
            "embedding_l2": self.embedding_l2,
            "deep_units": self.deep_units,
            "deep_dropout": self.deep_dropout,
            "deep_batch_norm": self.deep_batch_norm,
            "deep_batch_norm_momentum": self.deep_batch_norm_momentum,
            "deep_l2": self.deep_l2,
        }
