"""Product layers of PNN: they compute products of pairs of fields, which an MLP would have to learn.

Letters: b batch, n fields, p pairs i < j, d input size, u output size. `InnerProducts` and `OuterProducts` return one
number per pair. The two factorized layers return inputs of a hidden layer without computing single pairs.
Source: Qu et al., 2016, https://arxiv.org/abs/1611.00144.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from ctrzoo.layers.base import KernelLayer
from ctrzoo.layers.factorization import inner_products, sum_of_fields
from ctrzoo.types import Config, Shape, Tensor


def bilinear_products(embedded: Tensor, kernel: Tensor) -> Tensor:
    """Compute the vector `(e_i K_ij) * e_j` for every pair i < j.

    One matrix product per field i, with the kernels of its pairs side by side, and slices of the vectors take half the
    time of one product per pair with gathered vectors.

    Args:
        embedded: Tensor `(batch, fields, dim)`.
        kernel: Tensor `(pairs, dim, dim)`; the pairs are those of `numpy.triu_indices(fields, 1)`.

    Returns:
        Tensor `(batch, pairs, dim)`.

    >>> kernel = np.array([[[0.0, 1.0], [0.0, 0.0]]])
    >>> bilinear_products(np.array([[[1.0, 2.0], [3.0, 4.0]]]), kernel).numpy().tolist()
    [[[0.0, 4.0]]]
    """
    _, fields, dim = embedded.shape
    if fields == 1:
        return embedded[:, :0] * ops.sum(kernel)  # no pairs, and a gradient
    flat = ops.reshape(embedded, (-1, fields * dim))
    products = [
        ops.matmul(embedded[:, field], kernels) * flat[:, (field + 1) * dim :]
        for field, kernels in enumerate(_by_field(kernel, fields))
    ]
    return ops.reshape(ops.concatenate(products, axis=-1), (-1, fields * (fields - 1) // 2, dim))


def kernel_products(embedded: Tensor, kernel: Tensor) -> Tensor:
    """Compute `e_i^T K_ij e_j` for every pair i < j.

    Args:
        embedded: Tensor `(batch, fields, dim)`.
        kernel: Tensor `(pairs, dim, dim)`; the pairs are those of `numpy.triu_indices(fields, 1)`.

    Returns:
        Tensor `(batch, pairs)`.

    >>> kernel_products(np.array([[[1.0, 2.0], [3.0, 4.0]]]), np.array([[[0.0, 1.0], [0.0, 0.0]]])).numpy().tolist()
    [[4.0]]
    """
    return ops.sum(bilinear_products(embedded, kernel), axis=-1)


def sum_of_kernel_products(embedded: Tensor, kernel: Tensor) -> Tensor:
    """Compute `sum over i < j of e_i^T K_ij e_j`, several times as fast as by `kernel_products`.

    It is `x^T U x` for all fields x joined and a matrix U that has `K_ij` in row i and column j of its blocks, and
    zeros below. One large matrix product takes less time than many small ones, though half of U is zero.

    Args:
        embedded: Tensor `(batch, fields, dim)`.
        kernel: Tensor `(pairs, dim, dim)`; the pairs are those of `numpy.triu_indices(fields, 1)`.

    Returns:
        Tensor `(batch, 1)`.

    >>> kernel = np.array([[[0.0, 1.0], [0.0, 0.0]]])
    >>> sum_of_kernel_products(np.array([[[1.0, 2.0], [3.0, 4.0]]]), kernel).numpy().tolist()
    [[4.0]]
    """
    _, fields, dim = embedded.shape
    blocks = ops.reshape(ops.transpose(upper_triangle(kernel, fields), (0, 2, 1, 3)), (fields * dim, fields * dim))
    flat = ops.reshape(embedded, (-1, fields * dim))
    return ops.sum(ops.matmul(flat, blocks) * flat, axis=-1, keepdims=True)


def upper_triangle(weights: Tensor, fields: int) -> Tensor:
    """Return the weights of the pairs i < j at row i and column j, `(fields, fields, ...)`, and zeros elsewhere.

    Args:
        weights: Tensor `(pairs, ...)`; the pairs are those of `numpy.triu_indices(fields, 1)`.
        fields: Number of fields.

    >>> upper_triangle(np.array([1.0, 2.0, 3.0]), 3).numpy().tolist()
    [[0.0, 1.0, 2.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]]
    """
    first, second = np.triu_indices(fields, 1)
    places = np.full((fields, fields), len(first))  # of the zeros that follow the weights
    places[first, second] = np.arange(len(first))
    return ops.take(ops.pad(weights, [[0, 1], *[[0, 0]] * (len(weights.shape) - 1)]), places, axis=0)


def _by_field(kernel, fields):
    """Put the kernels of each field i with its j > i side by side: `(dim, (fields - 1 - i) * dim)`."""
    dim, first, found = kernel.shape[-1], 0, []
    for others in range(fields - 1, -1, -1):
        side_by_side = ops.transpose(kernel[first : first + others], (1, 0, 2))
        found.append(ops.reshape(side_by_side, (dim, others * dim)))
        first += others
    return found


@keras.saving.register_keras_serializable("ctrzoo")
class InnerProducts(keras.layers.Layer):
    """The inner product `<e_i, e_j>` of every pair i < j.

    Source: Qu et al., 2016, section III-B, https://arxiv.org/abs/1611.00144.

    Input shape: `(batch, fields, dim)`.
    Output shape: `(batch, pairs)`; the pairs are those of `numpy.triu_indices(fields, 1)`.

    >>> InnerProducts()(np.array([[[1.0, 2.0], [3.0, -1.0], [0.0, 2.0]]])).numpy()
    array([[ 1.,  4., -2.]], dtype=float32)
    """

    def call(self, embedded: Tensor) -> Tensor:
        return inner_products(embedded, *np.triu_indices(embedded.shape[1], 1))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, fields, _ = input_shape
        return (batch, fields * (fields - 1) // 2)


@keras.saving.register_keras_serializable("ctrzoo")
class OuterProducts(KernelLayer):
    """A linear function of the outer product of every pair i < j, `<K_ij, e_i e_j^T> = e_i^T K_ij e_j`.

    With `K_ij` the identity this is `InnerProducts`.
    Source: Qu et al., 2018, kernel product, https://arxiv.org/abs/1807.00311.

    Args:
        l2: Strength of the penalty `l2 / 2 * ||K_ij||^2`.
        kernel_initializer: Initial values of each `K_ij`; `None` draws them from Glorot's uniform distribution.
        kernel_regularizer: Another regularizer of the `K_ij`, in place of `l2`.

    Input shape: `(batch, fields, dim)`.
    Output shape: `(batch, pairs)`; the pairs are those of `numpy.triu_indices(fields, 1)`.

    >>> OuterProducts()(np.ones((2, 3, 4))).shape
    TensorShape([2, 3])
    """

    def build(self, input_shape: Shape) -> None:
        _, num_fields, dim = input_shape
        self.kernel = self.add_kernel("kernel", (num_fields * (num_fields - 1) // 2, dim, dim))

    def call(self, embedded: Tensor) -> Tensor:
        return kernel_products(embedded, self.kernel)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, fields, _ = input_shape
        return (batch, fields * (fields - 1) // 2)


class _FactorizedProducts(KernelLayer):
    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"`units` must be at least 1. Received: {units}.")
        self.units = units

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.units)

    def get_config(self) -> Config:
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("ctrzoo")
class FactorizedInnerProducts(_FactorizedProducts):
    """Weighted sums of all inner products, the weights of rank 1: `sum over i, j of t_i t_j <e_i, e_j>`.

    Each output has its own `t` and is `||sum over i of t_i e_i||^2`, which includes the pairs (i, i).
    Source: Qu et al., 2016, section III-B (rank-1 factorization), https://arxiv.org/abs/1611.00144.

    Args:
        units: Number of outputs.
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2`.
        kernel_initializer: Initial values of the kernel; `None` draws them from Glorot's uniform distribution.
        kernel_regularizer: Another regularizer of the kernel, in place of `l2`.

    Input shape: `(batch, fields, dim)`.
    Output shape: `(batch, units)`.

    >>> FactorizedInnerProducts(5)(np.ones((2, 3, 4))).shape
    TensorShape([2, 5])
    """

    def build(self, input_shape: Shape) -> None:
        self.kernel = self.add_kernel("kernel", (input_shape[1], self.units))

    def call(self, embedded: Tensor) -> Tensor:
        return ops.sum(ops.square(ops.einsum("bnd,nu->bud", embedded, self.kernel)), axis=-1)


@keras.saving.register_keras_serializable("ctrzoo")
class FactorizedOuterProducts(_FactorizedProducts):
    """Linear functions of the outer product of the sum of all fields, `<K, s s^T>` with `s = sum of e_i`.

    `s s^T` is the sum of the outer products of all pairs, including each field with itself. Only the symmetric part of
    `K` has an effect.
    Source: Qu et al., 2016, section III-C (superposition), https://arxiv.org/abs/1611.00144.

    Args:
        units: Number of outputs.
        l2: Strength of the penalty `l2 / 2 * ||kernel||^2`.
        kernel_initializer: Initial values of the kernel; `None` draws them from Glorot's uniform distribution.
        kernel_regularizer: Another regularizer of the kernel, in place of `l2`.

    Input shape: `(batch, fields, dim)`.
    Output shape: `(batch, units)`.

    >>> FactorizedOuterProducts(5)(np.ones((2, 3, 4))).shape
    TensorShape([2, 5])
    """

    def build(self, input_shape: Shape) -> None:
        self.kernel = self.add_kernel("kernel", (input_shape[2] ** 2, self.units))

    def call(self, embedded: Tensor) -> Tensor:
        total = sum_of_fields(embedded)
        square = ops.expand_dims(total, 2) * ops.expand_dims(total, 1)
        return ops.matmul(ops.reshape(square, (-1, embedded.shape[2] ** 2)), self.kernel)
