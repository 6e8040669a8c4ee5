"""The transformer of BST over the events of a history and the candidate.

Letters: b batch, i = j slots, h heads, s size of a head.
"""

import functools
from typing import Any

import keras
import numpy as np
from keras import ops

from ctrzoo.layers.base import BiasedLayer, ExplainingLayer
from ctrzoo.layers.numerics import fresh, glorot_uniform, layer_norm, linear_map, lowest_score, softmax
from ctrzoo.layers.recency import places
from ctrzoo.types import Config, Shape, Tensor

ORDERS = ("newest", "oldest")


@keras.saving.register_keras_serializable("ctrzoo")
class JoinPositions(keras.layers.Layer):
    """Join a trainable vector of its position to each event and to the candidate, which is last.

    Positions start as sinusoids: `sin(t / 10000^(2i/d))` in the even entries, `cos` in the odd ones. Counted from the
    newest, the events have the last positions before the candidate, so that a position means how recent an event is;
    this is the model of rows padded on the left. Counted from the oldest, the first event has position 0.

    Args:
        dim: Size of a position's vector.
        count_from: `"newest"` or `"oldest"`.

    Input shape: states `(batch, slots, size)`, and which slots have one, `(batch, slots)` of booleans; the last
    slot is the candidate's.
    Output shape: `(batch, slots, size + dim)`.

    Raises:
        ValueError: If `count_from` is unknown.

    >>> JoinPositions(1)(np.zeros((1, 3, 1)), np.array([[True, False, True]])).numpy()[0, :, 1].round(2)
    array([0.84, 0.84, 0.91], dtype=float32)
    """

    def __init__(self, dim: int, count_from: str = "newest", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if count_from not in ORDERS:
            raise ValueError(f"Positions count from the {' or the '.join(ORDERS)} event. Received: {count_from!r}.")
        self.dim, self.count_from = dim, count_from

    def build(self, states_shape: Shape, present_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        shape = (states_shape[1], self.dim)
        self.positions = self.add_weight(name="positions", shape=shape, initializer=_sinusoids)

    def call(self, states: Tensor, present: Tensor) -> Tensor:
        slots = states.shape[1]
        if self.count_from == "newest":
            of_events = slots - 2 - places(present[:, :-1])
            positions = ops.concatenate([of_events, slots - 1 + 0 * of_events[:, :1]], axis=1) if slots > 1 else None
            vectors = ops.take(self.positions, positions, axis=0)
        else:
            vectors = ops.zeros_like(states[:, :, :1]) + self.positions
        return ops.concatenate([states, vectors], axis=-1)

    def compute_output_shape(self, states_shape: Shape, present_shape: Shape) -> Shape:
        batch, slots, size = states_shape
        return (batch, slots, size + self.dim)

    def get_config(self) -> Config:
        return {**super().get_config(), "dim": self.dim, "count_from": self.count_from}


def _sinusoids(shape, dtype=None):
    slots, dim = shape
    angles = np.arange(slots)[:, None] * 10000.0 ** (-2 * (np.arange(dim) // 2) / dim)
    return ops.convert_to_tensor(np.where(np.arange(dim) % 2, np.cos(angles), np.sin(angles)), dtype)


@keras.saving.register_keras_serializable("ctrzoo")
class EventTransformer(ExplainingLayer, BiasedLayer):
    """A transformer block over slots, some of which are absent: attention, then a network of the same width.

    `o = norm(x + W concat(heads) + c)`, `y = norm(o + W2 leaky_relu(W1 o + b1) + b2)`, with slope 0.01. A slot attends
    to the slots that are present, and an absent one to itself too, so that its weights are defined.
    Source: Chen et al., DLP-KDD 2019, section 2.2, https://arxiv.org/abs/1905.06874.

    Args:
        num_heads: Number of attention heads; it divides the size of a state.
        use_norm: Whether to normalize each sum over its entries.
        use_residual: Whether to add the input of each part to its output.
        causal: Whether a slot attends only to itself and to the slots before it.
        attention_dropout: Share of attention weights dropped in training.
        dropout: Share of the outputs of both parts dropped in training.
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on each kernel.
        kernel_initializer: Initial values of the kernels; `None` draws them from Glorot's uniform distribution.
        bias_initializer: Initial values of the biases.
        kernel_regularizer: Another regularizer of the kernels, in place of `l2`.
        return_explanations: Whether to return the attention, the mean over heads, too.

    Input shape: states `(batch, slots, size)`, and which slots are present, `(batch, slots)` of booleans.
    Output shape: states `(batch, slots, size)`. With `return_explanations` also the attention `(batch, slots, slots)`.

    Raises:
        ValueError: If the number of heads does not divide the size of a state.

    >>> EventTransformer(2)(np.ones((2, 3, 4), "float32"), np.ones((2, 3), "bool")).shape
    TensorShape([2, 3, 4])
    """

    def __init__(
        self,
        num_heads: int = 2,
        use_norm: bool = True,
        use_residual: bool = True,
        causal: bool = False,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads, self.use_norm, self.use_residual, self.causal = num_heads, use_norm, use_residual, causal
        self.attention_dropout, self.dropout = attention_dropout, dropout
        self.drop_attention = keras.layers.Dropout(attention_dropout, dtype=self.dtype_policy)
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        norm = functools.partial(keras.layers.LayerNormalization, epsilon=1e-5, dtype=self.dtype_policy)
        self.attention_norm, self.output_norm = (
            (norm(name="attention_norm"), norm(name="output_norm")) if use_norm else (None, None)
        )

    def build(self, states_shape: Shape, present_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        size = states_shape[-1]
        if size % self.num_heads:
            raise ValueError(
                f"`num_heads` must divide the size of a state, {size}. Received: {self.num_heads}. The size is that of "
                "a joined event, with its position if it has one."
            )
        self.projection_kernel = self.add_kernel("projection_kernel", (size, 3 * size), glorot_uniform(size, 3 * size))
        self.projection_bias = self.add_bias("projection_bias", (3 * size,))
        self.join_heads = self._dense(size, "join_heads", states_shape)
        self.hidden = self._dense(size, "hidden", states_shape)
        self.output_layer = self._dense(size, "output", states_shape)
        for norm in (self.attention_norm, self.output_norm):
            if norm is not None:
                norm.build(states_shape)

    def _dense(self, size, name, shape):
        dense = keras.layers.Dense(
            size,
            kernel_initializer=fresh(self.kernel_initializer) or "glorot_uniform",
            bias_initializer=fresh(self.bias_initializer),
            kernel_regularizer=self.penalty,
            name=name,
            dtype=self.dtype_policy,
        )
        dense.build(shape)
        return dense

    def call(self, states: Tensor, present: Tensor, training: bool | None = None) -> Tensor:
        summed, attention = self._attend(states, present, training)
        states = self._added(states, self.join_heads(summed), self.attention_norm, training)
        changed = self.output_layer(ops.leaky_relu(self.hidden(states), negative_slope=0.01))
        return self.chosen(self._added(states, changed, self.output_norm, training), attention)

    def _attend(self, states, present, training):
        """Return the heads' weighted sums, joined, and the attention averaged over heads."""
        slots, size = states.shape[1:]
        allowed = ops.logical_or(present[:, None], ops.convert_to_tensor(np.eye(slots, dtype=bool)))
        if self.causal:
            allowed = ops.logical_and(allowed, ops.convert_to_tensor(np.tri(slots, dtype=bool)))
        # The weights are cut into heads, not the activations: nothing of the batch is split or transposed.
        pieces = 3 * self.num_heads
        kernels, biases = ops.split(self.projection_kernel, pieces, axis=-1), ops.split(self.projection_bias, pieces)
        summed, attentions = [], []
        for head in range(self.num_heads):
            queries, keys, values = (
                linear_map(states, kernels[piece]) + biases[piece] for piece in range(head, pieces, self.num_heads)
            )
            queries = queries * (size // self.num_heads) ** -0.5
            scores = ops.where(
                allowed, ops.matmul(queries, ops.transpose(keys, (0, 2, 1))), lowest_score(self.compute_dtype)
            )
            attentions.append(softmax(scores))
            summed.append(ops.matmul(self.drop_attention(attentions[-1], training=training), values))
        return ops.concatenate(summed, axis=-1), sum(attentions) / self.num_heads

    def _added(self, states, change, norm, training):
        change = self.drop(change, training=training)
        states = states + change if self.use_residual else change
        return states if norm is None else layer_norm(norm, states)

    def compute_output_shape(self, states_shape: Shape, present_shape: Shape) -> Shape:
        batch, slots, _ = states_shape
        return self.chosen(tuple(states_shape), (batch, slots, slots))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "use_norm": self.use_norm,
            "use_residual": self.use_residual,
            "causal": self.causal,
            "attention_dropout": self.attention_dropout,
            "dropout": self.dropout,
        }
