"""The network on pairs of fields equals loops over pairs, with its gradients written by hand."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from ctrzoo.layers import pair_networks

BATCH, DIM, UNITS, OUTPUTS = 2, 3, 4, 2


def draw(num_fields):
    random = np.random.default_rng(num_fields)
    return (
        random.normal(size=(num_fields, BATCH, DIM)),
        random.normal(size=(DIM, UNITS)),
        random.normal(size=UNITS),
        random.normal(size=(UNITS, OUTPUTS)),
    )


def gradients_of(function, arrays):
    tensors = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        outputs = function(*tensors)
        loss = tf.reduce_sum(tf.sin(outputs))
    return outputs, [tf.convert_to_tensor(gradient) for gradient in tape.gradient(loss, tensors)]


def plain_hidden(states, kernel, bias):
    first, second = pair_networks.unordered_pairs(states.shape[0])
    return tf.nn.relu(tf.gather(states, first) * tf.gather(states, second) @ kernel + bias)


@pytest.mark.parametrize("num_fields", range(1, 9))
def test_each_unordered_pair_comes_once(num_fields):
    pairs = [tuple(sorted(pair)) for pair in zip(*pair_networks.unordered_pairs(num_fields), strict=True)]
    assert sorted(pairs) == list(itertools.combinations_with_replacement(range(num_fields), 2))


@pytest.mark.parametrize("num_fields", [1, 2, 3, 6, 7])
def test_the_hidden_layer_and_its_gradients(num_fields):
    arrays = draw(num_fields)[:3]
    found, gradients = gradients_of(pair_networks.hidden_of_pairs, arrays)
    expected, of_plain = gradients_of(plain_hidden, arrays)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    first, second = pair_networks.unordered_pairs(num_fields)
    states, kernel, bias = arrays
    by_hand = np.maximum(states[first[-1], 1] * states[second[-1], 1] @ kernel + bias, 0)
    np.testing.assert_allclose(found[-1, 1], by_hand, rtol=1e-12)
    for ours, theirs in zip(gradients, of_plain, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("num_fields", [1, 2, 3, 6, 7])
def test_the_scores_and_their_gradients(num_fields):
    def plain(states, kernel, bias, output_kernel):
        return tf.transpose(plain_hidden(states, kernel, bias) @ output_kernel, (2, 0, 1))

    found, gradients = gradients_of(pair_networks.scores_of_pairs, draw(num_fields))
    expected, of_plain = gradients_of(plain, draw(num_fields))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    for ours, theirs in zip(gradients, of_plain, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("num_fields", [1, 2, 5, 6])
def test_numbers_of_pairs_are_spread_to_symmetric_matrices(num_fields):
    first, second = pair_networks.unordered_pairs(num_fields)
    numbers = np.random.default_rng(0).normal(size=(OUTPUTS, len(first), BATCH))
    found, (gradient,) = gradients_of(lambda pairs: pair_networks.spread_to_fields(pairs, num_fields), [numbers])
    for pair, (i, j) in enumerate(zip(first, second, strict=True)):
        np.testing.assert_array_equal(found[:, i, j], numbers[:, pair])
        np.testing.assert_array_equal(found[:, j, i], numbers[:, pair])
        np.testing.assert_allclose(gradient[:, pair], np.cos(numbers[:, pair]) * (1 if i == j else 2), rtol=1e-12)
