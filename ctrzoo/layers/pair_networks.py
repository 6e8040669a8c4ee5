"""A network on the interaction of each pair of fields, computed once for each unordered pair.

Letters: b batch, n = i = j fields, p unordered pairs, d input size, u hidden size, k outputs.
The pairs come in the order of their distance on a circle of fields: (i, i), then (i, i + 1), (i, i + 2) ...,
modulo n. The partners at one distance are one slice of the states concatenated with themselves. Other orders would
need a gather. So the states are not copied for their partners, and each piece of work fits in a processor's cache.
"""

import numpy as np
from keras import ops

from ctrzoo.types import Tensor


def unordered_pairs(num_fields: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the fields i and j of each unordered pair, including (i, i), in the order of this module.

    >>> first, second = unordered_pairs(3)
    >>> list(zip(first.tolist(), second.tolist()))
    [(0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (2, 0)]
    """
    first, second = np.concatenate(_pairs_by_distance(num_fields), axis=1)
    return first, second


def _pairs_by_distance(num_fields):
    fields = np.arange(num_fields)
    pairs = [(fields, (fields + distance) % num_fields) for distance in range(num_fields // 2 + 1)]
    if num_fields % 2 == 0:  # at half of the circle (i, j) and (j, i) are both there
        pairs[-1] = tuple(part[: num_fields // 2] for part in pairs[-1])
    return pairs


def hidden_of_pairs(states: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Compute `relu((x_i * x_j) @ kernel + bias)` for all unordered pairs of fields.

    Args:
        states: Tensor `(fields, batch, dim)`.
        kernel: Tensor `(dim, units)`.
        bias: Tensor `(units,)`.

    Returns:
        Tensor `(pairs, batch, units)`, the pairs in the order of `unordered_pairs`.

    >>> hidden_of_pairs(np.ones((3, 1, 2)), np.ones((2, 1)), np.zeros(1))[:, 0, 0].numpy().tolist()
    [2.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    """

    @ops.custom_gradient
    def network(states, kernel, bias):
        partners = _partners(states)
        products = [_rows(x * y) for x, y in partners]
        hidden = [_hidden(product, kernel, bias) for product in products]
        num_pairs = len(unordered_pairs(states.shape[0])[0])

        def gradient(upstream):
            upstream = [_rows(part) for part in _cut(upstream, partners)]
            of_hidden = [part * ops.sign(active) for part, active in zip(upstream, hidden, strict=True)]
            return _gradients(partners, products, of_hidden, kernel)

        return ops.reshape(ops.concatenate(hidden, axis=0), (num_pairs, -1, kernel.shape[-1])), gradient

    # Copies, because a custom gradient takes no variables.
    return network(states, ops.copy(kernel), ops.copy(bias))


def scores_of_pairs(states: Tensor, kernel: Tensor, bias: Tensor, output_kernel: Tensor) -> Tensor:
    """Compute `relu((x_i * x_j) @ kernel + bias) @ output_kernel` for all pairs of fields.

    Args:
        states: Tensor `(fields, batch, dim)`.
        kernel: Tensor `(dim, units)`.
        bias: Tensor `(units,)`.
        output_kernel: Tensor `(units, k)`.

    Returns:
        Tensor `(k, pairs, batch)`, the pairs in the order of `unordered_pairs`. The batch comes last, because
        the operations that follow run along the pairs of a field and then take whole vectors of rows.

    >>> scores_of_pairs(np.ones((2, 1, 3)), np.ones((3, 2)), np.zeros(2), np.ones((2, 1)))[..., 0].numpy().tolist()
    [[6.0, 6.0, 6.0]]
    """

    @ops.custom_gradient
    def network(states, kernel, bias, output_kernel):
        partners = _partners(states)
        products = [_rows(x * y) for x, y in partners]
        hidden = [_hidden(product, kernel, bias) for product in products]
        scores = [ops.matmul(ops.transpose(output_kernel), ops.transpose(active)) for active in hidden]
        num_pairs = len(unordered_pairs(states.shape[0])[0])

        def gradient(upstream):
            upstream = [ops.reshape(part, (part.shape[0], -1)) for part in _cut(upstream, partners, axis=1)]
            of_output_kernel = [
                ops.matmul(ops.transpose(active), ops.transpose(part))
                for active, part in zip(hidden, upstream, strict=True)
            ]
            of_hidden = [
                ops.matmul(ops.transpose(part), ops.transpose(output_kernel)) * ops.sign(active)
                for active, part in zip(hidden, upstream, strict=True)
            ]
            return *_gradients(partners, products, of_hidden, kernel), _add_up(of_output_kernel)

        return ops.reshape(ops.concatenate(scores, axis=1), (output_kernel.shape[-1], num_pairs, -1)), gradient

    return network(states, ops.copy(kernel), ops.copy(bias), ops.copy(output_kernel))


def spread_to_fields(pairs: Tensor, num_fields: int) -> Tensor:
    """Arrange numbers of unordered pairs as symmetric matrices.

    Args:
        pairs: Tensor `(k, pairs, batch)`, the pairs in the order of `unordered_pairs`.
        num_fields: Number of fields.

    Returns:
        Tensor `(k, fields, fields, batch)`.

    >>> spread_to_fields(np.array([[[1.0], [2.0], [3.0]]]), 2)[..., 0].numpy().tolist()
    [[[1.0, 3.0], [3.0, 2.0]]]
    """
    first, second = unordered_pairs(num_fields)
    index = np.zeros((num_fields, num_fields), "int32")
    index[first, second] = index[second, first] = np.arange(len(first))

    @ops.custom_gradient
    def spread(pairs):
        def gradient(upstream):
            upstream = ops.reshape(upstream, (upstream.shape[0], num_fields**2, -1))
            straight = ops.take(upstream, first * num_fields + second, axis=1)
            mirrored = ops.take(upstream, second * num_fields + first, axis=1)
            twice = ops.cast(np.reshape(first != second, (-1, 1)), straight.dtype)
            return straight + mirrored * twice

        matrices = ops.take(pairs, index.ravel(), axis=1)
        return ops.reshape(matrices, (pairs.shape[0], num_fields, num_fields, -1)), gradient

    return spread(pairs)


def _partners(states):
    """Return, for each distance, the states of the first and of the second fields of its pairs."""
    count = states.shape[0]
    circle = ops.concatenate([states, states], axis=0)
    partners = [(states, circle[distance : distance + count]) for distance in range((count + 1) // 2)]
    return partners if count % 2 else [*partners, (states[: count // 2], states[count // 2 :])]


def _rows(states):
    return ops.reshape(states, (-1, states.shape[-1]))


def _hidden(product, kernel, bias):
    return ops.relu(ops.add(ops.matmul(product, kernel), bias))


def _cut(pairs, partners, axis=0):
    """Cut a tensor with an axis of pairs into one part for each distance."""
    ends = np.cumsum([x.shape[0] for x, _ in partners])
    if len(ends) == 1:  # TensorFlow cannot cut at no place
        return [pairs]
    return ops.split(pairs, ends[:-1].tolist(), axis=axis)


def _gradients(partners, products, of_hidden, kernel):
    """Return the gradients of states, kernel and bias, given those of the hidden layer before its ReLU."""
    of_products = [
        ops.reshape(ops.matmul(part, ops.transpose(kernel)), ops.shape(x))
        for (x, _), part in zip(partners, of_hidden, strict=True)
    ]
    of_partners = [(of * y, of * x) for (x, y), of in zip(partners, of_products, strict=True)]
    of_states = _add_up_by_field(of_partners, partners[0][0].shape[0])
    of_kernel = [ops.matmul(ops.transpose(rows), part) for rows, part in zip(products, of_hidden, strict=True)]
    # A product with ones is several times faster than a sum over the rows.
    of_bias = [ops.matmul(ops.ones((1, ops.shape(part)[0]), part.dtype), part)[0] for part in of_hidden]
    return of_states, _add_up(of_kernel), _add_up(of_bias)


def _add_up_by_field(partners, num_fields):
    """Sum, for each field, what belongs to it among the first and second fields of the pairs at each distance.

    Slices copy nothing, where a rotation of the second fields to their places would.
    """
    of_fields = [[] for _ in range(num_fields)]
    for owners, pieces in zip(_pairs_by_distance(num_fields), partners, strict=True):
        for fields, piece in zip(owners, pieces, strict=True):
            for field, part in zip(fields, ops.unstack(piece, len(fields)), strict=True):
                of_fields[field].append(part)
    return ops.stack([_add_up(parts) for parts in of_fields])


def _add_up(parts):
    return sum(parts[1:], parts[0])
