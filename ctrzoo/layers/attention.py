"""Attention over the fields of a row: AutoInt, the blocks of InterHAt, and the cross layers of HoAFM.

Letters: b batch, n = i = j fields, d input size, u output size of a head, h heads, k layers or orders.
"""

import keras
import numpy as np
from keras import ops

from ctrzoo.layers.graph import standardize

# How GraphCTR, the code released with GraphFM, builds the attention of AutoInt, Fi-GNN and InterHAt.
REFERENCE_ATTENTION = {
    "projection_activation": "relu",
    "use_bias": True,
    "scale_scores": True,
    "layer_norm": True,
}


def softmax(scores, axis=-1):
    """Softmax whose sums are kept in float32 (or float64) under mixed precision.

    >>> softmax(np.zeros((1, 2), "float32")).numpy()
    array([[0.5, 0.5]], dtype=float32)
    """
    if scores.shape[axis] == 1:  # Keras would warn; the product keeps a gradient, zero
        return 1.0 + 0.0 * scores
    wide = keras.backend.result_type(scores.dtype, "float32")
    return ops.cast(ops.softmax(ops.cast(scores, wide), axis=axis), scores.dtype)


@keras.saving.register_keras_serializable("ctrzoo")
class FieldAttention(keras.layers.Layer):
    """Multi-head self-attention of fields: `activation(concat over heads of softmax(Q K') V + residual)`.

    `Q`, `K`, `V` and the residual are linear functions of the states. The
    defaults are equations 5 to 8 of the AutoInt paper; `REFERENCE_ATTENTION` holds the options of the
    released code, which differ.
    Source: Song et al., 2019, equations 5 to 8, https://arxiv.org/abs/1810.11921.

    Args:
        units: Size of an output state, all heads together; a multiple of `num_heads`.
        num_heads: Number of attention heads.
        activation: Activation of the sum of heads and residual.
        projection_activation: Activation of `Q`, `K`, `V` and the residual.
        use_bias: Whether `Q`, `K`, `V` and the residual have a bias.
        use_residual: Whether to add the residual.
        scale_scores: Whether to divide the scores by the square root of a head's size.
        layer_norm: Whether to normalise the output over its last axis (epsilon 1e-8).
        attention_dropout: Share of attention weights dropped in training.

    Input shape: `(batch, fields, dim)`.
    Output shape: states `(batch, fields, units)` and attention `(batch, heads, fields, fields)`, whose
    rows sum to 1.

    >>> states, attention = FieldAttention(4, num_heads=2)(np.ones((2, 3, 5)))
    >>> states.shape, attention.shape
    (TensorShape([2, 3, 4]), TensorShape([2, 2, 3, 3]))
    """

    def __init__(
        self,
        units,
        num_heads=2,
        activation="relu",
        projection_activation=None,
        use_bias=False,
        use_residual=True,
        scale_scores=False,
        layer_norm=False,
        attention_dropout=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if num_heads < 1 or units < 1 or units % num_heads:
            raise ValueError(
                f"`units` must be a positive multiple of `num_heads`. Received: {units} units, {num_heads} heads."
            )
        self.units, self.num_heads = units, num_heads
        self.activation = keras.activations.get(activation)
        self.projection_activation = keras.activations.get(projection_activation)
        self.use_bias, self.use_residual, self.scale_scores = use_bias, use_residual, scale_scores
        self.layer_norm, self.attention_dropout = layer_norm, attention_dropout
        self.drop_attention = keras.layers.Dropout(attention_dropout, dtype=self.dtype_policy)
        if layer_norm:
            self.norm = keras.layers.LayerNormalization(epsilon=1e-8, dtype=self.dtype_policy, name="norm")

    def build(self, input_shape):
        dim = input_shape[-1]
        self.num_projections = 4 if self.use_residual else 3
        limit = float(np.sqrt(6 / (dim + self.units)))
        self.kernel = self.add_weight(
            name="kernel",  # columns: queries, keys, values, residual
            shape=(dim, self.num_projections * self.units),
            initializer=keras.initializers.RandomUniform(-limit, limit),
        )
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.num_projections * self.units,), initializer="zeros")
        if self.layer_norm:
            self.norm.build((*input_shape[:-1], self.units))

    def call(self, states, training=None):
        # The weights are cut into heads, not the activations: nothing of the batch is split or transposed.
        pieces = self.num_projections * self.num_heads
        kernels = ops.split(self.kernel, pieces, axis=-1)
        biases = ops.split(self.bias, pieces) if self.use_bias else [0.0] * pieces
        is_linear = not self.use_bias and self.projection_activation is keras.activations.linear
        is_narrow = is_linear and states.shape[-1] < self.head_units
        outputs, attentions = [], []
        for head in range(self.num_heads):
            kernels_of_head, biases_of_head = kernels[head :: self.num_heads], biases[head :: self.num_heads]
            if is_narrow:
                output, attention = self._attend_unprojected(states, kernels_of_head, training)
            else:
                output, attention = self._attend(states, kernels_of_head, biases_of_head, training)
            outputs.append(output)
            attentions.append(attention)
        outputs = self.activation(ops.concatenate(outputs, axis=-1))
        return (self._normalize(outputs) if self.layer_norm else outputs), ops.stack(attentions, axis=1)

    @property
    def head_units(self):
        """Size of the queries, keys and values of a head."""
        return self.units // self.num_heads

    def _attend(self, states, kernels, biases, training):
        """Return output and attention of one head."""
        projected = (self._project(states, *weights) for weights in zip(kernels, biases, strict=True))
        queries, keys, values, *residual = projected
        if self.scale_scores:
            queries = queries / self.head_units**0.5
        attention = softmax(ops.matmul(queries, ops.transpose(keys, (0, 2, 1))))
        output = ops.matmul(self.drop_attention(attention, training=training), values)
        return (output + residual[0] if residual else output), attention

    def _attend_unprojected(self, states, kernels, training):
        """The same for linear projections of states narrower than a head, which are cheaper to attend over.

        `Q K' = (X (W_q W_k')) X'` and `A V = (A X) W_v`.
        """
        query_kernel, key_kernel, value_kernel, *residual = kernels
        if self.scale_scores:
            query_kernel = query_kernel / self.head_units**0.5
        queries = ops.matmul(states, ops.matmul(query_kernel, ops.transpose(key_kernel)))
        attention = softmax(ops.matmul(queries, ops.transpose(states, (0, 2, 1))))
        mixed = ops.matmul(self.drop_attention(attention, training=training), states)
        output = ops.matmul(mixed, value_kernel)
        return (output + ops.matmul(states, residual[0]) if residual else output), attention

    def _project(self, states, kernel, bias):
        projected = ops.matmul(states, kernel)
        return self.projection_activation(projected + bias if self.use_bias else projected)

    def _normalize(self, outputs):
        return standardize(outputs) * ops.cast(self.norm.gamma, outputs.dtype) + ops.cast(self.norm.beta, outputs.dtype)

    def compute_output_shape(self, input_shape):
        batch, fields, _ = input_shape
        return (batch, fields, self.units), (batch, self.num_heads, fields, fields)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "num_heads": self.num_heads,
            "activation": keras.activations.serialize(self.activation),
            "projection_activation": keras.activations.serialize(self.projection_activation),
            "use_bias": self.use_bias,
            "use_residual": self.use_residual,
            "scale_scores": self.scale_scores,
            "layer_norm": self.layer_norm,
            "attention_dropout": self.attention_dropout,
        }


@keras.saving.register_keras_serializable("ctrzoo")
class TransformerBlock(keras.layers.Layer):
    """A transformer encoder block over fields: self-attention, then a feed-forward network.

    Each of the two adds its input and normalises the sum: `x = norm(x + W concat(heads))`,
    `x = norm(x + W2 relu(W1 x + b1) + b2)`. Scores are scaled, projections linear and without bias.
    Source: Vaswani et al., 2017, sections 3.1 to 3.3, https://arxiv.org/abs/1706.03762.

    Args:
        units: Size of all heads together; a multiple of `num_heads`.
        num_heads: Number of attention heads.
        feed_forward_units: Hidden size of the feed-forward network.
        attention_dropout: Share of attention weights dropped in training.

    Input shape: `(batch, fields, dim)`.
    Output shape: states `(batch, fields, dim)` and attention `(batch, heads, fields, fields)`.

    >>> TransformerBlock(4)(np.ones((2, 3, 5)))[0].shape
    TensorShape([2, 3, 5])
    """

    def __init__(self, units, num_heads=2, feed_forward_units=64, attention_dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        if feed_forward_units < 1:
            raise ValueError(f"`feed_forward_units` must be at least 1. Received: {feed_forward_units}.")
        self.units, self.num_heads, self.feed_forward_units = units, num_heads, feed_forward_units
        self.attention_dropout = attention_dropout
        common = {"dtype": self.dtype_policy}
        self.attention = FieldAttention(
            units,
            num_heads,
            activation=None,
            use_residual=False,
            scale_scores=True,
            attention_dropout=attention_dropout,
            name="attention",
            **common,
        )
        self.attention_norm = keras.layers.LayerNormalization(epsilon=1e-6, name="attention_norm", **common)
        self.hidden = keras.layers.Dense(feed_forward_units, activation="relu", name="hidden", **common)
        self.output_norm = keras.layers.LayerNormalization(epsilon=1e-6, name="output_norm", **common)

    def build(self, input_shape):
        batch, fields, dim = input_shape
        common = {"dtype": self.dtype_policy}
        self.join_heads = keras.layers.Dense(dim, use_bias=False, name="join_heads", **common)
        self.output_layer = keras.layers.Dense(dim, name="output", **common)
        self.attention.build(input_shape)
        self.join_heads.build((batch, fields, self.units))
        self.attention_norm.build(input_shape)
        self.hidden.build(input_shape)
        self.output_layer.build((batch, fields, self.feed_forward_units))
        self.output_norm.build(input_shape)

    def call(self, states, training=None):
        heads, attention = self.attention(states, training=training)
        states = self.attention_norm(states + self.join_heads(heads))
        return self.output_norm(states + self.output_layer(self.hidden(states))), attention

    def compute_output_shape(self, input_shape):
        batch, fields, _ = input_shape
        return input_shape, (batch, self.num_heads, fields, fields)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "num_heads": self.num_heads,
            "feed_forward_units": self.feed_forward_units,
            "attention_dropout": self.attention_dropout,
        }


@keras.saving.register_keras_serializable("ctrzoo")
class AttentionPooling(keras.layers.Layer):
    """Sum vectors with attention weights: `softmax over j of c . relu(W x_j)`.

    InterHAt pools the fields of each order with it, then the orders.
    Source: Li et al., WSDM 2020, https://doi.org/10.1145/3336191.3371785.

    Args:
        units: Size of the hidden layer of the scores.

    Input shape: `(batch, vectors, dim)`.
    Output shape: the sum `(batch, dim)` and the weights `(batch, vectors)`.

    >>> AttentionPooling(4)(np.ones((1, 2, 5)))[1].numpy()
    array([[0.5, 0.5]], dtype=float32)
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"`units` must be at least 1. Received: {units}.")
        self.units = units

    def build(self, input_shape):
        self.hidden_kernel = self.add_weight(name="hidden_kernel", shape=(input_shape[-1], self.units))
        self.score_kernel = self.add_weight(name="score_kernel", shape=(self.units, 1))

    def call(self, vectors):
        scores = ops.matmul(ops.relu(ops.matmul(vectors, self.hidden_kernel)), self.score_kernel)
        weights = softmax(scores, axis=1)
        return ops.sum(weights * vectors, axis=1), ops.squeeze(weights, axis=-1)

    def compute_output_shape(self, input_shape):
        batch, vectors, dim = input_shape
        return (batch, dim), (batch, vectors)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("ctrzoo")
class ProductAttention(keras.layers.Layer):
    """Each field attends over its own products with all fields, with weights of its own.

    `q_ij = x_i * y_j`, `A_ij = softmax over j of v_i . relu(V_i q_ij)`, output `x_i + sum over j of
    A_ij q_ij`: one order of InterHAt as GraphCTR released it. The ReLU acts on every pair and unit, so a
    tensor `(fields, batch, fields, units)` cannot be avoided; the sum itself is `x_i * sum A_ij y_j`.
    Source: the public code of Li et al., 2021, https://arxiv.org/abs/2105.11866.

    Args:
        units: Size of the hidden layer of the scores.
        attention_dropout: Share of attention weights dropped in training.

    Input shape: `states` (x) and `first` (y), each `(batch, fields, dim)`.
    Output shape: states `(batch, fields, dim)` and attention `(batch, fields, fields)`.

    >>> ProductAttention(4)(np.ones((2, 3, 5)), np.ones((2, 3, 5)))[0].shape
    TensorShape([2, 3, 5])
    """

    def __init__(self, units, attention_dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"`units` must be at least 1. Received: {units}.")
        self.units, self.attention_dropout = units, attention_dropout
        self.drop_attention = keras.layers.Dropout(attention_dropout, dtype=self.dtype_policy)

    def build(self, states_shape, first_shape):
        if states_shape[1:] != first_shape[1:]:
            raise ValueError(f"`states` and `first` must have one shape. Received: {states_shape}, {first_shape}.")
        _, self.num_fields, dim = states_shape
        limits = [float(np.sqrt(6 / (size + self.units))) for size in (dim, 1)]
        initializers = [keras.initializers.RandomUniform(-limit, limit) for limit in limits]
        self.hidden_kernel = self.add_weight(
            name="hidden_kernel", shape=(self.num_fields, dim, self.units), initializer=initializers[0]
        )
        self.score_kernel = self.add_weight(
            name="score_kernel", shape=(self.num_fields, self.units, 1), initializer=initializers[1]
        )

    def call(self, states, first, training=None):
        by_field = ops.transpose(states, (1, 0, 2))
        products = ops.expand_dims(by_field, 2) * ops.expand_dims(first, 0)  # (i, b, j, d)
        products = ops.reshape(products, (self.num_fields, -1, first.shape[-1]))
        scores = ops.matmul(ops.relu(ops.matmul(products, self.hidden_kernel)), self.score_kernel)
        scores = ops.reshape(scores, (self.num_fields, -1, self.num_fields))
        attention = ops.transpose(softmax(scores), (1, 0, 2))
        summed = ops.matmul(self.drop_attention(attention, training=training), first)
        return states + states * summed, attention

    def compute_output_shape(self, states_shape, first_shape):
        batch, fields, _ = states_shape
        return states_shape, (batch, fields, fields)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "attention_dropout": self.attention_dropout}


@keras.saving.register_keras_serializable("ctrzoo")
class HighOrderCross(keras.layers.Layer):
    """The cross layers of HoAFM: products of each field with a bit-wise weighted sum of the other fields.

    For layer k: `t_i = e_i * sum over j != i of w_ij * x_j`, where every bit of `w_i` is L2-normalised over
    the other fields j; the order's logit is `q . sum over i of t_i`; the next states are `leaky_relu(t_i)`.
    The weights are parameters: they do not depend on the row.
    Source: Tao et al., 2020, https://www.sciencedirect.com/science/article/pii/S0306457319302389.

    Args:
        num_layers: Number of layers; layer k adds interactions of order k + 1.
        sum_orders: Whether every order reaches the logit, or the last alone (as in GraphCTR).
        negative_slope: Slope of the leaky ReLU below zero.
        dropout: Share of the states and of each order's sum dropped in training.

    Input shape: `(batch, fields, dim)`, at least two fields.
    Output shape: the logit `(batch, 1)`; what each pair adds to it, `(batch, fields, fields)`, symmetric,
    its upper triangle sums to the logit; the weights, squared and averaged over bits, `(batch, layers,
    fields, fields)`, whose rows sum to 1. The pairs need a tensor `(batch, fields, fields, dim)`, as their
    weights differ in every bit; a compiled model that does not return them does not compute them.

    >>> logit, pairs, weights = HighOrderCross()(np.ones((2, 4, 5)))
    >>> logit.shape, pairs.shape, weights.shape
    (TensorShape([2, 1]), TensorShape([2, 4, 4]), TensorShape([2, 3, 4, 4]))
    """

    def __init__(self, num_layers=3, sum_orders=True, negative_slope=0.2, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        if num_layers < 1:
            raise ValueError(f"`num_layers` must be at least 1. Received: {num_layers}.")
        self.num_layers, self.sum_orders = num_layers, sum_orders
        self.negative_slope, self.dropout = negative_slope, dropout
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, input_shape):
        _, self.num_fields, dim = input_shape
        if self.num_fields < 2:
            raise ValueError(f"Products of fields need at least 2 fields. Received: {self.num_fields}.")
        limit = float(np.sqrt(6 / (self.num_fields - 1 + dim)))
        self.kernel = self.add_weight(
            name="kernel",  # the other fields in model order, without the field itself
            shape=(self.num_layers, self.num_fields, self.num_fields - 1, dim),
            initializer=keras.initializers.RandomUniform(-limit, limit),
        )
        num_outputs = self.num_layers if self.sum_orders else 1
        limit = float(np.sqrt(6 / (dim + 1)))
        self.output_kernel = self.add_weight(
            name="output_kernel",
            shape=(num_outputs, dim),
            initializer=keras.initializers.RandomUniform(-limit, limit),
        )

    def call(self, embedded, training=None):
        weights = self._weights()
        states, logit, pairs = embedded, 0.0, 0.0
        for layer in range(self.num_layers):
            crossed = embedded * ops.einsum("ijd,bjd->bid", weights[layer], states)
            if self.sum_orders or layer == self.num_layers - 1:
                output_kernel = self.output_kernel[layer if self.sum_orders else 0]
                summed = self.drop(ops.sum(crossed, axis=1), training=training)
                logit = logit + ops.matmul(summed, ops.expand_dims(output_kernel, -1))
                pairs = pairs + ops.einsum("bid,ijd,bjd->bij", embedded * output_kernel, weights[layer], states)
            states = self.drop(ops.leaky_relu(crossed, negative_slope=self.negative_slope), training=training)
        pairs = pairs + ops.transpose(pairs, (0, 2, 1))
        shares = ops.expand_dims(ops.mean(ops.square(weights), axis=-1), 0)
        each_row = ops.ones_like(embedded[:, :1, :1])
        return logit, pairs, shares * ops.expand_dims(each_row, 1)

    def _weights(self):
        """Normalise over the other fields, then put zeros on the diagonal, `(k, i, j, d)`."""
        kernel = ops.cast(self.kernel, keras.backend.result_type(self.compute_dtype, "float32"))
        squares = ops.sum(ops.square(kernel), axis=2, keepdims=True)
        kernel = ops.cast(kernel * ops.rsqrt(ops.maximum(squares, 1e-12)), self.compute_dtype)
        layers, fields, others, dim = self.kernel.shape
        # Row by row, a square matrix without its first entry is `fields` entries and a diagonal one, in turn.
        spread = ops.pad(ops.reshape(kernel, (layers, others, fields, dim)), [[0, 0], [0, 0], [0, 1], [0, 0]])
        spread = ops.pad(ops.reshape(spread, (layers, fields**2 - 1, dim)), [[0, 0], [1, 0], [0, 0]])
        return ops.reshape(spread, (layers, fields, fields, dim))

    def compute_output_shape(self, input_shape):
        batch, fields, _ = input_shape
        return (batch, 1), (batch, fields, fields), (batch, self.num_layers, fields, fields)

    def get_config(self):
        return {
            **super().get_config(),
            "num_layers": self.num_layers,
            "sum_orders": self.sum_orders,
            "negative_slope": self.negative_slope,
            "dropout": self.dropout,
        }
