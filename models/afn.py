"""AFN and AFN+: the adaptive factorization network."""

from collections.abc import Sequence
from typing import Any

import keras

from ctrzoo.idle import refuse_idle_hidden
from ctrzoo.layers import MLP, FieldEmbedding, LogarithmicNeurons
from ctrzoo.model import CTRModel, deep_logit, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType


@keras.saving.register_keras_serializable("ctrzoo")
class AFN(CTRModel):
    """Adaptive factorization network: an MLP on products of the fields, whose exponents are learned.

    The logarithm takes the absolute value of each entry, at least 1e-5. A smaller entry, such as that of an absent
    field, has no gradient. FuxiCTR draws tables from N(0, 0.0001^2), where this holds for 8% of the entries; here they
    come from N(0, 0.01^2), where it holds for 0.08%. There is no dropout of embeddings, because its zeros would count
    as 1e-5. AFN+ adds an MLP on embeddings of its own; both are trained jointly, while the authors first train them
    separately.
    Source: Cheng, Shen, Huang, AAAI 2020, https://arxiv.org/abs/1909.03276.
    Cost: O(K n d + K d h) per row, for K neurons and a first hidden layer of h, and the rest of the MLP.
    Explanations: none.

    Args:
        schema: The `Schema`.
        embedding_dim: Size of an embedding vector.
        num_neurons: Number of logarithmic neurons, each a product of powers of all fields.
        neuron_l2: Strength of the penalty `neuron_l2 / 2 * ||w||^2` on their exponents.
        batch_norm_momentum: Momentum of the moving means and variances of logarithms and products, which are always
            batch-normalized: the share that a step keeps.
        hidden_units: Widths of the MLP's hidden layers.
        hidden_dropout: Share of its hidden outputs dropped in training.
        hidden_batch_norm: Whether it uses batch normalization.
        hidden_batch_norm_momentum: Momentum of its moving mean and variance: the share that a step keeps.
        hidden_l2: Strength of the penalty `hidden_l2 / 2 * ||kernel||^2` on its hidden kernels.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`, on AFN+'s second table too.
        deep_units: Hidden widths of AFN+'s second MLP; `()` for none, (400, 400) for AFN+.
        deep_dropout: Share of the second MLP's hidden outputs dropped in training.
        deep_batch_norm: Whether the second MLP uses batch normalization.
        deep_batch_norm_momentum: Momentum of its moving mean and variance.
        deep_l2: Strength of the penalty `deep_l2 / 2 * ||kernel||^2` on the second MLP's hidden kernels.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.
    """

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int = 16,
        num_neurons: int = 800,
        neuron_l2: float = 0.0,
        batch_norm_momentum: float = 0.9,
        hidden_units: Sequence[int] = (400, 400),
        hidden_dropout: float = 0.0,
        hidden_batch_norm: bool = False,
        hidden_batch_norm_momentum: float = 0.9,
        hidden_l2: float = 0.0,
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
        refuse_idle_hidden(AFN, locals(), "hidden")
        refuse_idle_hidden(AFN, locals(), "deep")
        features = feature_inputs(schema)
        options: dict[str, Any] = {"l2": embedding_l2, "dtype": dtype}
        embedded = FieldEmbedding(schema, embedding_dim, name="embedding", **options)(features)
        products = LogarithmicNeurons(num_neurons, batch_norm_momentum, l2=neuron_l2, dtype=dtype, name="neurons")(
            embedded
        )
        logit = MLP(
            hidden_units,
            output_dim=1,
            dropout=hidden_dropout,
            batch_norm=hidden_batch_norm,
            batch_norm_momentum=hidden_batch_norm_momentum,
            l2=hidden_l2,
            dtype=dtype,
            name="hidden",
        )(keras.layers.Flatten(dtype=dtype, name="flat_neurons")(products))
        if deep_units:
            others = FieldEmbedding(schema, embedding_dim, name="deep_embedding", **options)(features)
            deep = deep_logit(
                others, deep_units, deep_dropout, deep_batch_norm, deep_l2, deep_batch_norm_momentum, dtype
            )
            logits = keras.layers.Concatenate(dtype=dtype, name="logits")([logit, deep])
            logit = keras.layers.Dense(1, dtype=dtype, name="output")(logits)
        super().__init__(schema, features, logit, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.num_neurons, self.neuron_l2 = embedding_dim, num_neurons, neuron_l2
        self.batch_norm_momentum, self.embedding_l2 = batch_norm_momentum, embedding_l2
        self.hidden_units, self.hidden_dropout, self.hidden_l2 = tuple(hidden_units), hidden_dropout, hidden_l2
        self.hidden_batch_norm, self.hidden_batch_norm_momentum = hidden_batch_norm, hidden_batch_norm_momentum
        self.deep_units, self.deep_dropout, self.deep_l2 = tuple(deep_units), deep_dropout, deep_l2
        self.deep_batch_norm, self.deep_batch_norm_momentum = deep_batch_norm, deep_batch_norm_momentum

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "num_neurons": self.num_neurons,
            "neuron_l2": self.neuron_l2,
            "batch_norm_momentum": self.batch_norm_momentum,
            "hidden_units": self.hidden_units,
            "hidden_dropout": self.hidden_dropout,
            "hidden_batch_norm": self.hidden_batch_norm,
            "hidden_batch_norm_momentum": self.hidden_batch_norm_momentum,
            "hidden_l2": self.hidden_l2,
            "embedding_l2": self.embedding_l2,
            "deep_units": self.deep_units,
            "deep_dropout": self.deep_dropout,
            "deep_batch_norm": self.deep_batch_norm,
            "deep_batch_norm_momentum": self.deep_batch_norm_momentum,
            "deep_l2": self.deep_l2,
        }
