"""The gated pair term of AutoFIS.

Letters: b batch, n fields, p pairs, d input size.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from ctrzoo.layers.base import ExplainingLayer
from ctrzoo.layers.factorization import pair_matrix
from ctrzoo.types import Config, Initializer, Shape, Tensor


@keras.saving.register_keras_serializable("ctrzoo")
class GatedPairs(ExplainingLayer):
    """The pair term of AutoFIS, `sum over i < j of alpha_ij BN(<e_i, e_j>)`, with one gate for each pair.

    The batch normalization has neither scale nor shift, so that only its gate decides how much a pair weighs.
    Source: Liu et al., 2020, section 3.2, https://arxiv.org/abs/2003.11235.

    Args:
        pairs: The pairs of field indices to keep; `None` keeps all, in the order of `itertools.combinations`.
        batch_norm: Whether to normalize each pair's product over the batch.
        batch_norm_momentum: Momentum of the moving mean and variance: the share that a step keeps.
        gates_initializer: Initial values of the gates; `None` draws them from 0.599 to 0.601, as the authors' code.
        return_explanations: Whether to return the contribution and the gate of each pair too.

    Input shape: `(batch, fields, dim)`.
    Output shape: the sum `(batch, 1)`. With `return_explanations` also the contribution and the gate of each pair,
    both `(batch, fields, fields)`, symmetric, zero for a pair that is not kept.

    Raises:
        ValueError: If `pairs` is empty, or has a pair twice, or a pair of equal or unknown fields.

    >>> GatedPairs(pairs=[(0, 1)])(np.ones((2, 3, 4))).shape
    TensorShape([2, 1])
    """

    def __init__(
        self,
        pairs: Sequence[Sequence[Any]] | None = None,
        batch_norm: bool = True,
        batch_norm_momentum: float = 0.9,
        gates_initializer: Initializer = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pairs = None if pairs is None else tuple(tuple(sorted(pair)) for pair in pairs)
        self.batch_norm, self.batch_norm_momentum = batch_norm, batch_norm_momentum
        self.gates_initializer = keras.initializers.get(gates_initializer)
        self.normalize = None
        if batch_norm:
            self.normalize = keras.layers.BatchNormalization(
                momentum=batch_norm_momentum, center=False, scale=False, name="batch_norm", dtype=self.dtype_policy
            )

    def build(self, input_shape: Shape) -> None:
        self.num_fields = input_shape[1]
        every = list(itertools.combinations(range(self.num_fields), 2))
        self.kept = every if self.pairs is None else list(self.pairs)
        if not self.kept:
            raise ValueError(f"A pair term needs at least one pair. Received: {self.num_fields} fields, {self.pairs}.")
        wrong = sorted(set(self.kept) - set(every))
        if wrong or len(set(self.kept)) < len(self.kept):
            raise ValueError(
                f"`pairs` must be different pairs of the fields 0 to {self.num_fields - 1}. Received: {self.pairs}."
            )
        initializer = self.gates_initializer or keras.initializers.RandomUniform(0.599, 0.601)
        self.gates = self.add_weight(name="gates", shape=(len(self.kept),), initializer=initializer)
        if self.normalize is not None:
            self.normalize.build((input_shape[0], len(self.kept)))

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        first, second = np.transpose(self.kept)
        products = ops.matmul(inputs, ops.transpose(inputs, (0, 2, 1)))
        products = ops.reshape(products, (-1, self.num_fields**2))
        products = ops.take(products, first * self.num_fields + second, axis=1)
        if self.normalize is not None:
            products = self.normalize(products, training=training)
        terms = products * self.gates
        gates = ops.ones_like(products) * self.gates
        matrices = (pair_matrix(each, self.num_fields, self.kept) for each in (terms, gates))
        return self.chosen(ops.sum(terms, axis=-1, keepdims=True), *matrices)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, fields, _ = input_shape
        return self.chosen((batch, 1), (batch, fields, fields), (batch, fields, fields))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "pairs": self.pairs,
            "batch_norm": self.batch_norm,
            "batch_norm_momentum": self.batch_norm_momentum,
            "gates_initializer": keras.initializers.serialize(self.gates_initializer),
        }
