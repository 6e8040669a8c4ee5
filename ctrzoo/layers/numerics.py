"""Numerics that several layers share: softmax and standardization in float32 at least."""

import keras
import numpy as np
from keras import ops


def softmax(scores, axis=-1):
    """Softmax whose sums are kept in float32 (or float64) under mixed precision.

    >>> softmax(np.zeros((1, 2), "float32")).numpy()
    array([[0.5, 0.5]], dtype=float32)
    """
    if scores.shape[axis] == 1:  # Keras would warn; the product keeps a gradient, zero
        return 1.0 + 0.0 * scores
    wide = keras.backend.result_type(scores.dtype, "float32")
    return ops.cast(ops.softmax(ops.cast(scores, wide), axis=axis), scores.dtype)


def softmax_along(scores, axis):
    """Compute the softmax along an axis that is not the last, in float32 at least, without moving that axis."""

    @ops.custom_gradient
    def forward(scores):
        # The initial value is for no candidates at all.
        powers = ops.exp(scores - ops.max(scores, axis=axis, keepdims=True, initial=-np.inf))
        shares = powers / ops.sum(powers, axis=axis, keepdims=True)

        def gradient(upstream):
            weighted = upstream * shares
            return weighted - shares * ops.sum(weighted, axis=axis, keepdims=True)

        return shares, gradient

    dtype = scores.dtype
    return ops.cast(forward(ops.cast(scores, keras.backend.result_type(dtype, "float32"))), dtype)


def standardize(states, epsilon=1e-8):
    """Subtract the mean over the last axis and divide by the standard deviation, `sqrt(variance + epsilon)`.

    The gradient is written by hand and takes a third of the passes over memory. Sums are in float32
    also under mixed precision.
    """

    @ops.custom_gradient
    def forward(states):
        centred = states - ops.mean(states, axis=-1, keepdims=True)
        inverse = ops.rsqrt(ops.mean(ops.square(centred), axis=-1, keepdims=True) + epsilon)
        normal = centred * inverse

        def gradient(upstream):
            along = normal * ops.mean(upstream * normal, axis=-1, keepdims=True)
            return (upstream - ops.mean(upstream, axis=-1, keepdims=True) - along) * inverse

        return normal, gradient

    dtype = states.dtype
    return ops.cast(forward(ops.cast(states, keras.backend.result_type(dtype, "float32"))), dtype)
