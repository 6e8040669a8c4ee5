"""Deep Interest Evolution Network."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ctrzoo.histories import embed_histories, head
from ctrzoo.idle import refuse_idle, refuse_idle_hidden
from ctrzoo.layers import EventAttention, EventGRU, NextEventLoss
from ctrzoo.layers.recency import by_recency
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Schema
from ctrzoo.types import Config, DType

GRUS = ("gru", "aigru", "agru", "augru")

# Options that need hidden layers of the MLP; its penalty is for other layers too.
HIDDEN = ("dropout", "batch_norm", "batch_norm_momentum", "activation")


@keras.saving.register_keras_serializable("ctrzoo")
class DIEN(CTRModel):
    """DIEN: a GRU over the events of a history, attention to the candidate, and a second GRU that follows it.

    The first GRU makes states of the events. Attention a compares them with the candidate. The last state of the second
    GRU is an input of an MLP, with all other fields, the candidate among them. The second GRU is

    - `"augru"`: `h' = (1 - a u) h + a u n`, u the weight of the new value, as in the paper. The authors' code and
      DeepCTR have `1 - (1 - a) u'` for `a u`, with a gate u' of the old value, which does not stand still at a = 0;
    - `"agru"`: `h' = (1 - a) h + a n`, without the gate;
    - `"aigru"`: an ordinary GRU on the states times a;
    - `"gru"`: an ordinary GRU without attention, which does not see the candidate (as in FuxiCTR; the paper sums its
      states by attention).

    Each history of the schema has its own layers. Defaults are FuxiCTR's, except for the tables, which start from
    N(0, 0.01^2) instead of N(0, 0.0001^2), and the biases of the GRUs, which start at 0. Dice counts all rows in its
    statistics; FuxiCTR leaves out rows without events.
    Source: Zhou et al., AAAI 2019, equations 2 to 12, https://arxiv.org/abs/1809.03672.
    Cost: O(l m^2) per row, for l events of size m, computed one after the other, and the MLP.
    Explanations: `events_k`, the attention to the events of history k, the newest first (not with `gru="gru"`).

    Args:
        schema: The `Schema`, whose sequences share the ids of the candidate's fields.
        embedding_dim: Size of an embedding vector.
        gru: The second GRU: `"augru"`, `"agru"`, `"aigru"` or `"gru"`.
        attention: Scores of the states I for the candidate q: `"bilinear"`, `(I W) . q`, `"dot"`, `I . q`, or
            `"network"`, the unit of DIN.
        attention_units: Widths of the hidden layers of `"network"`.
        attention_activation: Their activation, as in Keras, or `"dice"` or `"prelu"`.
        attention_dropout: Share of their outputs dropped in training.
        use_softmax: Whether the attention to a row's events sums to 1.
        sum_pooling: Whether the MLP also gets the sum of the events, and its product with the candidate.
        auxiliary_weight: Weight of the auxiliary loss, by which each state of the first GRU learns to tell the next
            event from one of another row of the batch, see `ctrzoo.layers.NextEventLoss`. The paper has 1.
        auxiliary_units: Widths of the hidden layers of its network.
        deep_units: Widths of the hidden layers of the MLP; `()` leaves its output layer.
        deep_activation: Their activation, as in Keras, or `"dice"` or `"prelu"`.
        deep_dropout: Share of hidden outputs dropped in training.
        deep_batch_norm: Whether to batch-normalize the hidden layers.
        deep_batch_norm_momentum: Momentum of its moving mean and variance, also those of every Dice: the share
            that a step keeps.
        deep_l2: Strength of the penalty `deep_l2 / 2 * ||kernel||^2` on the hidden kernels and all other kernels.
        use_fm: Whether to add the logit of a factorization machine on the fields that are no sequences.
        linear_l2: Strength of the penalty `linear_l2 / 2 * ||w||^2` on its linear weights.
        embedding_l2: Strength of the penalty `embedding_l2 / 2 * ||table||^2`.
        task: `"classification"`, `"regression"` or `"ranking"`.
        dtype: Dtype policy of all layers, such as `"mixed_bfloat16"`; `None` takes the global one.

    Raises:
        ValueError: If the schema has no sequence, or one without `share`, a name is unknown, or `linear_l2` is given
            without `use_fm`.
    """

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int = 16,
        gru: str = "augru",
        attention: str = "bilinear",
        attention_units: Sequence[int] = (64,),
        attention_activation: str = "dice",
        attention_dropout: float = 0.0,
        use_softmax: bool = True,
        sum_pooling: bool = False,
        auxiliary_weight: float = 0.0,
        auxiliary_units: Sequence[int] = (100, 50),
        deep_units: Sequence[int] = (200, 80),
        deep_activation: str = "relu",
        deep_dropout: float = 0.0,
        deep_batch_norm: bool = True,
        deep_batch_norm_momentum: float = 0.9,
        deep_l2: float = 0.0,
        use_fm: bool = False,
        linear_l2: float = 0.0,
        embedding_l2: float = 0.0,
        task: str = "classification",
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        has_network = gru != "gru" and attention == "network"
        has_dice = has_network and bool(attention_units) and attention_activation == "dice"
        of_network = ["attention_units", "attention_activation", "attention_dropout"]
        if gru == "gru":
            idle = ["attention", "use_softmax", *of_network]
            refuse_idle(DIEN, locals(), idle, "on a GRU without attention", "choose another `gru`")
        elif not has_network:
            refuse_idle(DIEN, locals(), of_network, f"on {attention} attention", "set attention='network'")
        else:
            refuse_idle_hidden(DIEN, locals(), "attention")
        if not auxiliary_weight:
            refuse_idle(DIEN, locals(), ["auxiliary_units"], "without the auxiliary loss", "set `auxiliary_weight`")
        refuse_idle_hidden(DIEN, locals(), "deep", HIDDEN, has_dice)
        if gru not in GRUS:
            raise ValueError(f"`gru` must be one of {', '.join(GRUS)}. Received: {gru!r}.")
        features = feature_inputs(schema)
        embedded, histories = embed_histories(schema, features, embedding_dim, embedding_l2, dtype)
        parts, explanations = [], {}
        for number, history in enumerate(histories, start=1):
            present = ops.cast(history.mask, history.events.dtype)
            states = EventGRU(return_states=True, l2=deep_l2, dtype=dtype, name=f"interests_{number}")(
                history.events, present
            )
            if auxiliary_weight:
                states = NextEventLoss(
                    auxiliary_units, auxiliary_weight, l2=deep_l2, dtype=dtype, name=f"auxiliary_{number}"
                )(states, history.events, history.mask)
            states = states * present[:, :, None]
            scales = present
            if gru != "gru":
                scales = EventAttention(
                    attention,
                    units=attention_units,
                    activation=attention_activation,
                    dropout=attention_dropout,
                    momentum=deep_batch_norm_momentum,
                    use_softmax=use_softmax,
                    l2=deep_l2,
                    dtype=dtype,
                    name=f"attention_{number}",
                )(history.candidate, states, history.mask)
                explanations[f"events_{number}"] = by_recency(scales, history.mask)
            if gru == "aigru":
                states, scales = states * scales[:, :, None], present
            evolution = EventGRU(use_update_gate=gru != "agru", l2=deep_l2, dtype=dtype, name=f"evolution_{number}")
            parts.append(evolution(states, scales))
            if sum_pooling:
                total = ops.sum(history.events, axis=1)
                parts += [total, history.candidate * total]
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
        self.embedding_dim, self.gru, self.attention = embedding_dim, gru, attention
        self.attention_units, self.attention_activation = tuple(attention_units), attention_activation
        self.attention_dropout, self.use_softmax, self.sum_pooling = attention_dropout, use_softmax, sum_pooling
        self.auxiliary_weight, self.auxiliary_units = auxiliary_weight, tuple(auxiliary_units)
        self.deep_units, self.deep_activation, self.deep_dropout = tuple(deep_units), deep_activation, deep_dropout
        self.deep_batch_norm, self.deep_batch_norm_momentum = deep_batch_norm, deep_batch_norm_momentum
        self.deep_l2, self.use_fm, self.linear_l2, self.embedding_l2 = deep_l2, use_fm, linear_l2, embedding_l2

    @property
    def needs_whole_batches(self) -> bool:
        # Between the layers of a step that normalizes the whole batch, replicas would mix up the losses that they add.
        return self.auxiliary_weight > 0

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "gru": self.gru,
            "attention": self.attention,
            "attention_units": self.attention_units,
            "attention_activation": self.attention_activation,
            "attention_dropout": self.attention_dropout,
            "use_softmax": self.use_softmax,
            "sum_pooling": self.sum_pooling,
            "auxiliary_weight": self.auxiliary_weight,
            "auxiliary_units": self.auxiliary_units,
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
