"""Weights of the events of a history for a candidate: the attention unit of DIN, and the scores of DIEN.

Letters: b batch, l slots, e size of an event.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ctrzoo.layers.activations import activation_config, find_activation
from ctrzoo.layers.base import BiasedLayer
from ctrzoo.layers.dense import MLP
from ctrzoo.layers.numerics import linear_map, lowest_score, softmax
from ctrzoo.layers.recency import places
from ctrzoo.types import Activation, Config, Shape, Tensor

SCORES = ("network", "bilinear", "dot")


@keras.saving.register_keras_serializable("ctrzoo")
class EventAttention(BiasedLayer):
    """The weight of each event of a history for a candidate.

    The score of an event k for the candidate q is a network's, `MLP([q, k, q - k, q * k])`, as in DIN, or `(k W) . q`
    (`"bilinear"`, W starts as the identity) or `k . q` (`"dot"`), as in DIEN. Without the softmax, the score is the
    weight: of any size and sign, so that the weights of a long history add up to more. Absent slots have weight 0. They
    do take part in the statistics of Dice, as in FuxiCTR.
    Source: Zhou et al., KDD 2018, section 4.3, https://arxiv.org/abs/1706.06978.

    Args:
        score: `"network"`, `"bilinear"` or `"dot"`.
        units: Widths of the network's hidden layers.
        activation: Their activation, as in `MLP`.
        dropout: Share of their outputs dropped in training.
        momentum: Momentum of the statistics of Dice.
        use_softmax: Whether the weights of the events of a row sum to 1.
        position_dim: Size of an embedding of each event's place, counted from the newest, that the network gets too;
            without it, the order of the events does not count.
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on the kernels of hidden layers.
        kernel_initializer: Initial values of the network's kernels; `None` draws them from Glorot's uniform
            distribution.
        bias_initializer: Initial values of its biases.
        kernel_regularizer: Another regularizer of the kernels, in place of `l2`.

    Input shape: the candidate `(batch, size)`, the events `(batch, slots, size)`, and which slots have one,
    `(batch, slots)` of booleans.
    Output shape: `(batch, slots)`.

    Raises:
        ValueError: If the score is unknown, or `position_dim` is below 1 or given to one without a network.

    >>> events, present = np.ones((2, 3, 4), "float32"), np.array([[True, True, False], [False, False, False]])
    >>> EventAttention("dot", use_softmax=True)(events[:, 0], events, present).numpy().tolist()
    [[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]
    """

    def __init__(
        self,
        score: str = "network",
        units: Sequence[int] = (64,),
        activation: Activation = "dice",
        dropout: float = 0.0,
        momentum: float = 0.9,
        use_softmax: bool = False,
        position_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if score not in SCORES:
            raise ValueError(f"The score must be one of {', '.join(SCORES)}. Received: {score!r}.")
        if position_dim is not None and (not isinstance(position_dim, int) or position_dim < 1):
            raise ValueError(
                f"`position_dim` must be a whole number of at least 1 or None. Received: {position_dim!r}."
            )
        if position_dim is not None and score != "network":
            raise ValueError(f"Only a network takes places. Received: position_dim={position_dim}, score={score!r}.")
        self.score, self.units, self.dropout, self.momentum = score, tuple(units), dropout, momentum
        self.activation = find_activation(activation)
        self.use_softmax, self.position_dim = use_softmax, position_dim

    def build(self, candidate_shape: Shape, events_shape: Shape, present_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        _, slots, size = events_shape
        if candidate_shape[-1] != size:
            raise ValueError(
                f"The candidate and the events must have one size. Received: {candidate_shape}, {events_shape}."
            )
        if self.score == "bilinear":
            self.kernel = self.add_kernel("kernel", (size, size), keras.initializers.Identity())
        if self.score != "network":
            return
        if self.position_dim:
            self.positions = self.add_weight(
                name="positions",
                shape=(slots, self.position_dim),
                initializer=keras.initializers.RandomNormal(stddev=0.01),
            )
        self.network = MLP(
            self.units,
            1,
            activation=self.activation,
            dropout=self.dropout,
            batch_norm_momentum=self.momentum,
            kernel_initializer=self.kernel_initializer,
            bias_initializer=self.bias_initializer,
            kernel_regularizer=self.penalty,
            name="network",
            dtype=self.dtype_policy,
        )
        self.network.build((None, 4 * size + (self.position_dim or 0)))

    def call(self, candidate: Tensor, events: Tensor, present: Tensor, training: bool | None = None) -> Tensor:
        scores = self._scores(candidate, events, present, training)
        if self.use_softmax:
            scores = softmax(ops.where(present, scores, lowest_score(self.compute_dtype)))
        return scores * ops.cast(present, scores.dtype)

    def _scores(self, candidate, events, present, training):
        if self.score != "network":
            if self.score == "bilinear":
                candidate = ops.matmul(candidate, ops.transpose(self.kernel))  # (I W) . q = I . (W q)
            return ops.squeeze(ops.matmul(events, candidate[:, :, None]), axis=-1)
        slots, size = events.shape[1:]
        first = self.network.steps[0]
        of_query, of_event, of_difference, of_product, *of_place = ops.split(
            first.kernel, [size * part for part in range(1, 5)][: 4 if self.position_dim else 3], axis=0
        )
        # The first map of the input [q, e, q - e, q * e], which is not built. The terms in q are computed once per row.
        states = linear_map(events, of_event - of_difference) + linear_map(candidate[:, None] * events, of_product)
        states = states + (ops.matmul(candidate, of_query + of_difference) + first.bias)[:, None]
        if self.position_dim:
            states = states + ops.take(ops.matmul(self.positions, of_place[0]), places(present), axis=0)
        # Rows of a matrix, so that an activation has one slope for each unit, not for each event too.
        states = ops.reshape(states, (-1, states.shape[-1]))
        return ops.reshape(self.network.after_first(states, training), (-1, slots))

    def compute_output_shape(self, candidate_shape: Shape, events_shape: Shape, present_shape: Shape) -> Shape:
        return tuple(events_shape[:2])

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "score": self.score,
            "units": self.units,
            "activation": activation_config(self.activation),
            "dropout": self.dropout,
            "momentum": self.momentum,
            "use_softmax": self.use_softmax,
            "position_dim": self.position_dim,
        }
