"""The blocks of InterHAt: a transformer over fields, attention pooling, and one order of its products.

Letters: b batch, n = i = j fields, d input size, u output size of a head, h heads, k layers or orders.
"""

from typing import Any

import keras
from keras import ops

from ctrzoo.layers.attention import FieldAttention
from ctrzoo.layers.base import BiasedLayer, ExplainingLayer, KernelLayer
from ctrzoo.layers.numerics import fresh, softmax
from ctrzoo.types import Config, Shape, Tensor


@keras.saving.register_keras_serializable("ctrzoo")
class TransformerBlock(ExplainingLayer, BiasedLayer):
    """A transformer encoder block over fields: self-attention, then a feed-forward network.

    Each of the two adds its input and normalizes the sum: `x = norm(x + W concat(heads))`,
    `x = norm(x + W2 relu(W1 x + b1) + b2)`. Scores are scaled, projections linear and without bias.
    Source: Vaswani et al., 2017, sections 3.1 to 3.3, https://arxiv.org/abs/1706.03762.

    Args:
        units: Size of all heads together; a multiple of `num_heads`.
        num_heads: Number of attention heads.
        feed_forward_units: Hidden size of the feed-forward network.
        attention_dropout: Share of attention weights dropped in training.
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on each kernel.
        kernel_initializer: Initial values of the kernels; `None` draws them from Glorot's uniform distribution.
        bias_initializer: Initial values of the biases.
        kernel_regularizer: Another regularizer of the kernels, in place of `l2`.
        return_explanations: Whether to return the attention too.

    Input shape: `(batch, fields, dim)`.
    Output shape: states `(batch, fields, dim)`. With `return_explanations` also the attention
    `(batch, heads, fields, fields)`.

    >>> TransformerBlock(4)(np.ones((2, 3, 5))).shape
    TensorShape([2, 3, 5])
    """

    def __init__(
        self,
        units: int,
        num_heads: int = 2,
        feed_forward_units: int = 64,
        attention_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if feed_forward_units < 1:
            raise ValueError(f"`feed_forward_units` must be at least 1. Received: {feed_forward_units}.")
        self.units, self.num_heads, self.feed_forward_units = units, num_heads, feed_forward_units
        self.attention_dropout = attention_dropout
        common: dict[str, Any] = {"dtype": self.dtype_policy}
        kernels = {"kernel_initializer": self.kernel_initializer, "kernel_regularizer": self.penalty}
        self.attention = FieldAttention(
            units,
            num_heads,
            activation=None,
            use_residual=False,
            scale_scores=True,
            attention_dropout=attention_dropout,
            return_explanations=True,
            name="attention",
            **kernels,
            **common,
        )
        self.attention_norm = keras.layers.LayerNormalization(epsilon=1e-6, name="attention_norm", **common)
        self.hidden = self._dense(feed_forward_units, "hidden", activation="relu")
        self.output_norm = keras.layers.LayerNormalization(epsilon=1e-6, name="output_norm", **common)

    def build(self, input_shape: Shape) -> None:
        batch, fields, dim = input_shape
        self.join_heads = self._dense(dim, "join_heads", use_bias=False)
        self.output_layer = self._dense(dim, "output")
        self.attention.build(input_shape)
        self.join_heads.build((batch, fields, self.units))
        self.attention_norm.build(input_shape)
        self.hidden.build(input_shape)
        self.output_layer.build((batch, fields, self.feed_forward_units))
        self.output_norm.build(input_shape)

    def call(self, states: Tensor, training: bool | None = None) -> Tensor:
        heads, attention = self.attention(states, training=training)
        states = self.attention_norm(states + self.join_heads(heads))
        return self.chosen(self.output_norm(states + self.output_layer(self.hidden(states))), attention)

    def _dense(self, width, name, **options):
        return keras.layers.Dense(
            width,
            kernel_initializer=fresh(self.kernel_initializer) or "glorot_uniform",
            bias_initializer=fresh(self.bias_initializer),
            kernel_regularizer=self.penalty,
            name=name,
            dtype=self.dtype_policy,
            **options,
        )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, fields, _ = input_shape
        return self.chosen(input_shape, (batch, self.num_heads, fields, fields))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "num_heads": self.num_heads,
            "feed_forward_units": self.feed_forward_units,
            "attention_dropout": self.attention_dropout,
        }


@keras.saving.register_keras_serializable("ctrzoo")
class AttentionPooling(ExplainingLayer, KernelLayer):
    """Sum vectors with attention weights: `softmax over j of c . relu(W x_j)`.

    InterHAt pools the fields of each order with it, then the orders.
    Source: Li et al., WSDM 2020, https://doi.org/10.1145/3336191.3371785.

    Args:
        units: Size of the hidden layer of the scores.
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on each kernel.
        kernel_initializer: Initial values of the kernels; `None` draws them from Glorot's uniform distribution.
        kernel_regularizer: Another regularizer of the kernels, in place of `l2`.
        return_explanations: Whether to return the weights too.

    Input shape: `(batch, vectors, dim)`.
    Output shape: the sum `(batch, dim)`. With `return_explanations` also the weights `(batch, vectors)`.

    >>> AttentionPooling(4, return_explanations=True)(np.ones((1, 2, 5)))[1].numpy()
    array([[0.5, 0.5]], dtype=float32)
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"`units` must be at least 1. Received: {units}.")
        self.units = units

    def build(self, input_shape: Shape) -> None:
        self.hidden_kernel = self.add_kernel("hidden_kernel", (input_shape[-1], self.units))
        self.score_kernel = self.add_kernel("score_kernel", (self.units, 1))

    def call(self, vectors: Tensor) -> Tensor:
        scores = ops.matmul(ops.relu(ops.matmul(vectors, self.hidden_kernel)), self.score_kernel)
        weights = softmax(scores, axis=1)
        return self.chosen(ops.sum(weights * vectors, axis=1), ops.squeeze(weights, axis=-1))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, vectors, dim = input_shape
        return self.chosen((batch, dim), (batch, vectors))

    def get_config(self) -> Config:
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("ctrzoo")
class ProductAttention(ExplainingLayer, KernelLayer):
    """Each field attends, with its own weights, over its products with all fields.

    This is one order of InterHAt as GraphCTR released it: `q_ij = x_i * y_j`, `A_ij = softmax over j of
    v_i . relu(V_i q_ij)`, output `x_i + sum over j of A_ij q_ij`. The ReLU acts on every pair and unit, so a
    tensor `(fields, batch, fields, units)` cannot be avoided. The sum is `x_i * sum A_ij y_j`.
    Source: the public code of Li et al., 2021, https://arxiv.org/abs/2105.11866.

    Args:
        units: Size of the hidden layer of the scores.
        attention_dropout: Share of attention weights dropped in training.
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on each kernel.
        kernel_initializer: Initial values of the kernels; `None` draws them from Glorot's uniform distribution.
        kernel_regularizer: Another regularizer of the kernels, in place of `l2`.
        return_explanations: Whether to return the attention too.

    Input shape: `states` (x) and `first` (y), each `(batch, fields, dim)`.
    Output shape: states `(batch, fields, dim)`. With `return_explanations` also the attention
    `(batch, fields, fields)`.

    >>> ProductAttention(4)(np.ones((2, 3, 5)), np.ones((2, 3, 5))).shape
    TensorShape([2, 3, 5])
    """

    def __init__(self, units: int, attention_dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"`units` must be at least 1. Received: {units}.")
        self.units, self.attention_dropout = units, attention_dropout
        self.drop_attention = keras.layers.Dropout(attention_dropout, dtype=self.dtype_policy)

    def build(self, states_shape: Shape, first_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        if states_shape[1:] != first_shape[1:]:
            raise ValueError(f"`states` and `first` must have one shape. Received: {states_shape}, {first_shape}.")
        _, self.num_fields, dim = states_shape
        self.hidden_kernel = self.add_kernel("hidden_kernel", (self.num_fields, dim, self.units))
        self.score_kernel = self.add_kernel("score_kernel", (self.num_fields, self.units, 1))

    def call(self, states: Tensor, first: Tensor, training: bool | None = None) -> Tensor:
        by_field = ops.transpose(states, (1, 0, 2))
        products = ops.expand_dims(by_field, 2) * ops.expand_dims(first, 0)  # (i, b, j, d)
        products = ops.reshape(products, (self.num_fields, -1, first.shape[-1]))
        scores = ops.matmul(ops.relu(ops.matmul(products, self.hidden_kernel)), self.score_kernel)
        scores = ops.reshape(scores, (self.num_fields, -1, self.num_fields))
        attention = ops.transpose(softmax(scores), (1, 0, 2))
        summed = ops.matmul(self.drop_attention(attention, training=training), first)
        return self.chosen(states + states * summed, attention)

    def compute_output_shape(self, states_shape: Shape, first_shape: Shape) -> Shape:
        batch, fields, _ = states_shape
        return self.chosen(states_shape, (batch, fields, fields))

    def get_config(self) -> Config:
        return {**super().get_config(), "units": self.units, "attention_dropout": self.attention_dropout}
