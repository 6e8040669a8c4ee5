"""The layers of GraphFM: select the interactions of each field, then aggregate them with attention.

Letters: b batch, n = i = j fields, p unordered pairs i <= j, d input size, u output size, h heads.
Inside a layer, states have the axis of fields first, so that a product with per-field matrices is one batched product.
Scores have the batch last. The interaction q_ij = x_i * x_j is symmetric, and so is every score that depends only on
it: scores are computed once for each unordered pair. A weighted sum of q_ij over j is x_i times a weighted sum of x_j,
so messages need no tensor of shape (batch, fields, fields, dim).
Source: Li et al., 2021, https://arxiv.org/abs/2105.11866, equations 7 to 14.
"""

import numbers
from typing import Any

import keras
import numpy as np
from keras import ops

from ctrzoo.layers.base import BiasedLayer, ExplainingLayer
from ctrzoo.layers.edge_metrics import EDGE_METRICS
from ctrzoo.layers.numerics import inner_softmax, lowest_score, standardize
from ctrzoo.layers.pair_networks import scores_of_pairs, spread_to_fields
from ctrzoo.layers.top_k import top_k_mask
from ctrzoo.suggest import unknown
from ctrzoo.types import Activation, Config, Shape, Tensor

SELECTIONS = ("top_k", "threshold")
LEARNED_METRIC = "mlp"
SELECTOR_UNITS = 16
THRESHOLD = 0.5


class _GraphLayer(ExplainingLayer, BiasedLayer):
    """What both formulations share: pair scores, selection, the sum over neighbors, and what each one does to it."""

    average_heads = False  # heads are concatenated

    def __init__(
        self,
        units: int,
        num_heads: int = 2,
        num_neighbors: int | None = None,
        selector_units: int = SELECTOR_UNITS,
        use_selection: bool = True,
        use_interaction: bool = True,
        attention_dropout: float = 0.0,
        selection: str = "top_k",
        threshold: float | None = None,
        edge_metric: str = LEARNED_METRIC,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for argument, number in (("units", units), ("num_heads", num_heads), ("selector_units", selector_units)):
            if number < 1:
                raise ValueError(f"`{argument}` must be at least 1. Received: {number}.")
        self.units, self.num_heads, self.num_neighbors = units, num_heads, num_neighbors
        self.selector_units, self.use_selection, self.use_interaction = selector_units, use_selection, use_interaction
        self.attention_dropout = attention_dropout
        self.selection, self.threshold, self.edge_metric = selection, threshold, edge_metric
        self._check_selection()
        self.drop_attention = keras.layers.Dropout(attention_dropout, dtype=self.dtype_policy)

    def _check_selection(self):
        """Refuse unknown names, and options that would have no effect."""
        if self.selection not in SELECTIONS:
            raise ValueError(unknown("selection", self.selection, SELECTIONS))
        if self.edge_metric not in (LEARNED_METRIC, *EDGE_METRICS):
            raise ValueError(unknown("edge metric", self.edge_metric, (LEARNED_METRIC, *EDGE_METRICS)))
        if not self.use_selection:
            given = {"selection": "top_k", "threshold": None, "edge_metric": LEARNED_METRIC}
            for name, default in given.items():
                if getattr(self, name) != default:
                    raise ValueError(
                        f"`{name}` has no effect without selection. Received: {getattr(self, name)!r}. Remove it, or "
                        "set use_selection=True."
                    )
        if self.selection == "threshold":
            if self.num_neighbors is not None:
                raise ValueError(
                    "`num_neighbors` has no effect if a threshold selects the interactions. Received: "
                    f"{self.num_neighbors!r}. Remove it, or set selection='top_k'."
                )
            number = THRESHOLD if self.threshold is None else self.threshold
            if not isinstance(number, numbers.Real) or isinstance(number, bool) or not 0 < number < 1:
                raise ValueError(
                    "`threshold` must be a number above 0 and below 1, as edge weights are. Received: "
                    f"{self.threshold!r}."
                )
        elif self.threshold is not None:
            raise ValueError(
                f"`threshold` has no effect if the largest edge weights are selected. Received: {self.threshold!r}. "
                "Remove it, or set selection='threshold'."
            )
        if self.edge_metric != LEARNED_METRIC and self.selector_units != SELECTOR_UNITS:
            raise ValueError(
                f"`selector_units` has no effect on the edge metric '{self.edge_metric}', which has no hidden layer. "
                f"Received: {self.selector_units}. Remove it, or set edge_metric='{LEARNED_METRIC}'."
            )

    def _build_scores(self, num_fields, dim):
        kept = num_fields if self.num_neighbors is None else self.num_neighbors
        if not isinstance(kept, numbers.Integral) or not 1 <= int(kept) <= num_fields:
            raise ValueError(
                f"`num_neighbors` must be a whole number between 1 and the number of fields, {num_fields}. "
                f"Received: {kept!r}."
            )
        self.num_fields = num_fields
        self.attention_kernel = self.add_kernel("attention_kernel", (dim, self.num_heads))
        if self._learns_edges:
            self.hidden_kernel = self.add_kernel("selector_hidden_kernel", (dim, self.selector_units))
            self.hidden_bias = self.add_bias("selector_hidden_bias", (self.selector_units,))
            self.score_kernel = self.add_kernel("selector_kernel", (self.selector_units, 1))
            self.score_bias = self.add_bias("selector_bias", (1,))

    @property
    def _learns_edges(self):
        return self.use_selection and self.edge_metric == LEARNED_METRIC

    def _pair_scores(self, states):
        """Return attention scores `(h, n, n, b)` after their activation, and edge weights `(n, n, b)` or None.

        Both are outputs of one network with a hidden ReLU layer on each interaction, if the edge weights are learned.
        """
        kernel, bias, output = self._score_network()
        if self._learns_edges:
            kernel = ops.concatenate([kernel, self.hidden_kernel], axis=1)
            bias = ops.concatenate([bias, self.hidden_bias], axis=0)
            edge = ops.pad(self.score_kernel, [[output.shape[0], 0], [0, 0]])
            output = ops.concatenate([ops.pad(output, [[0, self.selector_units], [0, 0]]), edge], axis=1)
        scores = scores_of_pairs(states, kernel, bias, output)
        if not self._learns_edges:
            edges = EDGE_METRICS[self.edge_metric](states) if self.use_selection else None
            return spread_to_fields(scores, self.num_fields), edges
        scores, edges = ops.split(scores, [self.num_heads], axis=0)
        edges = spread_to_fields(ops.sigmoid(edges + self.score_bias), self.num_fields)[0]
        return spread_to_fields(scores, self.num_fields), self._equal_where_absent(states, edges)

    def _selected(self, edges, keep_ties):
        """Return which interactions each field selects, a boolean tensor of the shape of the edge weights."""
        if self.selection == "threshold":
            return edges > (THRESHOLD if self.threshold is None else float(self.threshold))
        return top_k_mask(edges, self.num_neighbors or self.num_fields, keep_ties=keep_ties, axis=1)

    def _equal_where_absent(self, states, edges):
        """Give all edges of absent fields, whose states are zero, the same weight to the last digit.

        Products of matrices round them differently, depending on where a row lies in its batch. The selection keeps
        ties, so the score of a row would depend on its batch.
        """
        absent = ops.logical_not(ops.any(states != 0, axis=-1))
        absent = ops.logical_or(ops.expand_dims(absent, 0), ops.expand_dims(absent, 1))
        hidden = ops.expand_dims(ops.relu(self.hidden_bias), 0)
        weight = ops.sigmoid(ops.matmul(hidden, self.score_kernel) + self.score_bias)

        @ops.custom_gradient
        def forward(edges, weight):
            return ops.where(absent, weight, edges), lambda upstream: (upstream, ops.zeros_like(weight))

        return forward(edges, ops.stop_gradient(weight))

    def _messages(self, inputs, states, weights, kernel):
        """Sum the interactions (or neighbors) of each field by each head, then multiply by the head's matrix.

        A matrix of few columns for each head costs half of one product for all heads, whose matrix would be
        half zeros.

        Shapes: inputs `(b, n, d)`, the same states `(n, b, d)`, weights `(h, n, n, b)`, kernel `(n, h, d, u)`
        or `(h, d, u)` -> `(n, h, b, u)`.
        """
        num_fields, dim = inputs.shape[1:]
        weights = ops.reshape(ops.transpose(weights, (3, 1, 0, 2)), (-1, num_fields * self.num_heads, num_fields))
        sums = ops.transpose(ops.matmul(weights, inputs), (1, 0, 2))
        sums = ops.reshape(sums, (num_fields, self.num_heads, -1, dim))
        if self.use_interaction:
            sums = sums * ops.expand_dims(states, 1)
        return ops.matmul(sums, kernel)

    def message_effects(self, inputs: Tensor, attention: Tensor, edges: Tensor) -> Tensor:
        """Return how far the output state of each field moves if one message is left out of its sum.

        This says what an attention does not: a message of a large weight may be small itself, or drown in the
        residual. The distance is Euclidean, between the outputs of the layer with and without the message.
        Cost: O(n^2 d u) per row, one field after the other, so that no tensor holds the messages of all pairs. On a
        CPU, GraphFM's explainer takes three (7 fields) to five (39 fields) times as long as its `predict`.

        Args:
            inputs: The layer's inputs `(batch, fields, dim)`.
            attention: Its attention to them, `(batch, heads, fields, fields)`.
            edges: Its edge weights, `(batch, fields, fields)`.

        Returns:
            Distances `(batch, fields, fields)`: entry i, j is of the state of field i without the message of field j.
        """
        return _MessageEffects(self)(inputs, attention, edges)

    def _effects(self, inputs, attention, edges):
        kernel, scale = self._kernels_and_scales()
        # Outside of `call`, a weight has its own dtype, or that of a model under mixed precision.
        inputs, attention, edges = (ops.cast(tensor, kernel.dtype) for tensor in (inputs, attention, edges))
        states = ops.transpose(inputs, (1, 0, 2))
        weights = self._message_weights(ops.transpose(attention, (1, 2, 3, 0)), ops.transpose(edges, (1, 2, 0)))
        sums = self._sums(inputs, states, weights)

        def of_field(field):
            own, weights, kernel, total, scale = field  # (b, d), (n, b, h), (d, h u), (b, u), (u,)
            sent = ops.expand_dims(own, 1) * inputs if self.use_interaction else inputs
            messages = ops.reshape(ops.matmul(sent, kernel), (-1, num_fields, self.num_heads, kernel.shape[1] // heads))
            messages = messages * ops.expand_dims(ops.transpose(weights, (1, 0, 2)), 3)
            if self.average_heads:
                messages = ops.mean(messages, axis=2)
            messages = ops.reshape(messages, (-1, num_fields, self.units))
            total = ops.expand_dims(total, 1)
            moved = self._normalized(total) - self._normalized(total - messages)
            return ops.sqrt(ops.matmul(ops.square(moved), ops.square(scale)))

        num_fields, heads = self.num_fields, self.num_heads
        kernel = ops.reshape(ops.transpose(kernel, (0, 2, 1, 3)), (num_fields, inputs.shape[-1], -1))
        found = ops.map(of_field, (states, ops.transpose(weights, (1, 2, 3, 0)), kernel, sums, scale))
        return ops.cast(ops.transpose(found, (1, 0, 2)), self._effects_dtype)

    @property
    def _effects_dtype(self):
        return keras.backend.result_type(self.variable_dtype, "float32")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, fields, _ = input_shape
        attention = (batch, self.num_heads, fields, fields)
        return self.chosen((batch, fields, self.units), attention, (batch, fields, fields))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "num_heads": self.num_heads,
            "num_neighbors": self.num_neighbors,
            "selector_units": self.selector_units,
            "use_selection": self.use_selection,
            "use_interaction": self.use_interaction,
            "attention_dropout": self.attention_dropout,
            "selection": self.selection,
            "threshold": self.threshold,
            "edge_metric": self.edge_metric,
        }


class _MessageEffects(keras.Operation):
    """`message_effects` of a layer as a node of a functional model, which only its explainer computes.

    It is no layer, because it has no weights of its own and is not part of what a model saves.
    """

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, inputs, attention, edges):
        return self.layer._effects(inputs, attention, edges)

    def compute_output_spec(self, inputs, attention, edges):
        return keras.KerasTensor(edges.shape, self.layer._effects_dtype)


@keras.saving.register_keras_serializable("ctrzoo")
class GraphInteraction(_GraphLayer):
    """One layer of GraphFM as the paper writes it.

    Edge weights `p_ij = sigmoid(w2 . relu(W1 (x_i * x_j) + b1) + b2)` (equation 7), of which each field
    keeps its `num_neighbors` largest (equation 8); attention `alpha_ij = softmax over the kept j of
    leaky_relu(a . (x_i * x_j))` (equations 9 to 11); output `activation(sum over j of alpha_ij p_ij
    W (x_i * x_j))`, heads concatenated (equation 13) or averaged (equation 14).
    Source: Li et al., 2021, https://arxiv.org/abs/2105.11866.

    Args:
        units: Size of an output state.
        num_heads: Number of attention heads.
        num_neighbors: Interactions that each field keeps; `None` keeps all.
        average_heads: Whether to average the heads (each `units` wide) instead of concatenating them
            (each `units / num_heads` wide).
        activation: The nonlinearity of equations 13 and 14, which the paper leaves open.
        negative_slope: Slope of the leaky ReLU below zero, which the paper leaves open.
        use_residual_norm: Whether to add the residual `relu(R x_i + r)` before the activation and normalize the state
            after it. The released code does so, the paper does not. All fields share one matrix, scale and shift.
        selector_units: Hidden size of the edge network.
        use_selection: `False` is the ablation GraphFM(-S): all interactions, no edge weights.
        use_interaction: `False` is the ablation GraphFM(-I): messages are `W x_j`, not `W (x_i * x_j)`.
        attention_dropout: Share of attention weights dropped in training.
        selection: `"top_k"` selects `num_neighbors` interactions for each field, `"threshold"` those whose edge weight
            is above the threshold. A field that selects nothing gets a message of zero.
        threshold: The threshold, above 0 and below 1; `None` is 0.5. Only for `selection="threshold"`.
        edge_metric: How edge weights are computed: `"mlp"`, the edge network; or from the two states, without weights:
            `"cosine"`, `(1 + cosine) / 2`, or `"euclidean"`, `1 / (1 + distance)`.
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on each kernel.
        kernel_initializer: Initial values of the kernels; `None` draws them from Glorot's uniform distribution.
        bias_initializer: Initial values of the biases.
        kernel_regularizer: Another regularizer of the kernels, in place of `l2`.
        return_explanations: Whether to return the attention and the edge weights too.

    Input shape: `(batch, fields, dim)`.
    Output shape: states `(batch, fields, units)`. With `return_explanations` also the attention
    `(batch, heads, fields, fields)` and the edge weights `(batch, fields, fields)`, both zero where an interaction was
    not selected.
    """

    def __init__(
        self,
        units: int,
        average_heads: bool = False,
        activation: Activation = "relu",
        negative_slope: float = 0.2,
        use_residual_norm: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, **kwargs)
        self.average_heads, self.negative_slope = average_heads, negative_slope
        self.use_residual_norm = use_residual_norm
        self.activation = keras.activations.get(activation)
        if not average_heads and units % self.num_heads:
            raise ValueError(f"`units` must be a multiple of the {self.num_heads} heads. Received: {units}.")

    def build(self, input_shape: Shape) -> None:
        _, num_fields, dim = input_shape
        self._build_scores(num_fields, dim)
        head_units = self.units if self.average_heads else self.units // self.num_heads
        self.kernel = self.add_kernel("kernel", (self.num_heads, dim, head_units))
        if self.use_residual_norm:
            self.residual_kernel = self.add_kernel("residual_kernel", (dim, self.units))
            self.residual_bias = self.add_bias("residual_bias", (self.units,))
            self.scale = self.add_weight(name="scale", shape=(self.units,), initializer="ones")
            self.shift = self.add_weight(name="shift", shape=(self.units,), initializer="zeros")

    def _score_network(self):
        # leaky_relu(a . q) = relu(a . q) - slope * relu(-a . q)
        kernel = ops.concatenate([self.attention_kernel, -self.attention_kernel], axis=1)
        sides = np.concatenate([np.eye(self.num_heads), -self.negative_slope * np.eye(self.num_heads)])
        return kernel, ops.zeros(2 * self.num_heads, kernel.dtype), ops.cast(sides, kernel.dtype)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        states = ops.transpose(inputs, (1, 0, 2))
        scores, edges = self._pair_scores(states)
        if edges is None:
            attention, edges = inner_softmax(scores, axis=2), ops.ones_like(scores[0])
        else:
            kept = self._selected(edges, keep_ties=False)
            attention = inner_softmax(ops.where(kept, scores, lowest_score(self.compute_dtype)), axis=2)
            if self.selection == "threshold":  # a field may select nothing
                attention = ops.where(kept, attention, 0.0)
            edges = ops.where(kept, edges, 0.0)
        weights = self._message_weights(self.drop_attention(attention, training=training), edges)
        outputs = self._normalized(self._sums_by_row(inputs, states, weights))
        if self.use_residual_norm:
            outputs = outputs * self.scale + self.shift
        return self.chosen(outputs, *_batch_first(attention, edges))

    def _message_weights(self, attention, edges):
        return attention * edges

    def _sums_by_row(self, inputs, states, weights):
        messages = self._messages(inputs, states, weights, self.kernel)
        if self.average_heads:
            sums = ops.transpose(ops.mean(messages, axis=1), (1, 0, 2))
        else:
            sums = ops.reshape(ops.transpose(messages, (2, 0, 1, 3)), (-1, self.num_fields, self.units))
        if self.use_residual_norm:
            sums = sums + ops.relu(ops.matmul(inputs, self.residual_kernel) + self.residual_bias)
        return sums

    def _sums(self, inputs, states, weights):
        return ops.transpose(self._sums_by_row(inputs, states, weights), (1, 0, 2))

    def _normalized(self, sums):
        outputs = self.activation(sums)
        return standardize(outputs) if self.use_residual_norm else outputs

    def _kernels_and_scales(self):
        scale = self.scale if self.use_residual_norm else ops.ones(self.units)
        kernel = ops.broadcast_to(self.kernel, (self.num_fields, *self.kernel.shape))
        return kernel, ops.broadcast_to(scale, (self.num_fields, self.units))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "average_heads": self.average_heads,
            "activation": keras.activations.serialize(self.activation),
            "negative_slope": self.negative_slope,
            "use_residual_norm": self.use_residual_norm,
        }


@keras.saving.register_keras_serializable("ctrzoo")
class ReferenceGraphInteraction(_GraphLayer):
    """One layer of GraphFM as its authors released it, which differs from the paper.

    The edge weights multiply the attention scores instead of the messages. The softmax runs over all fields, so an
    interaction that was not selected keeps a small weight: `A_ij = softmax over all j of
    p_ij relu(a . (x_i * x_j) + c)`. The selection keeps all ties. Each field has its own message matrix, and heads are
    slices of its columns. Each field also has a residual `relu(R_i x_i + r_i)`, added before the ReLU, and its own
    scale and shift in the layer normalization after it.
    Source: the public code of Li et al., 2021, https://arxiv.org/abs/2105.11866.

    Args:
        units: Size of an output state, a multiple of `num_heads`.
        num_heads: Number of attention heads.
        num_neighbors: Interactions that each field selects; `None` selects all.
        use_residual: Whether to add the residual.
        selector_units: Hidden size of the edge network.
        use_selection: `False` is the ablation GraphFM(-S): `A_ij = softmax of relu(...)`.
        use_interaction: `False` is the ablation GraphFM(-I): messages are `W_i x_j`.
        attention_dropout: Share of attention weights dropped in training.
        selection: `"top_k"` selects `num_neighbors` interactions for each field, `"threshold"` those whose edge weight
            is above the threshold. A field that selects nothing attends to all fields equally.
        threshold: The threshold, above 0 and below 1; `None` is 0.5. Only for `selection="threshold"`.
        edge_metric: How edge weights are computed: `"mlp"`, the edge network; or from the two states, without weights:
            `"cosine"`, `(1 + cosine) / 2`, or `"euclidean"`, `1 / (1 + distance)`.
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2` on each kernel.
        kernel_initializer: Initial values of the kernels; `None` draws them from Glorot's uniform distribution.
        bias_initializer: Initial values of the biases.
        kernel_regularizer: Another regularizer of the kernels, in place of `l2`.
        return_explanations: Whether to return the attention and the edge weights too.

    Input shape: `(batch, fields, dim)`.
    Output shape: states `(batch, fields, units)`. With `return_explanations` also the attention
    `(batch, heads, fields, fields)` and the edge weights `(batch, fields, fields)`, zero where an interaction was not
    selected.
    """

    def __init__(self, units: int, use_residual: bool = True, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.use_residual = use_residual
        if units % self.num_heads:
            raise ValueError(f"`units` must be a multiple of the {self.num_heads} heads. Received: {units}.")

    def build(self, input_shape: Shape) -> None:
        _, num_fields, dim = input_shape
        self._build_scores(num_fields, dim)
        self.attention_bias = self.add_bias("attention_bias", (self.num_heads,))
        self.kernel = self.add_kernel("kernel", (num_fields, dim, self.units))
        if self.use_residual:
            self.residual_kernel = self.add_kernel("residual_kernel", (num_fields, dim, self.units))
            self.residual_bias = self.add_bias("residual_bias", (num_fields, 1, self.units))
        self.scale = self.add_weight(name="scale", shape=(num_fields, 1, self.units), initializer="ones")
        self.shift = self.add_weight(name="shift", shape=(num_fields, 1, self.units), initializer="zeros")

    def _score_network(self):
        return self.attention_kernel, self.attention_bias, ops.eye(self.num_heads, dtype=self.compute_dtype)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        states = ops.transpose(inputs, (1, 0, 2))
        scores, edges = self._pair_scores(states)
        if edges is None:
            edges = ops.ones_like(scores[0])
        else:
            kept = self._selected(edges, keep_ties=True)
            edges = ops.where(kept, edges, 0.0)
            scores = scores * edges
        attention = inner_softmax(scores, axis=2)
        weights = self.drop_attention(attention, training=training)
        outputs = self._normalized(self._sums(inputs, states, weights)) * self.scale + self.shift
        return self.chosen(ops.transpose(outputs, (1, 0, 2)), *_batch_first(attention, edges))

    def _message_weights(self, attention, edges):
        return attention  # the softmax has seen the edge weights

    def _sums(self, inputs, states, weights):
        kernel, _ = self._kernels_and_scales()
        messages = self._messages(inputs, states, weights, kernel)
        sums = ops.reshape(ops.transpose(messages, (0, 2, 1, 3)), (self.num_fields, -1, self.units))
        if self.use_residual:
            sums = sums + ops.relu(ops.matmul(states, self.residual_kernel) + self.residual_bias)
        return sums

    def _normalized(self, sums):
        return standardize(ops.relu(sums))

    def _kernels_and_scales(self):
        kernel = ops.reshape(self.kernel, (self.num_fields, -1, self.num_heads, self.units // self.num_heads))
        return ops.transpose(kernel, (0, 2, 1, 3)), ops.squeeze(self.scale, 1)

    def get_config(self) -> Config:
        return {**super().get_config(), "use_residual": self.use_residual}


def _batch_first(attention, edges):
    return ops.transpose(attention, (3, 0, 1, 2)), ops.transpose(edges, (2, 0, 1))
