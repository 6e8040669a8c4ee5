"""Functions that several layers share: softmaxes, a standardization, initial values, penalties and sizes."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from ctrzoo.types import Initializer, Regularizer, Tensor


def softmax(scores: Tensor, axis: int = -1) -> Tensor:
    """Compute Keras' softmax with sums in float32 (or float64) under mixed precision.

    Use it along the last axis, or along an axis that may have size 1. Along an inner axis, whose entries are far apart
    in memory, `inner_softmax` is faster.

    >>> softmax(np.zeros((1, 2), "float32")).numpy()
    array([[0.5, 0.5]], dtype=float32)
    """
    if scores.shape[axis] == 1:  # Keras would warn; the product keeps a gradient, zero
        return 1.0 + 0.0 * scores
    wide = keras.backend.result_type(scores.dtype, "float32")
    return ops.cast(ops.softmax(ops.cast(scores, wide), axis=axis), scores.dtype)


def inner_softmax(scores: Tensor, axis: int) -> Tensor:
    """Compute the softmax along an axis before the last, without moving that axis, with sums in float32 at least.

    Keras' softmax transposes such a tensor twice. This one and its gradient are written out instead. The axis may be
    empty.

    >>> inner_softmax(np.zeros((1, 2, 3), "float32"), axis=1).numpy()
    array([[[0.5, 0.5, 0.5],
            [0.5, 0.5, 0.5]]], dtype=float32)
    """

    @ops.custom_gradient
    def forward(scores):
        # The initial value is the maximum of no entries.
        powers = ops.exp(scores - ops.max(scores, axis=axis, keepdims=True, initial=-np.inf))
        shares = powers / ops.sum(powers, axis=axis, keepdims=True)

        def gradient(upstream):
            weighted = upstream * shares
            return weighted - shares * ops.sum(weighted, axis=axis, keepdims=True)

        return shares, gradient

    dtype = scores.dtype
    return ops.cast(forward(ops.cast(scores, keras.backend.result_type(dtype, "float32"))), dtype)


def standardize(states: Tensor, epsilon: float = 1e-8) -> Tensor:
    """Subtract the mean over the last axis and divide by the standard deviation, `sqrt(variance + epsilon)`.

    The gradient is written by hand and takes a third of the passes over memory. Sums are in float32 under mixed
    precision too.

    >>> standardize(np.array([[1.0, 3.0]], "float32")).numpy()
    array([[-1.,  1.]], dtype=float32)
    """

    @ops.custom_gradient
    def forward(states):
        centred = states - ops.mean(states, axis=-1, keepdims=True)
        inverse = ops.rsqrt(ops.mean(ops.square(centred), axis=-1, keepdims=True) + epsilon)
        normal = centred * inverse

        def gradient(upstream) -> Tensor:
            along = normal * ops.mean(upstream * normal, axis=-1, keepdims=True)
            return (upstream - ops.mean(upstream, axis=-1, keepdims=True) - along) * inverse

        return normal, gradient

    dtype = states.dtype
    return ops.cast(forward(ops.cast(states, keras.backend.result_type(dtype, "float32"))), dtype)


def layer_norm(norm: keras.layers.LayerNormalization, states: Tensor) -> Tensor:
    """Apply a built layer normalization of the last axis, with the gradient of `standardize`.

    >>> norm = keras.layers.LayerNormalization(epsilon=0.0)
    >>> norm.build((None, 2))
    >>> layer_norm(norm, np.array([[1.0, 3.0]], "float32")).numpy()
    array([[-1.,  1.]], dtype=float32)
    """
    gamma, beta = ops.cast(norm.gamma, states.dtype), ops.cast(norm.beta, states.dtype)
    return standardize(states, norm.epsilon) * gamma + beta


def inner_layer_norm(norm: keras.layers.LayerNormalization, states: Tensor) -> Tensor:
    """Apply a built layer normalization along the middle axis of `(b, d, n)`, without moving that axis.

    The gradient is written by hand. Sums are in float32 under mixed precision too.

    Args:
        norm: A layer normalization of a last axis of size d.
        states: What to normalize, `(b, d, n)`.

    >>> norm = keras.layers.LayerNormalization(epsilon=0.0)
    >>> norm.build((None, 2))
    >>> inner_layer_norm(norm, np.array([[[1.0, 5.0], [3.0, 1.0]]], "float32")).numpy().tolist()
    [[[-1.0, 1.0], [1.0, -1.0]]]
    """
    size, number = states.shape[1:]

    @ops.custom_gradient
    def forward(states, gamma, beta):
        centred = states - ops.mean(states, axis=1, keepdims=True)
        inverse = ops.rsqrt(ops.mean(ops.square(centred), axis=1, keepdims=True) + norm.epsilon)
        normal = centred * inverse

        def gradient(upstream) -> tuple[Tensor, Tensor, Tensor]:
            products, scaled = upstream * normal, upstream * gamma[:, None]
            along = normal * ops.matmul(gamma[None] / size, products)
            of_states = (scaled - ops.mean(scaled, axis=1, keepdims=True) - along) * inverse
            return of_states, sums(products), sums(upstream)

        return normal * gamma[:, None] + beta[:, None], gradient

    def sums(each):
        """Sum over b and n. A product with ones is faster than a sum over two axes."""
        rows = ops.reshape(each, (-1, number))
        return ops.sum(ops.reshape(ops.matmul(rows, ops.ones((number, 1), each.dtype)), (-1, size)), axis=0)

    dtype = states.dtype
    wide = keras.backend.result_type(dtype, "float32")
    return ops.cast(forward(*(ops.cast(each, wide) for each in (states, norm.gamma, norm.beta))), dtype)


def linear_map(states: Tensor, kernel: Tensor) -> Tensor:
    """Multiply the last axis by a matrix, as one product for all rows. Keras' `matmul` computes one for each row.

    Only the size of the first axis may be unknown.

    >>> linear_map(np.ones((2, 3, 4)), np.ones((4, 5))).shape
    TensorShape([2, 3, 5])
    """
    rows = ops.matmul(ops.reshape(states, (-1, states.shape[-1])), kernel)
    return ops.reshape(rows, (-1, *states.shape[1:-1], kernel.shape[-1]))


def sizes(name: str, size: int | Sequence[int], count: int) -> tuple[int, ...]:
    """Return one size for each of `count` parts: the given ones, or the given one for all.

    Raises:
        ValueError: If a size is below 1, or their number is not `count`.

    >>> sizes("units", 8, 3)
    (8, 8, 8)
    """
    each = (size,) * count if isinstance(size, int) else tuple(size)
    if len(each) != count or min(each) < 1:
        raise ValueError(f"`{name}` must be a size of at least 1, or {count} of them. Received: {size!r}.")
    return each


def lowest_score(dtype: str) -> float:
    """Return a score that leaves an entry out of a softmax or a maximum; it is finite in `dtype`.

    >>> lowest_score("float16")
    -10000.0
    """
    return -1e4 if dtype == "float16" else -1e9


def glorot_limit(fan_in: int, fan_out: int) -> float:
    """Return the limit of Glorot's uniform distribution, `sqrt(6 / (fan_in + fan_out))`.

    Keras derives the fans from the shape of a weight. Give them here where the shape has other axes, such as fields.
    Source: Glorot and Bengio, AISTATS 2010, equation 16.

    >>> glorot_limit(2, 4)
    1.0
    """
    return float(np.sqrt(6 / (fan_in + fan_out)))


def glorot_uniform(fan_in: int, fan_out: int) -> keras.initializers.Initializer:
    """Return an initializer that draws from Glorot's uniform distribution for the given fans.

    >>> glorot_uniform(2, 4).get_config()["maxval"]
    1.0
    """
    limit = glorot_limit(fan_in, fan_out)
    return keras.initializers.RandomUniform(-limit, limit)


def fresh(initializer: Initializer) -> Initializer:
    """Return a copy of an initializer for one more weight; the same object would draw the same values again.

    >>> one = keras.initializers.RandomNormal()
    >>> fresh(one) is one
    False
    """
    return initializer.clone() if isinstance(initializer, keras.initializers.Initializer) else initializer


def penalty(l2: float, regularizer: Regularizer = None) -> Regularizer:
    """Return the regularizer of a weight: the one that is given, or else `l2 / 2 * ||weight||^2`, or else None.

    The half is the convention of TensorFlow 1 and FuxiCTR. Keras' own `L2` has none.

    Raises:
        ValueError: If both are given.

    >>> float(penalty(0.5)(np.array([2.0, 4.0])))
    5.0
    """
    if l2 and regularizer is not None:
        raise ValueError(
            f"`l2` and a regularizer both set the penalty of the same weight. Received: l2={l2}, {regularizer}. "
            "Give one of them."
        )
    return keras.regularizers.L2(l2 / 2) if l2 else keras.regularizers.get(regularizer)
