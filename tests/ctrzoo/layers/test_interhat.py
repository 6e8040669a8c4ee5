"""The blocks of InterHAt equal their equations as loops."""

import numpy as np
import pytest

from ctrzoo.layers import AttentionPooling, ProductAttention, TransformerBlock

STATES = np.random.default_rng(0).normal(size=(2, 3, 4))


def softmax(scores):
    powers = np.exp(scores - np.max(scores))
    return powers / powers.sum()


def normal(vector):
    return (vector - vector.mean()) / np.sqrt(vector.var() + 1e-6)


def randomized(layer, *inputs):
    layer(*inputs)
    random = np.random.default_rng(1)
    layer.set_weights([random.normal(scale=0.5, size=weight.shape) for weight in layer.get_weights()])
    return layer


def test_the_transformer_block():
    layer = randomized(
        TransformerBlock(6, num_heads=2, feed_forward_units=5, return_explanations=True, dtype="float64"), STATES
    )
    found, attention = layer(STATES)
    matrices = np.asarray(layer.attention.kernel).reshape(4, 3, 2, 3)  # query, key, value; heads; units of a head
    for row, states in enumerate(STATES):
        heads = np.zeros((3, 6))
        for head, field in np.ndindex(2, 3):
            queries, keys, values = (states @ matrices[:, part, head] for part in range(3))
            shares = softmax(np.array([queries[field] @ key for key in keys]) / np.sqrt(3))
            np.testing.assert_allclose(attention[row, head, field], shares, rtol=1e-9)
            heads[field, 3 * head : 3 * head + 3] = shares @ values
        for field in range(3):
            state = states[field] + heads[field] @ np.asarray(layer.join_heads.kernel)
            state = normal(state) * np.asarray(layer.attention_norm.gamma) + np.asarray(layer.attention_norm.beta)
            hidden = np.maximum(state @ np.asarray(layer.hidden.kernel) + np.asarray(layer.hidden.bias), 0)
            state = state + hidden @ np.asarray(layer.output_layer.kernel) + np.asarray(layer.output_layer.bias)
            state = normal(state) * np.asarray(layer.output_norm.gamma) + np.asarray(layer.output_norm.beta)
            np.testing.assert_allclose(found[row, field], state, rtol=1e-7)


def test_attention_pooling():
    layer = randomized(AttentionPooling(5, return_explanations=True, dtype="float64"), STATES)
    found, weights = layer(STATES)
    hidden, score = np.asarray(layer.hidden_kernel), np.asarray(layer.score_kernel)[:, 0]
    for row, vectors in enumerate(STATES):
        shares = softmax(np.array([score @ np.maximum(vector @ hidden, 0) for vector in vectors]))
        np.testing.assert_allclose(weights[row], shares, rtol=1e-10)
        np.testing.assert_allclose(found[row], shares @ vectors, rtol=1e-10)


def test_attention_over_products():
    first = np.random.default_rng(2).normal(size=STATES.shape)
    layer = randomized(ProductAttention(5, return_explanations=True, dtype="float64"), STATES, first)
    found, attention = layer(STATES, first)
    hidden, score = np.asarray(layer.hidden_kernel), np.asarray(layer.score_kernel)[..., 0]
    for row, i in np.ndindex(2, 3):
        products = STATES[row, i] * first[row]
        shares = softmax(np.array([score[i] @ np.maximum(product @ hidden[i], 0) for product in products]))
        np.testing.assert_allclose(attention[row, i], shares, rtol=1e-10)
        np.testing.assert_allclose(found[row, i], STATES[row, i] + shares @ products, rtol=1e-10)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TransformerBlock(4, feed_forward_units=0), "`feed_forward_units` must be at least 1. Received: 0"),
        (lambda: AttentionPooling(0), "`units` must be at least 1. Received: 0"),
        (lambda: ProductAttention(0), "`units` must be at least 1. Received: 0"),
        (lambda: ProductAttention(4)(STATES, STATES[..., :1]), "must have one shape. Received"),
    ],
)
def test_wrong_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
