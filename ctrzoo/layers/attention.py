"""Self-attention over the fields of a row, as in AutoInt.

Letters: b batch, n = i = j fields, d input size, u output size of a head, h heads, k layers or orders.
"""

from typing import Any

import keras
from keras import ops

from ctrzoo.layers.base import BiasedLayer, ExplainingLayer
from ctrzoo.layers.numerics import glorot_uniform, layer_norm, softmax
from ctrzoo.types import Activation, Config, Shape, Tensor

# How GraphCTR, the code released with GraphFM, builds the attention of AutoInt, Fi-GNN and InterHAt.
REFERENCE_ATTENTION = {
    "projection_activation": "relu",
    "use_bias": True,
    "scale_scores": True,
    "layer_norm": True,
}


@keras.saving.register_keras_serializable("ctrzoo")
class FieldAttention(ExplainingLayer, BiasedLayer):
    """Multi-head self-attention of fields: `activation(concat over heads of softmax(Q K') V + residual)`.

    `Q`, `K`, `V` and the residual are linear functions of the states. The defaults are equations 5 to 8 of the AutoInt
    paper. `REFERENCE_ATTENTION` has the options of the released code, which differ.
    Source: Song et al., 2019, equations 5 to 8, https://arxiv.org/abs/1810.11921.

    Args:
        units: Size of an output state, all heads together; a multiple of `num_heads`.
        num_heads: Number of attention heads.
        activation: Activation of the sum of heads and residual.
        projection_activation: Activation of `Q`, `K`, `V` and the residual.
        use_bias: Whether `Q`, `K`, `V` and the residual have a bias.
        use_residual: Whether to add the residual.
        scale_scores: Whether to divide the scores by the square root of a head's size.
        layer_norm: Whether to normalize the output over its last axis (epsilon 1e-8).
        attention_dropout: Share of attention weights dropped in training.
        l2: Strength of the penalty `l2 / 2 * ||matrix||^2`.
        kernel_initializer: Initial values of the matrix of `Q`, `K`, `V` and the residual; `None` draws them from
            Glorot's uniform distribution for one of the four.
        bias_initializer: Initial values of the bias.
        kernel_regularizer: Another regularizer of the matrix, in place of `l2`.
        return_explanations: Whether to return the attention too.

    Input shape: `(batch, fields, dim)`.
    Output shape: states `(batch, fields, units)`; with `return_explanations` also the attention
    `(batch, heads, fields, fields)`, whose rows sum to 1.

    Raises:
        ValueError: If `units` is not a positive multiple of `num_heads`.

    >>> states, attention = FieldAttention(4, num_heads=2, return_explanations=True)(np.ones((2, 3, 5)))
    >>> states.shape, attention.shape
    (TensorShape([2, 3, 4]), TensorShape([2, 2, 3, 3]))
    """

    def __init__(
        self,
        units: int,
        num_heads: int = 2,
        activation: Activation = "relu",
        projection_activation: Activation = None,
        use_bias: bool = False,
        use_residual: bool = True,
        scale_scores: bool = False,
        layer_norm: bool = False,
        attention_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
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

    def build(self, input_shape: Shape) -> None:
        dim = input_shape[-1]
        self.num_projections = 4 if self.use_residual else 3
        columns = self.num_projections * self.units  # queries, keys, values, residual
        self.kernel = self.add_kernel("kernel", (dim, columns), default=glorot_uniform(dim, self.units))
        if self.use_bias:
            self.bias = self.add_bias("bias", (columns,))
        if self.layer_norm:
            self.norm.build((*input_shape[:-1], self.units))

    def call(self, states: Tensor, training: bool | None = None) -> Tensor:
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
        outputs = layer_norm(self.norm, outputs) if self.layer_norm else outputs
        return self.chosen(outputs, ops.stack(attentions, axis=1))

    @property
    def head_units(self) -> int:
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

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, fields, _ = input_shape
        return self.chosen((batch, fields, self.units), (batch, self.num_heads, fields, fields))

    def get_config(self) -> Config:
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
