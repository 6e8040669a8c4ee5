"""DLRM: the deep learning recommendation model."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from ctrzoo.idle import refuse_idle
from ctrzoo.layers import MLP, DotInteraction, FieldEmbedding, NumericalValues, PairProducts
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class DLRM(CTRModel):
    """DLRM: an MLP on the inner products among all embeddings and one vector made from the numerical fields.

    A bottom MLP (ReLU after every layer) turns all numerical fields into one vector. The top MLP takes this vector and
    the inner products of all pairs among the vector and the embeddings of the other fields. Numerical fields are not
    embedded: their rows of the table stay unused. Vectors are embedded, as are all other fields. Without numerical
    fields, the model has no bottom MLP.
    Source: Naumov et al., 2019, section 2, https://arxiv.org/abs/1906.00091.
    Cost: O(n^2 d) per row, and the two MLPs.
    Explanations: with `interaction="dot"`: `pairs`, the inner product of each pair of embedded fields, and
        `with_numbers`, the inner product of each embedded field with the vector of the numerical fields (zero for
        numerical fields). Otherwise none.

    Args:
        schema: The `Schema`.
        interaction: `"dot"`, or `"concat"` for a simplification without inner products, in which the vectors
            themselves enter the top MLP.
        embedding_dim: Size of an embedding vector.
        bottom_units: Hidden widths of the bottom MLP; a layer of size `embedding_dim` follows.
        self_interaction: With `"dot"`, whether the squared norms of the vectors enter the top MLP too.
        numerical_log: Whether a number x enters as `ln(1 + max(x, 0))`; otherwise unchanged.
        embedding_dropout: Share of embedding entries dropped in training.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        deep_units: Hidden widths of the top MLP.
        deep_dropout: Share of both MLPs' hidden outputs dropped in training.
        deep_batch_norm: Whether both MLPs use batch normalization.
        deep_batch_norm_momentum: Momentum of its moving mean and variance: the share that a step keeps.
        deep_l2: Strength of the penalty `deep_l2 / 2 * ||kernel||^2` on both MLPs' hidden kernels.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If the interaction is unknown, or if it is `"dot"` and the model has fewer than two vectors.
    """

    def __init__(
        self,
        schema: Schema,
        interaction: str = "dot",
        embedding_dim: int = 16,
        bottom_units: Sequence[int] = (512, 256, 64),
        self_interaction: bool = False,
        numerical_log: bool = True,
        embedding_dropout: float = 0.0,
        embedding_l2: float = 0.0,
        deep_units: Sequence[int] = (512, 256),
        deep_dropout: float = 0.0,
        deep_batch_norm: bool = False,
        deep_batch_norm_momentum: float = 0.9,
        deep_l2: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        if not deep_batch_norm:
            momentum = ["deep_batch_norm_momentum"]
            refuse_idle(DLRM, locals(), momentum, "without batch normalization", "set deep_batch_norm=True")
        if interaction not in ("dot", "concat"):
            raise ValueError(f"The interaction must be 'dot' or 'concat'. Received: {interaction!r}.")
        mlp = {
            "dropout": deep_dropout,
            "batch_norm": deep_batch_norm,
            "batch_norm_momentum": deep_batch_norm_momentum,
            "l2": deep_l2,
        }
        features = feature_inputs(schema)
        is_embedded = [field.kind != "numerical" for field in schema.fields]
        vectors, numbers, embedded = [], None, None
        if not all(is_embedded):
            values = NumericalValues(schema, numerical_log, dtype=dtype, name="numbers")(features)
            numbers = MLP((*bottom_units, embedding_dim), dtype=dtype, name="bottom", **mlp)(values)
            vectors.append(ops.expand_dims(numbers, axis=1))
        if any(is_embedded):
            # The embedding treats numerical fields as absent: their numbers may be too large for its precision.
            embedded = features
            if numbers is not None:
                of_slots = np.take(is_embedded, schema.slot_fields)
                embedded = {name: ops.where(of_slots, tensor, 0) for name, tensor in features.items()}
            embedded = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(embedded)
            embedded = keras.layers.Dropout(embedding_dropout, dtype=dtype, name="embedding_dropout")(embedded)
            vectors.append(ops.take(embedded, np.flatnonzero(is_embedded), axis=1))
        vectors = ops.concatenate(vectors, axis=1)

        joined, explanations = keras.layers.Flatten(dtype=dtype, name="flat_vectors")(vectors), {}
        if interaction == "dot":
            joined = DotInteraction(self_interaction, dtype=dtype, name="dots")(vectors)
            if numbers is not None:
                joined = keras.layers.Concatenate(dtype=dtype, name="top_input")([numbers, joined])
            if embedded is not None:
                explanations["pairs"] = PairProducts(dtype=dtype, name="pairs")(embedded)
                if numbers is not None:
                    explanations["with_numbers"] = ops.einsum("bnd,bd->bn", embedded, numbers)
        logit = MLP(deep_units, output_dim=1, dtype=dtype, name="top", **mlp)(joined)
        super().__init__(schema, features, logit, explanations, task=task, dtype=dtype, **kwargs)
        self.interaction, self.embedding_dim, self.bottom_units = interaction, embedding_dim, tuple(bottom_units)
        self.self_interaction, self.numerical_log = self_interaction, numerical_log
        self.embedding_dropout, self.embedding_l2 = embedding_dropout, embedding_l2
        self.deep_units, self.deep_dropout = tuple(deep_units), deep_dropout
        self.deep_batch_norm, self.deep_batch_norm_momentum = deep_batch_norm, deep_batch_norm_momentum
        self.deep_l2 = deep_l2

    @property
    def pairs_add_up(self) -> bool:
        return False

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "interaction": self.interaction,
            "embedding_dim": self.embedding_dim,
            "bottom_units": self.bottom_units,
            "self_interaction": self.self_interaction,
            "numerical_log": self.numerical_log,
            "embedding_dropout": self.embedding_dropout,
            "embedding_l2": self.embedding_l2,
            "deep_units": self.deep_units,
            "deep_dropout": self.deep_dropout,
            "deep_batch_norm": self.deep_batch_norm,
            "deep_batch_norm_momentum": self.deep_batch_norm_momentum,
            "deep_l2": self.deep_l2,
        }
