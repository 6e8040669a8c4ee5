"""MLP on pooled histories, the baseline of models that read histories."""

from collections.abc import Sequence
from typing import Any

import keras

from ctrzoo.histories import head
from ctrzoo.idle import refuse_idle_hidden
from ctrzoo.layers import FieldEmbedding
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class Pooled(CTRModel):
    """MLP on all fields, where each history is pooled as its schema says, and on its product with the candidate.

    The product is that of the candidate's embedding and the pooled one, entry by entry. It lets one layer see whether
    events resemble the candidate. Neither knows the order of the events.
    Source: Covington et al., RecSys 2016, section 3.2, https://doi.org/10.1145/2959100.2959190 (pooling by the mean);
    the product is a term of an FM, Rendle, ICDM 2010, equation 1.
    Cost: O(l d + n d h) per row, for l events and a first hidden layer of h, and the rest of the MLP.
    Explanations: none.

    Args:
        schema: The `Schema`, with at least one sequence.
        embedding_dim: Size of an embedding vector.
        candidate_product: Whether the MLP gets the products too, of each sequence that shares the ids of a field.
        deep_units: Widths of the hidden layers of the MLP; `()` leaves its output layer.
        deep_activation: Their activation, as in Keras, or `"dice"` or `"prelu"`.
        deep_dropout: Share of hidden outputs dropped in training.
        deep_batch_norm: Whether to batch-normalize the hidden layers.
        deep_batch_norm_momentum: Momentum of its moving mean and variance, also those of Dice: the share
            that a step keeps.
        deep_l2: Strength of the penalty `deep_l2 / 2 * ||kernel||^2` on the hidden kernels.
        use_fm: Whether to add the logit of a factorization machine on the fields that are no sequences.
        linear_l2: Strength of the penalty `linear_l2 / 2 * ||w||^2` on its linear weights.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If the schema has no sequence, or none shares ids for `candidate_product`, or `linear_l2` is given
            without `use_fm`.
    """

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int = 16,
        candidate_product: bool = True,
        deep_units: Sequence[int] = (400, 400),
        deep_activation: str = "relu",
        deep_dropout: float = 0.0,
        deep_batch_norm: bool = False,
        deep_batch_norm_momentum: float = 0.9,
        deep_l2: float = 0.0,
        use_fm: bool = False,
        linear_l2: float = 0.0,
        embedding_l2: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        refuse_idle_hidden(Pooled, locals())
        sequences = [index for index, field in enumerate(schema.fields) if field.kind == "sequence"]
        shared = [index for index in sequences if schema.fields[index].share is not None]
        if not sequences or (candidate_product and not shared):
            lack = "shares the ids of a candidate; set candidate_product=False" if sequences else "is a sequence"
            raise ValueError(f"The model reads histories, but no {'sequence' if sequences else 'field'} {lack}.")
        features = feature_inputs(schema)
        whole = FieldEmbedding(schema, embedding_dim, l2=embedding_l2, dtype=dtype, name="embedding")(features)
        others = [index for index in range(schema.num_fields) if index not in sequences]
        embedded = keras.ops.take(whole, others, axis=1)
        parts = [whole[:, index] for index in sequences]
        if candidate_product:
            candidates = [schema.names.index(str(schema.fields[index].share)) for index in shared]
            parts += [whole[:, one] * whole[:, other] for one, other in zip(shared, candidates, strict=True)]
        logit = head(
            schema,
            features,
            embedded,
            parts,
            units=deep_units,
            activation=deep_activation,
            dropout=deep_dropout,
            batch_norm=deep_batch_norm,
            batch_norm_momentum=deep_batch_norm_momentum,
            l2=deep_l2,
            use_fm=use_fm,
            linear_l2=linear_l2,
            dtype=dtype,
        )
        super().__init__(schema, features, logit, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.candidate_product = embedding_dim, candidate_product
        self.deep_units, self.deep_activation, self.deep_dropout = tuple(deep_units), deep_activation, deep_dropout
        self.deep_batch_norm, self.deep_batch_norm_momentum = deep_batch_norm, deep_batch_norm_momentum
        self.deep_l2, self.use_fm, self.linear_l2, self.embedding_l2 = deep_l2, use_fm, linear_l2, embedding_l2

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "candidate_product": self.candidate_product,
            "deep_units": self.deep_units,
            "deep_activation": self.deep_activation,
            "deep_dropout": self.deep_dropout,
            "deep_batch_norm": self.deep_batch_norm,
            "deep_batch_norm_momentum": self.deep_batch_norm_momentum,
            "deep_l2": self.deep_l2,
            "use_fm": self.use_fm,
            "linear_l2": self.linear_l2,
            "embedding_l2": self.embedding_l2,
        }
