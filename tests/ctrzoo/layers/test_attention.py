"""The layers of AutoInt, Fi-GNN, InterHAt and HoAFM: worked examples, shapes, configurations."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ctrzoo.layers import (
    REFERENCE_ATTENTION,
    AttentionPooling,
    FieldAttention,
    FieldGraph,
    HighOrderCross,
    ProductAttention,
    TransformerBlock,
)

TOY = np.array([[[1.0, 2.0], [3.0, -1.0], [0.0, 2.0]]])
MEANS_OF_OTHERS = [[[1.5, 0.5], [0.5, 2], [2, 0.5]]]
LAYERS = [
    FieldAttention(return_explanations=True, units=4, **REFERENCE_ATTENTION),
    FieldAttention(
        return_explanations=True, units=6, num_heads=3, activation=None, use_residual=False, attention_dropout=0.1
    ),
    TransformerBlock(4, feed_forward_units=3, return_explanations=True),
    AttentionPooling(4, return_explanations=True),
    ProductAttention(4, attention_dropout=0.1, return_explanations=True),
    HighOrderCross(2, sum_orders=False, negative_slope=0.1, dropout=0.1, return_explanations=True),
    FieldGraph(use_attention=False, share_steps=False, use_bias=False, return_explanations=True),
    FieldGraph(num_steps=3, negative_slope=0.1, return_explanations=True),
]


def inputs_of(layer, dim=4):
    states = np.random.default_rng(0).normal(size=(2, 3, dim)).astype("float32")
    return [states, states[:, ::-1]] if isinstance(layer, ProductAttention) else [states]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_a_copy_from_the_configuration_computes_the_same(layer):
    inputs = inputs_of(layer)
    outputs = layer(*inputs)
    copy = type(layer).from_config(layer.get_config())
    copy.build(*[part.shape for part in inputs])
    copy.set_weights(layer.get_weights())
    for ours, theirs in zip(copy(*inputs), outputs, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    shapes = layer.compute_output_shape(*[part.shape for part in inputs])
    assert list(shapes) == [tuple(output.shape) for output in outputs]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_stays_near_float32(layer, policy):
    inputs = inputs_of(layer)
    outputs = layer(*inputs)
    half = type(layer).from_config({**layer.get_config(), "dtype": policy})
    half.build(*[part.shape for part in inputs])
    half.set_weights(layer.get_weights())
    for ours, theirs in zip(half(*inputs), outputs, strict=True):
        ours = keras.ops.convert_to_numpy(keras.ops.cast(ours, "float32"))
        np.testing.assert_allclose(ours, theirs, atol=0.1 if policy == "mixed_bfloat16" else 0.02)


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
        np.testing.assert_allclose(outputs[row, field, 4 * head : 4 * head + 4], expected, rtol=1e-12)


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


def graph_of_small_messages(**options):
    """A graph whose one step adds a thousandth of what each field receives to its state."""
    layer = FieldGraph(num_steps=1, return_explanations=True, dtype="float64", **options)
    layer.build(TOY.shape)
    for weight in layer.weights:
        weight.assign(np.zeros(weight.shape))
    layer.sending_kernel.assign(np.tile(np.eye(2), (1, 3, 1, 1)))
    layer.receiving_kernel.assign(np.tile(np.eye(2), (1, 3, 1, 1)))
    layer.gate_bias.assign([0, 0, -100, -100])  # forget the state
    layer.candidate_kernel.assign([[1e-3, 0], [0, 1e-3], [0, 0], [0, 0]])
    return layer


def test_fields_receive_the_mean_or_the_sum_of_the_others():
    for options, factor in [({}, 1), ({"use_attention": False, "use_bias": False}, 2)]:
        states, _ = graph_of_small_messages(**options)(TOY)
        np.testing.assert_allclose((states - TOY) * 1e3, factor * np.array(MEANS_OF_OTHERS), rtol=1e-4)


def test_the_update_is_a_gated_recurrent_unit_with_the_reset_before_the_product():
    graph, cell = FieldGraph(dtype="float64"), keras.layers.GRUCell(4, reset_after=False, dtype="float64")
    graph.build((None, 3, 4))
    cell.build((None, 4))
    gates, candidate, bias = np.asarray(graph.gate_kernel), np.asarray(graph.candidate_kernel), [0.5] * 8
    update_reset = np.concatenate([gates[:, 4:], gates[:, :4], candidate], axis=1)
    graph.gate_bias.assign(bias)
    cell.set_weights([update_reset[:4], update_reset[4:], np.array([*bias, 0, 0, 0, 0])])
    states, messages = np.random.default_rng(0).normal(size=(2, 6, 4))
    np.testing.assert_allclose(graph._update(states, messages), cell(messages, states)[0], rtol=1e-9)


def test_equal_weights_of_cross_layers_follow_the_worked_example():
    layer = HighOrderCross(num_layers=1, return_explanations=True)
    layer.build(TOY.shape)
    layer.kernel.assign(np.ones((1, 3, 2, 2)))
    for output, expected in [([[1, 0]], 4.2426), ([[0, 1]], 0)]:
        layer.output_kernel.assign(output)
        np.testing.assert_allclose(layer(TOY)[0], [[expected]], atol=1e-4)


def test_wrong_arguments():
    for wrong in (
        lambda: FieldAttention(5, num_heads=2),
        lambda: TransformerBlock(4, feed_forward_units=0),
        lambda: AttentionPooling(0),
        lambda: ProductAttention(4)(TOY, TOY[..., :1]),
        lambda: HighOrderCross()(TOY[:, :1]),
        lambda: FieldGraph(num_steps=0),
    ):
        with pytest.raises(ValueError, match="Received"):
            wrong()
