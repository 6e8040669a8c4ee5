"""Layers that learn which interactions to keep: the gates of AutoFIS, the edges of L0-SIGN and their graph.

Letters: b batch, n fields, p pairs, d input size.
"""

import math
from typing import Any

import keras
from keras import ops

from ctrzoo.layers.base import BiasedLayer
from ctrzoo.layers.numerics import glorot_limit
from ctrzoo.layers.pair_networks import hidden_of_pairs, spread_to_fields, unordered_pairs
from ctrzoo.types import Config, Shape, Tensor


@keras.saving.register_keras_serializable("ctrzoo")
class HardConcrete(keras.layers.Layer):
    """A gate in [0, 1] that can be exactly 0 and still has a gradient: the hard concrete distribution.

    In training `s = sigmoid((loc + ln u - ln(1 - u)) / temperature)` with uniform noise u, in evaluation
    `s = sigmoid(loc)`; the gate is `clip(s (high - low) + low, 0, 1)` for `low < 0 < 1 < high`. The penalty is
    `l0` times the mean probability that a gate is not 0, `sigmoid(loc - temperature ln(-low / high))`.
    The layer computes in float32 under mixed precision too. Logarithms are natural; the L0-SIGN code takes base 2.
    Source: Louizos, Welling, Kingma, 2018, section 2.2, https://arxiv.org/abs/1712.01312.

    Args:
        l0: Strength of the penalty.
        temperature: The lower it is, the closer to 0 or 1 the noise pushes a gate.
        low: Lower end of the stretched interval.
        high: Upper end of the stretched interval.

    Input shape: `loc`, any shape.
    Output shape: the same.

    Raises:
        ValueError: If the interval does not reach beyond 0 and 1, or the temperature is not positive.

    >>> HardConcrete()(np.array([-2.4, 0.0, 2.4])).numpy()
    array([0. , 0.5, 1. ], dtype=float32)
    """

    def __init__(
        self, l0: float = 0.0, temperature: float = 0.66, low: float = -0.1, high: float = 1.1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not low < 0 < 1 < high:
            raise ValueError(f"The interval must reach beyond 0 and 1. Received: low={low}, high={high}.")
        if temperature <= 0:
            raise ValueError(f"`temperature` must be positive. Received: {temperature}.")
        self.l0, self.temperature, self.low, self.high = l0, temperature, low, high
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, loc: Tensor, training: bool | None = None) -> Tensor:
        loc = ops.cast(loc, keras.backend.result_type(self.compute_dtype, "float32"))
        if self.l0:
            loss = self.l0 * ops.mean(self.probability(loc))
            self.add_loss(ops.cast(loss, keras.config.floatx()))  # the type of Keras' losses, to which it is added
        if training:
            noise = keras.random.uniform(ops.shape(loc), 1e-6, 1 - 1e-6, dtype=loc.dtype, seed=self.seed_generator)
            gates = ops.sigmoid((loc + ops.log(noise) - ops.log(1 - noise)) / self.temperature)
        else:
            gates = ops.sigmoid(loc)
        return ops.cast(ops.clip(gates * (self.high - self.low) + self.low, 0.0, 1.0), self.compute_dtype)

    def probability(self, loc: Tensor) -> Tensor:
        """Return the probability that the gate of each `loc` is not 0 in training."""
        return ops.sigmoid(loc - self.temperature * math.log(-self.low / self.high))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "l0": self.l0,
            "temperature": self.temperature,
            "low": self.low,
            "high": self.high,
        }


@keras.saving.register_keras_serializable("ctrzoo")
class EdgeGates(BiasedLayer):
    """The edge prediction of L0-SIGN: a hard concrete gate for each pair of fields, including self loops.

    `loc_ij = w2 . relu(W1 (v_i * v_j) + b1) + b2` is the same for both directions of an edge. `w2` starts around 0.2,
    as in the authors' code, so that the first graph has edges.
    Source: Su et al., 2021, "L0 edge prediction model", https://arxiv.org/abs/2008.00404.

    Args:
        units: Hidden size.
        dropout: Share of hidden outputs dropped in training.
        l0: Strength of the penalty on the mean probability that an edge exists.
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on each kernel.
        kernel_initializer: Initial values of `W1` and `w2`; `None` takes Glorot's uniform distribution, moved by 0.2
            for `w2`.
        bias_initializer: Initial values of the biases.
        kernel_regularizer: Another regularizer of the kernels, in place of `l2`.

    Input shape: edge embeddings of the fields, `(batch, fields, dim)`.
    Output shape: `(batch, fields, fields)`, symmetric, in [0, 1].

    >>> EdgeGates()(np.ones((2, 3, 4))).shape
    TensorShape([2, 3, 3])
    """

    def __init__(self, units: int = 32, dropout: float = 0.5, l0: float = 1e-3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"`units` must be at least 1. Received: {units}.")
        self.units, self.dropout, self.l0 = units, dropout, l0
        self.drop_hidden = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.hard_concrete = HardConcrete(l0, name="hard_concrete", dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        limit = glorot_limit(self.units, 1)
        self.hidden_kernel = self.add_kernel("hidden_kernel", (input_shape[-1], self.units))
        self.hidden_bias = self.add_bias("hidden_bias", (self.units,))
        around = keras.initializers.RandomUniform(0.2 - limit, 0.2 + limit)
        self.kernel = self.add_kernel("kernel", (self.units, 1), default=around)
        self.bias = self.add_bias("bias", (1,))

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        hidden = hidden_of_pairs(ops.transpose(inputs, (1, 0, 2)), self.hidden_kernel, self.hidden_bias)
        loc = ops.matmul(self.drop_hidden(hidden, training=training), self.kernel) + self.bias
        gates = self.hard_concrete(loc, training=training)
        by_field = spread_to_fields(ops.transpose(gates, (2, 0, 1)), inputs.shape[1])
        return ops.transpose(by_field[0], (2, 0, 1))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], input_shape[1], input_shape[1])

    def get_config(self) -> Config:
        return {**super().get_config(), "units": self.units, "dropout": self.dropout, "l0": self.l0}


@keras.saving.register_keras_serializable("ctrzoo")
class InteractionGraph(BiasedLayer):
    """The graph of SIGN: each field averages the interactions of its edges, the graph averages its fields.

    `z_ij = s_ij (W2 relu(W1 (e_i * e_j) + b1) + b2)`, of field i the mean over its edges (`s_ij > 0`; zero without
    one), then the mean over the fields. The graph is undirected and has self loops (the authors' code walks
    i <= j only and averages in j, so that its result depends on the order of the fields). Both means are one
    weighted sum over the unordered pairs.
    Source: Su et al., 2021, "SIGN", https://arxiv.org/abs/2008.00404.

    Args:
        units: Hidden size of the interaction network.
        activation_l2: Strength of the penalty on `sum over i <= j of ||z_ij||^2`, a mean over the rows (the
            authors' code sums over the rows, so that its strength grows with the batch).
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on each kernel.
        kernel_initializer: Initial values of the kernels; `None` draws them from Glorot's uniform distribution.
        bias_initializer: Initial values of the biases.
        kernel_regularizer: Another regularizer of the kernels, in place of `l2`.

    Input shape: embeddings `(batch, fields, dim)` and gates `(batch, fields, fields)`; without gates all are 1.
    Output shape: `(batch, dim)`.

    >>> InteractionGraph()(np.ones((2, 3, 4)), np.ones((2, 3, 3))).shape
    TensorShape([2, 4])
    """

    def __init__(self, units: int = 32, activation_l2: float = 1e-3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"`units` must be at least 1. Received: {units}.")
        self.units, self.activation_l2 = units, activation_l2

    def build(self, inputs_shape: Shape, gates_shape: Shape | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        dim = inputs_shape[-1]
        self.hidden_kernel = self.add_kernel("hidden_kernel", (dim, self.units))
        self.hidden_bias = self.add_bias("hidden_bias", (self.units,))
        self.kernel = self.add_kernel("kernel", (self.units, dim))
        self.bias = self.add_bias("bias", (dim,))

    def call(self, inputs: Tensor, gates: Tensor = None) -> Tensor:
        num_fields = inputs.shape[1]
        if gates is None:
            gates = ops.ones((ops.shape(inputs)[0], num_fields, num_fields), self.compute_dtype)
        first, second = unordered_pairs(num_fields)
        hidden = hidden_of_pairs(ops.transpose(inputs, (1, 0, 2)), self.hidden_kernel, self.hidden_bias)
        gates = ops.transpose(gates, (1, 2, 0))
        of_pairs = ops.take(ops.reshape(gates, (num_fields**2, -1)), first * num_fields + second, axis=0)
        interactions = (ops.matmul(hidden, self.kernel) + self.bias) * ops.expand_dims(of_pairs, -1)
        if self.activation_l2:
            dtype = keras.backend.result_type(self.compute_dtype, "float32")
            squares = ops.sum(ops.square(ops.cast(interactions, dtype)), axis=(0, 2))
            self.add_loss(ops.cast(self.activation_l2 * ops.mean(squares), keras.config.floatx()))
        num_edges = ops.sum(ops.cast(gates > 0, self.compute_dtype), axis=1)
        share = 1 / (ops.maximum(num_edges, 1) * num_fields)
        both_ends = ops.cast(ops.expand_dims(first != second, -1), self.compute_dtype)
        weights = ops.take(share, first, axis=0) + ops.take(share, second, axis=0) * both_ends
        return ops.einsum("pb,pbd->bd", weights, interactions)

    def compute_output_shape(self, inputs_shape: Shape, gates_shape: Shape | None = None) -> Shape:
        return (inputs_shape[0], inputs_shape[2])

    def get_config(self) -> Config:
        return {**super().get_config(), "units": self.units, "activation_l2": self.activation_l2}
