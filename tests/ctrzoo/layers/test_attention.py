"""The self-attention of fields: worked examples and loops."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ctrzoo.layers import (
    REFERENCE_ATTENTION,
    FieldAttention,
)

TOY = np.array([[[1.0, 2.0], [3.0, -1.0], [0.0, 2.0]]])


def test_attention_is_returned_on_request_and_always_by_layers_of_version_0_1_0():
    layer = FieldAttention(4)
    assert tuple(layer(TOY).shape) == (1, 3, 4) == layer.compute_output_shape(TOY.shape)
    config = layer.get_config()
    assert not FieldAttention.from_config(config).return_explanations
    del config["return_explanations"]
    assert len(FieldAttention.from_config(config)(TOY)) == 2


def test_equal_scores_attend_equally():
    layer = FieldAttention(return_explanations=True, units=2, num_heads=1)
    layer.build(TOY.shape)
    layer.kernel.assign(np.concatenate([np.zeros((2, 4)), np.eye(2), np.eye(2)], axis=1))
    np.testing.assert_allclose(layer(TOY)[0], [[[7 / 3, 3], [13 / 3, 0], [4 / 3, 3]]], rtol=1e-6)


@pytest.mark.parametrize("options", [{}, {"scale_scores": True, "use_residual": False}], ids=["residual", "scaled"])
@pytest.mark.parametrize("dim", [2, 5], ids=["states narrower than a head", "wider"])
def test_linear_projections_equal_loops_over_heads_and_fields(dim, options):
    layer = FieldAttention(return_explanations=True, units=8, num_heads=2, activation=None, dtype="float64", **options)
    states = np.random.default_rng(0).normal(size=(2, 3, dim))
    outputs, attention = layer(states)
    matrices = np.asarray(layer.kernel).reshape(dim, -1, 2, 4)  # query, key, value, residual; heads
    for row, head, field in np.ndindex(2, 2, 3):
        projected = np.einsum("nd,dpu->pnu", states[row], matrices[:, :, head])
        scores = [np.dot(projected[0, field], key) for key in projected[1]]
        shares = np.exp(np.array(scores) / (2 if options else 1))
        shares /= shares.sum()
        expected = sum(share * value for share, value in zip(shares, projected[2], strict=True))
        expected = expected if options else expected + projected[3, field]
        np.testing.assert_allclose(attention[row, head, field], shares, rtol=1e-12)
        np.testing.assert_allclose(outputs[row, field, 4 * head : 4 * head + 4], expected, rtol=1e-12, atol=1e-14)


def test_narrow_states_have_the_gradient_of_projected_ones():
    layer = FieldAttention(return_explanations=True, units=8, num_heads=2, dtype="float64")
    layer.build(TOY.shape)
    gradients = []
    for activation in (keras.activations.linear, lambda states: 1.0 * states):  # the second is not known to be linear
        layer.projection_activation = activation
        with tf.GradientTape() as tape:
            states = tf.constant(TOY)
            tape.watch(states)
            loss = tf.reduce_sum(tf.sin(layer(states)[0]))
        gradients.append(tape.gradient(loss, [states, layer.kernel.value]))
    for ours, theirs in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)


def test_attention_moves_with_the_fields():
    layer, order = FieldAttention(return_explanations=True, units=4, **REFERENCE_ATTENTION), [2, 0, 1]
    states, attention = layer(TOY)
    moved_states, moved_attention = layer(TOY[:, order])
    np.testing.assert_allclose(moved_states, np.asarray(states)[:, order], atol=1e-5)
    np.testing.assert_allclose(moved_attention, np.asarray(attention)[:, :, order][..., order], atol=1e-6)


def test_units_that_heads_cannot_share_are_refused():
    with pytest.raises(ValueError, match="multiple of `num_heads`. Received: 5 units, 2 heads"):
        FieldAttention(5, num_heads=2)
