"""A network on the interaction of each pair of fields, computed once for each unordered pair.

Letters: b batch, n = i = j fields, p unordered pairs, d input size, u units.
The pairs come in the order of their distance on a circle of fields: (i, i), then (i, i + 1), (i, i + 2) ...,
modulo n. The partners at one distance are then one slice of the states (written twice, one after the
other), where a list of pairs would gather: no copy is made of the states for their partners, and each
piece of work is small enough for a processor's cache.
"""

import numpy as np
from keras import ops


def unordered_pairs(num_fields):
    """Return the fields i and j of each unordered pair, (i, i) among them, in the order of this module.

    >>> first, second = unordered_pairs(3)
    >>> list(zip(first.tolist(), second.tolist()))
    [(0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (2, 0)]
    """
    fields = np.arange(num_fields)
    pairs = [(fields, (fields + distance) % num_fields) for distance in range(num_fields // 2 + 1)]
    if num_fields % 2 == 0:  # at half of the circle (i, j) and (j, i) are both there
        pairs[-1] = tuple(part[: num_fields // 2] for part in pairs[-1])
    first, second = np.concatenate(pairs, axis=1)
    return first, second


def hidden_of_pairs(states, kernel, bias):
    """Compute `relu((x_i * x_j) @ kernel + bias)` for all unordered pairs of fields.

    The gradient is written by hand: it slices where automatic differentiation would scatter.

    Args:
        states: Tensor `(fields, batch, dim)`.
        kernel: Tensor `(dim, units)`.
        bias: Tensor `(units,)`.

    Returns:
        Tensor `(pairs, batch, units)`, the pairs in the order of `unordered_pairs`.

    >>> hidden_of_pairs(np.ones((3, 1, 2)), np.ones((2, 1)), np.zeros(1))[:, 0, 0].numpy()
    array([2., 2., 2., 2., 2., 2.], dtype=float32)
    """

    @ops.custom_gradient
    def network(states, kernel, bias):
        partners = _partners(states)
        products = [ops.reshape(x * y, (-1, x.shape[-1])) for x, y in partners]
        hidden = [ops.relu(ops.add(ops.matmul(product, kernel), bias)) for product in products]
        hidden = ops.reshape(ops.concatenate(hidden, axis=0), (-1, ops.shape(states)[1], kernel.shape[-1]))

        def gradient(upstream):
            upstream = ops.where(hidden > 0, upstream, 0)
            of_states, of_kernel, start = [], [], 0
            for (x, y), product in zip(partners, products, strict=True):
                part = ops.reshape(upstream[start : start + x.shape[0]], (-1, kernel.shape[-1]))
                start += x.shape[0]
                of_kernel.append(ops.matmul(ops.transpose(product), part))
                of_product = ops.reshape(ops.matmul(part, ops.transpose(kernel)), ops.shape(x))
                of_states += _of_states(of_product, x, y, distance=len(of_kernel) - 1, num_fields=states.shape[0])
            of_bias = ops.sum(ops.reshape(upstream, (-1, kernel.shape[-1])), axis=0)
            return _add_up(of_states), _add_up(of_kernel), of_bias

        return hidden, gradient

    # A copy, because a custom gradient takes no variables.
    return network(states, ops.copy(kernel), ops.copy(bias))


def spread_to_fields(pairs, num_fields):
    """Arrange numbers of unordered pairs as symmetric matrices.

    Args:
        pairs: Tensor `(pairs, batch, k)`, the pairs in the order of `unordered_pairs`.
        num_fields: Number of fields.

    Returns:
        Tensor `(batch, k, fields, fields)`.

    >>> spread_to_fields(np.array([[[1.0]], [[2.0]], [[3.0]]]), 2).numpy().tolist()
    [[[[1.0, 3.0], [3.0, 2.0]]]]
    """
    first, second = unordered_pairs(num_fields)
    index = np.zeros((num_fields, num_fields), "int32")
    index[first, second] = index[second, first] = np.arange(len(first))
    width = pairs.shape[-1]
    twice = np.reshape(first != second, (-1, 1, 1))

    @ops.custom_gradient
    def spread(pairs):
        matrices = ops.take(pairs, index.ravel(), axis=0)
        matrices = ops.reshape(matrices, (num_fields, num_fields, -1, width))

        def gradient(upstream):
            upstream = ops.reshape(ops.transpose(upstream, (2, 3, 0, 1)), (num_fields**2, -1, width))
            straight = ops.take(upstream, first * num_fields + second, axis=0)
            return straight + ops.take(upstream, second * num_fields + first, axis=0) * ops.cast(twice, straight.dtype)

        return ops.transpose(matrices, (2, 3, 0, 1)), gradient

    return spread(pairs)


def _partners(states):
    """Return, for each distance, the states of the first and of the second fields of its pairs."""
    count = states.shape[0]
    circle = ops.concatenate([states, states], axis=0)
    partners = [(states, circle[distance : distance + count]) for distance in range((count + 1) // 2)]
    return partners if count % 2 else [*partners, (states[: count // 2], states[count // 2 :])]


def _of_states(of_product, x, y, distance, num_fields):
    """Return what the gradient of `x * y` adds to the gradient of all states, from either side."""
    of_x, of_y = of_product * y, of_product * x
    if x.shape[0] < num_fields:
        return [ops.concatenate([of_x, of_y], axis=0)]
    start = num_fields - distance
    return [of_x, of_y if distance == 0 else ops.concatenate([of_y[start:], of_y[:start]], axis=0)]


def _add_up(parts):
    return sum(parts[1:], parts[0])
