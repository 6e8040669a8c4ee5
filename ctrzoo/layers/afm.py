"""Attention over pairs of fields: the pooling of the attentional factorization machine."""

from typing import Any

import keras
import numpy as np
from keras import ops

from ctrzoo.layers.base import ExplainingLayer
from ctrzoo.layers.numerics import fresh, inner_softmax, penalty
from ctrzoo.layers.pair_networks import scores_of_pairs, spread_to_fields
from ctrzoo.types import Config, Initializer, Regularizer, Shape, Tensor


@keras.saving.register_keras_serializable("ctrzoo")
class AttentionalInteraction(ExplainingLayer):
    """The pair term of AFM, `q . sum over i < j of a_ij e_i * e_j`.

    The attention `a` is the softmax over all pairs of `h . relu(W (e_i * e_j) + c)`. Its sums are in float32 under
    mixed precision too. Pooling first sums over the neighbors of a field, so only the scores have an axis of pairs.
    Source: Xiao et al., 2017, equations 4 to 6, https://arxiv.org/abs/1708.04617.

    Args:
        units: Size of the attention's hidden layer.
        attention_dropout: Share of attention weights dropped in training.
        pooling_dropout: Share of entries of the pooled vector dropped in training.
        l2: Strength of the penalty `l2 / 2 * ||W||^2`.
        kernel_initializer: Initial values of `W`; `None` draws them, as the authors' code does, from a normal
            distribution of variance `2 / (dim + units)`.
        bias_initializer: Initial values of `c`; `None` draws them from the same distribution.
        kernel_regularizer: Another regularizer of `W`, in place of `l2`.
        return_explanations: Whether to return the contribution of each pair and the attention too.

    Input shape: `(batch, fields, dim)`.
    Output shape: the pair term `(batch, 1)`. With `return_explanations` also the contribution of each pair to it and
    the attention, both `(batch, fields, fields)`, symmetric with a zero diagonal. The attention of the pairs i < j
    sums to 1.

    Raises:
        ValueError: If `units` is less than 1.

    >>> logit, pairs, attention = AttentionalInteraction(4, return_explanations=True)(np.ones((2, 3, 8)))
    >>> np.round(attention[0].numpy(), 3)
    array([[0.   , 0.333, 0.333],
           [0.333, 0.   , 0.333],
           [0.333, 0.333, 0.   ]], dtype=float32)
    """

    def __init__(
        self,
        units: int,
        attention_dropout: float = 0.0,
        pooling_dropout: float = 0.0,
        l2: float = 0.0,
        kernel_initializer: Initializer = None,
        bias_initializer: Initializer = None,
        kernel_regularizer: Regularizer = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"`units` must be at least 1. Received: {units}.")
        self.units, self.attention_dropout, self.pooling_dropout = units, attention_dropout, pooling_dropout
        self.l2, self.kernel_regularizer = l2, keras.regularizers.get(kernel_regularizer)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.penalty = penalty(l2, self.kernel_regularizer)
        self.drop_attention = keras.layers.Dropout(attention_dropout, dtype=self.dtype_policy)
        self.drop_pooled = keras.layers.Dropout(pooling_dropout, dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        _, self.num_fields, dim = input_shape
        stddev = float(np.sqrt(2 / (dim + self.units)))
        self.kernel = self.add_weight(
            name="kernel",
            shape=(dim, self.units),
            initializer=fresh(self.kernel_initializer) or keras.initializers.RandomNormal(stddev=stddev),
            regularizer=self.penalty,
        )
        self.bias = self.add_weight(
            name="bias",
            shape=(self.units,),
            initializer=fresh(self.bias_initializer) or keras.initializers.RandomNormal(stddev=stddev),
        )
        self.score_kernel = self.add_weight(
            name="score_kernel", shape=(self.units, 1), initializer=keras.initializers.RandomNormal(stddev=1.0)
        )
        self.output_kernel = self.add_weight(name="output_kernel", shape=(dim,), initializer="ones")

    def call(self, embedded: Tensor, training: bool | None = None) -> Tensor:
        attention = self._attention(embedded, training)
        neighbors = ops.matmul(attention, embedded)
        pooled = 0.5 * ops.sum(embedded * neighbors, axis=1)  # the matrix holds each pair twice
        pooled = self.drop_pooled(pooled, training=training)
        logit = ops.sum(pooled * self.output_kernel, axis=-1, keepdims=True)
        products = ops.matmul(embedded * self.output_kernel, ops.transpose(embedded, (0, 2, 1)))
        return self.chosen(logit, attention * products, attention)

    def _attention(self, embedded, training):
        scores = scores_of_pairs(ops.transpose(embedded, (1, 0, 2)), self.kernel, self.bias, self.score_kernel)
        scores = scores[:, self.num_fields :]  # without the pairs (i, i), which come first
        scores = ops.cast(scores, keras.backend.result_type(scores.dtype, "float32"))
        weights = ops.cast(inner_softmax(scores, axis=1), self.compute_dtype)
        weights = ops.pad(self.drop_attention(weights, training=training), [[0, 0], [self.num_fields, 0], [0, 0]])
        return ops.transpose(spread_to_fields(weights, self.num_fields)[0], (2, 0, 1))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, fields, _ = input_shape
        return self.chosen((batch, 1), (batch, fields, fields), (batch, fields, fields))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "attention_dropout": self.attention_dropout,
            "pooling_dropout": self.pooling_dropout,
            "l2": self.l2,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
