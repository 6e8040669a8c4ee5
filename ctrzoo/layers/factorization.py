"""Factorized pairwise interactions."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from ctrzoo.lookup import is_for_xla_on_cpu
from ctrzoo.types import Config, Shape, Tensor


def sum_of_fields(vectors: Tensor) -> Tensor:
    """Sum vectors over their fields. This is fast where XLA compiles for a CPU too.

    Args:
        vectors: Tensor `(batch, fields, dim)`.

    Returns:
        Tensor `(batch, dim)`.

    >>> sum_of_fields(np.array([[[1.0, 2.0], [3.0, -1.0]]])).numpy().tolist()
    [[4.0, 1.0]]
    """
    if not is_for_xla_on_cpu():
        return ops.sum(vectors, axis=1)
    # Where loops stay rolled (`ctrzoo.startup`), XLA adds number by number, which takes longer than reading them.
    # A product with ones is as fast as an unrolled sum.
    ones = ops.ones((ops.shape(vectors)[0], 1, vectors.shape[1]), vectors.dtype)
    return ops.squeeze(ops.matmul(ones, vectors), axis=1)


def inner_products(vectors: Tensor, first: np.ndarray, second: np.ndarray) -> Tensor:
    """Compute `<v_i, v_j>` only for the listed pairs (i, j).

    Args:
        vectors: Tensor `(batch, vectors, dim)`.
        first: Index i of each pair, a NumPy array.
        second: Index j of each pair.

    Returns:
        Tensor `(batch, pairs)`.
    """
    count = vectors.shape[1]
    products = ops.matmul(vectors, ops.transpose(vectors, (0, 2, 1)))
    # Whole rows of the batch are gathered, which is several times faster than single numbers.
    by_pair = ops.reshape(ops.transpose(products, (1, 2, 0)), (count**2, -1))
    return ops.transpose(ops.take(by_pair, first * count + second, axis=0))


def pair_matrix(terms: Tensor, num_fields: int, pairs: Sequence[tuple[int, int]] | None = None) -> Tensor:
    """Arrange numbers of pairs as symmetric matrices.

    Args:
        terms: Tensor `(batch, pairs)`.
        num_fields: Number of fields.
        pairs: The two fields of each pair; `None` for all pairs i < j, in the order of `numpy.triu_indices`.

    Returns:
        Tensor `(batch, fields, fields)`, zero on the diagonal and for other pairs.

    >>> pair_matrix(np.array([[1.0, 2.0, 3.0]]), 3)[0].numpy().tolist()
    [[0.0, 1.0, 2.0], [1.0, 0.0, 3.0], [2.0, 3.0, 0.0]]
    """
    first, second = np.triu_indices(num_fields, 1) if pairs is None else np.transpose(pairs)
    columns = np.full((num_fields, num_fields), len(first), "int32")  # a column of zeros
    columns[first, second] = columns[second, first] = np.arange(len(first))
    padded = ops.pad(terms, ((0, 0), (0, 1)))
    return ops.reshape(ops.take(padded, columns.ravel(), axis=1), (-1, num_fields, num_fields))


@keras.saving.register_keras_serializable("ctrzoo")
class PairwiseInteraction(keras.layers.Layer):
    """The pair term of a factorization machine, `sum over i < j of <e_i, e_j>`, in linear time.

    Computed as half of (square of the sum minus sum of the squares). The two nearly cancel, so they are in float32
    under mixed precision too. Source: Rendle, ICDM 2010, lemma 3.1.

    Input shape: `(batch, fields, dim)`.
    Output shape: `(batch, 1)`.

    >>> PairwiseInteraction()(np.array([[[1.0, 2.0], [3.0, -1.0], [0.0, 2.0]]])).numpy()
    array([[3.]], dtype=float32)
    """

    def call(self, embedded: Tensor) -> Tensor:
        embedded = ops.cast(embedded, keras.backend.result_type(embedded.dtype, "float32"))
        square_of_sum = ops.square(sum_of_fields(embedded))
        sum_of_squares = sum_of_fields(ops.square(embedded))
        pairs = 0.5 * ops.sum(square_of_sum - sum_of_squares, axis=-1, keepdims=True)
        return ops.cast(pairs, self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], 1)


@keras.saving.register_keras_serializable("ctrzoo")
class PairProducts(keras.layers.Layer):
    """The inner product of every pair of fields, `<e_i, e_j>`, with a zero diagonal. It explains an FM.

    Input shape: `(batch, fields, dim)`.
    Output shape: `(batch, fields, fields)`, symmetric.
    """

    def call(self, embedded: Tensor) -> Tensor:
        others = 1.0 - ops.eye(embedded.shape[1], dtype=self.compute_dtype)
        return ops.matmul(embedded, ops.transpose(embedded, (0, 2, 1))) * others

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], input_shape[1], input_shape[1])


@keras.saving.register_keras_serializable("ctrzoo")
class BiInteraction(keras.layers.Layer):
    """The vector `sum over i < j of e_i * e_j`, in linear time: the bi-interaction pooling of NFM.

    Computed as half of (square of the sum minus sum of the squares), in float32 under mixed precision too.
    Source: He and Chua, 2017, equations 3 and 4, https://arxiv.org/abs/1708.05027.

    Input shape: `(batch, fields, dim)`.
    Output shape: `(batch, dim)`.

    >>> BiInteraction()(np.array([[[1.0, 2.0], [3.0, -1.0], [0.0, 2.0]]])).numpy()
    array([[3., 0.]], dtype=float32)
    """

    def call(self, embedded: Tensor) -> Tensor:
        embedded = ops.cast(embedded, keras.backend.result_type(embedded.dtype, "float32"))
        square_of_sum = ops.square(sum_of_fields(embedded))
        sum_of_squares = sum_of_fields(ops.square(embedded))
        return ops.cast(0.5 * (square_of_sum - sum_of_squares), self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], input_shape[2])


@keras.saving.register_keras_serializable("ctrzoo")
class AnovaKernel(keras.layers.Layer):
    """The term of one order of a higher-order FM: `sum over i1 < ... < it and f of e_i1f * ... * e_itf`.

    The recursion runs over orders, all fields at once: `c_1 = e` and `c_s[j] = e_j * (c_{s-1} summed over
    the fields before j)`; the term is the sum of `c_t`. Only fields that s - 1 others precede are kept.
    Sums are in float32 under mixed precision too. With fewer fields than the order, the term is 0.
    Source: Blondel et al., 2016, section 3, https://arxiv.org/abs/1607.07195.

    Args:
        order: Number of different fields in each product, at least 2.

    Input shape: `(batch, fields, dim)`.
    Output shape: `(batch, 1)`.

    Raises:
        ValueError: If the order is less than 2.

    >>> AnovaKernel(3)(np.array([[[1.0, 2.0], [3.0, -1.0], [0.0, 2.0]]])).numpy()
    array([[-4.]], dtype=float32)
    """

    def __init__(self, order: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if order < 2:
            raise ValueError(f"`order` must be at least 2. Received: {order}.")
        self.order = order

    def call(self, embedded: Tensor) -> Tensor:
        embedded = ops.cast(embedded, keras.backend.result_type(embedded.dtype, "float32"))
        if embedded.shape[1] < self.order:
            return ops.cast(0.0 * ops.sum(embedded, axis=(1, 2))[:, None], self.compute_dtype)  # has a gradient, zero
        products = embedded
        for preceding in range(1, self.order):
            rest = embedded.shape[1] - preceding
            before = ops.convert_to_tensor(np.tri(rest, rest + 1), embedded.dtype)  # faster than `cumsum`
            products = embedded[:, preceding:] * ops.matmul(before, products)
        return ops.cast(ops.sum(products, axis=(1, 2))[:, None], self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], 1)

    def get_config(self) -> Config:
        return {**super().get_config(), "order": self.order}


@keras.saving.register_keras_serializable("ctrzoo")
class DotInteraction(keras.layers.Layer):
    """The inner products of all pairs of vectors, as inputs of a network: the interaction of DLRM.

    They come in the order of the lower triangle's rows: (1, 0), (2, 0), (2, 1), (3, 0), ...
    Source: Naumov et al., 2019, section 2.1.3, https://arxiv.org/abs/1906.00091.

    Args:
        self_interaction: Whether to return the squared norms too.

    Input shape: `(batch, vectors, dim)`.
    Output shape: `(batch, pairs)`.

    Raises:
        ValueError: If the input has only one vector, so that it has no pair.

    >>> DotInteraction()(np.array([[[1.0, 2.0], [3.0, -1.0], [0.0, 2.0]]])).numpy()
    array([[ 1.,  4., -2.]], dtype=float32)
    """

    def __init__(self, self_interaction: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.self_interaction = self_interaction

    def build(self, input_shape: Shape) -> None:
        if not self.compute_output_shape(input_shape)[1]:
            raise ValueError(
                "Inner products need at least two vectors: categorical or multi-valued fields, or one of them "
                f"and the vector of all numerical fields. Received: {input_shape[1]} vector."
            )

    def call(self, vectors: Tensor) -> Tensor:
        count = vectors.shape[1]
        rows, columns = np.tril_indices(count, 0 if self.self_interaction else -1)
        return inner_products(vectors, rows, columns)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        count = input_shape[1]
        return (input_shape[0], count * (count + 1 if self.self_interaction else count - 1) // 2)

    def get_config(self) -> Config:
        return {**super().get_config(), "self_interaction": self.self_interaction}
