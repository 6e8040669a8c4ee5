"""EulerNet: interactions of any order in a complex space."""

from collections.abc import Sequence
from typing import Any

import keras

from ctrzoo.idle import refuse_idle
from ctrzoo.layers import ComplexFields, EulerInteraction, FieldEmbedding
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class EulerNet(CTRModel):
    """EulerNet: products of trained powers of the fields, computed as sums in a complex space.

    Embeddings are phases of complex vectors. Each layer multiplies powers of its vectors, as sums of logarithms and
    phases, and adds a linear map with a ReLU. One output weights the real and the imaginary parts alike, so that its
    bias counts twice, as in FuxiCTR's code. There, the biases of the linear maps and of the output start at random;
    here they start at zero. FuxiCTR draws tables from N(0, 0.0001^2); here they come from N(0, 0.01^2).
    Source: Tian et al., SIGIR 2023, https://arxiv.org/abs/2304.10711.
    Cost: O(n m d^2) per row for each layer from n vectors to m.
    Explanations: none.

    Args:
        schema: The `Schema`.
        embedding_dim: Size of an embedding vector.
        units: Number of vectors that each layer gives, such as the number of fields.
        layer_norm: Whether each layer normalizes its vectors.
        explicit_dropout: Share of logarithms and phases dropped in training.
        implicit_dropout: Share of the inputs of the linear maps dropped in training.
        interaction_l2: Strength of the penalty `interaction_l2 / 2 * ||kernel||^2` on the powers and on the linear
            maps.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        embedding_dropout: Share of embedding entries dropped in training.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If a size is below 1.
    """

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int = 16,
        units: Sequence[int] = (32,),
        layer_norm: bool = True,
        explicit_dropout: float = 0.0,
        implicit_dropout: float = 0.0,
        interaction_l2: float = 0.0,
        embedding_l2: float = 0.0,
        embedding_dropout: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        if not units:
            idle = ["layer_norm", "explicit_dropout", "implicit_dropout", "interaction_l2"]
            refuse_idle(EulerNet, locals(), idle, "without layers", "name their widths in `units`")
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
        real, imaginary = ComplexFields(dtype=dtype, name="complex_fields")(embedded)
        for number, width in enumerate(units, 1):
            real, imaginary = EulerInteraction(
                width,
                layer_norm,
                explicit_dropout,
                implicit_dropout,
                l2=interaction_l2,
                dtype=dtype,
                name=f"euler_{number}",
            )(real, imaginary)
        output = keras.layers.Dense(1, dtype=dtype, name="output")
        flatten = keras.layers.Flatten(dtype=dtype, name="flat_states")
        logit = keras.layers.Add(dtype=dtype, name="sum")([output(flatten(part)) for part in (real, imaginary)])
        super().__init__(schema, features, logit, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.units, self.layer_norm = embedding_dim, tuple(units), layer_norm
        self.explicit_dropout, self.implicit_dropout = explicit_dropout, implicit_dropout
        self.interaction_l2, self.embedding_l2, self.embedding_dropout = interaction_l2, embedding_l2, embedding_dropout

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "units": self.units,
            "layer_norm": self.layer_norm,
            "explicit_dropout": self.explicit_dropout,
            "implicit_dropout": self.implicit_dropout,
            "interaction_l2": self.interaction_l2,
            "embedding_l2": self.embedding_l2,
            "embedding_dropout": self.embedding_dropout,
        }
