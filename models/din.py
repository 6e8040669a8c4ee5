"""Deep Interest Network."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ctrzoo.histories import embed_histories, head
from ctrzoo.idle import refuse_idle_hidden
from ctrzoo.layers import EventAttention
from ctrzoo.layers.recency import by_recency
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType

# Options that need hidden layers of the MLP; its penalty is for other layers too.
HIDDEN = ("dropout", "batch_norm", "batch_norm_momentum", "activation")


@keras.saving.register_keras_serializable("ctrzoo")
class DIN(CTRModel):
    """DIN: the events of a history, weighted by how well each fits the candidate, are summed for an MLP.

    Each history of the schema has its own attention unit, an MLP on `[q, k, q - k, q * k]` for the candidate q and an
    event k. Its columns (the item and its category) are joined. The inputs of the MLP on top are all other fields, the
    candidate among them, then the sums. Defaults are FuxiCTR's, except for the embedding size (10 there) and the
    initial weights. FuxiCTR draws kernels from Xavier's normal distribution, and tables from N(0, 0.0001^2), with which
    sums of events start close to 0; here tables come from N(0, 0.01^2). The paper's unit has the outer product of q and
    k in place of the last two parts.
    Source: Zhou et al., KDD 2018, equation 3, https://arxiv.org/abs/1706.06978.
    Cost: O(l m h) per row, for l events of size m and a first hidden layer of h in the attention unit, and the MLP.
    Explanations: `events_k`, the weights of the events of history k, the newest first.

    Args:
        schema: The `Schema`, whose sequences share the ids of the candidate's fields.
        embedding_dim: Size of an embedding vector.
        attention_units: Widths of the hidden layers of a unit.
        attention_activation: Their activation, as in Keras, or `"dice"` or `"prelu"`.
        attention_dropout: Share of their outputs dropped in training.
        use_softmax: Whether the weights of a row's events sum to 1. Otherwise each may have any size and sign.
        position_dim: Size of an embedding of the place of an event, counted from the newest, that the unit gets too.
            With None, as in the paper, the order of the events does not count.
        deep_units: Widths of the hidden layers of the MLP; `()` leaves its output layer.
        deep_activation: Their activation, as in Keras, or `"dice"` or `"prelu"`.
        deep_dropout: Share of hidden outputs dropped in training.
        deep_batch_norm: Whether to batch-normalize the hidden layers.
        deep_batch_norm_momentum: Momentum of its moving mean and variance, also those of every Dice: the share
            that a step keeps.
        deep_l2: Strength of the penalty `deep_l2 / 2 * ||kernel||^2` on the hidden kernels, also of the units.
        use_fm: Whether to add the logit of a factorization machine on the fields that are no sequences.
        linear_l2: Strength of the penalty `linear_l2 / 2 * ||w||^2` on its linear weights.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If the schema has no sequence, or one without `share`, or `linear_l2` is given without `use_fm`.
    """

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int = 16,
        attention_units: Sequence[int] = (64,),
        attention_activation: str = "dice",
        attention_dropout: float = 0.0,
        use_softmax: bool = False,
        position_dim: int | None = None,
        deep_units: Sequence[int] = (512, 128, 64),
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
        has_dice = bool(attention_units) and attention_activation == "dice"
        refuse_idle_hidden(DIN, locals(), "attention")
        refuse_idle_hidden(DIN, locals(), "deep", HIDDEN if attention_units else (*HIDDEN, "l2"), has_dice)
        features = feature_inputs(schema)
        embedded, histories = embed_histories(schema, features, embedding_dim, embedding_l2, dtype)
        parts, explanations = [], {}
        for number, history in enumerate(histories, start=1):
            weights = EventAttention(
                units=attention_units,
                activation=attention_activation,
                dropout=attention_dropout,
                momentum=deep_batch_norm_momentum,
                use_softmax=use_softmax,
                position_dim=position_dim,
                l2=deep_l2,
                dtype=dtype,
                name=f"attention_{number}",
            )(history.candidate, history.events, history.mask)
            parts.append(ops.squeeze(ops.matmul(weights[:, None], history.events), axis=1))
            explanations[f"events_{number}"] = by_recency(weights, history.mask)
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
        super().__init__(schema, features, logit, explanations, task=task, dtype=dtype, **kwargs)
        self.embedding_dim, self.attention_units = embedding_dim, tuple(attention_units)
        self.attention_activation, self.attention_dropout = attention_activation, attention_dropout
        self.use_softmax, self.position_dim = use_softmax, position_dim
        self.deep_units, self.deep_activation, self.deep_dropout = tuple(deep_units), deep_activation, deep_dropout
        self.deep_batch_norm, self.deep_batch_norm_momentum = deep_batch_norm, deep_batch_norm_momentum
        self.deep_l2, self.use_fm, self.linear_l2, self.embedding_l2 = deep_l2, use_fm, linear_l2, embedding_l2

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "attention_units": self.attention_units,
            "attention_activation": self.attention_activation,
            "attention_dropout": self.attention_dropout,
            "use_softmax": self.use_softmax,
            "position_dim": self.position_dim,
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
