import keras
import numpy as np
import pytest

from ctrzoo.layers import AttentionalInteraction
from ctrzoo.models import AFM
from tests.models.pairwise import TOY, assert_pair_matrices, assign, linear, outputs, pair_sum, pairs_of
from tests.models.reference import check_model, embed, random_batch, random_weights, softmax

pytestmark = pytest.mark.usefixtures("float64")


def afm(schema):
    def reference(weights, embedded, batch):
        names = ("kernel", "bias", "score_kernel", "output_kernel")
        kernel, bias, h, q = (weights[f"attentional/{name}"] for name in names)
        logits = linear(schema, weights, batch)
        for row, e in enumerate(embedded):
            products = [e[i] * e[j] for i, j in pairs_of(e)]
            attention = softmax([h[:, 0] @ np.maximum(kernel.T @ product + bias, 0) for product in products])
            logits[row] += q @ sum(a * product for a, product in zip(attention, products, strict=True))
        return logits

    return reference


def toy_layer(**options):
    layer = AttentionalInteraction(2, return_explanations=True, **options)
    layer.build(TOY.shape)
    for weight, value in zip(layer.weights, (np.eye(2), np.zeros(2), [[1.0], [0.0]], [1.0, 0.0]), strict=True):
        weight.assign(value)
    return layer


def upper(matrices):
    return np.asarray(matrices)[:, [0, 0, 1], [1, 2, 2]]


def test_equals_the_slow_reference(mixed_schema):
    check_model(AFM(mixed_schema, embedding_dim=3, attention_units=5), afm(mixed_schema))


def test_equals_fm_when_attention_is_even_and_output_weights_count_the_pairs(mixed_schema):
    model, (batch, _) = AFM(mixed_schema, embedding_dim=3), random_batch(mixed_schema)
    weights = random_weights(model)
    assign(model, {"attentional/score_kernel": 0.0, "attentional/output_kernel": 6.0})
    logits, explanations = outputs(model, batch)
    expected = pair_sum(embed(mixed_schema, weights["embedding/table"], batch))
    np.testing.assert_allclose(logits - linear(mixed_schema, weights, batch), expected, rtol=1e-10, atol=1e-12)
    assert_pair_matrices(explanations["pairs"], expected)


def test_explanations_sum_to_the_pair_term_and_to_one(mixed_schema):
    model, (batch, _) = AFM(mixed_schema, embedding_dim=3), random_batch(mixed_schema)
    weights = random_weights(model)
    logits, explanations = outputs(model, batch)
    assert_pair_matrices(explanations["pairs"], logits - linear(mixed_schema, weights, batch))
    assert_pair_matrices(explanations["attention"], np.ones(len(logits)))


def test_worked_example():
    layer = toy_layer()
    logit, _, attention = layer(TOY)
    np.testing.assert_allclose(upper(attention), [[0.90944, 0.04528, 0.04528]], atol=5e-6)
    np.testing.assert_allclose(logit, [[2.72833]], atol=5e-6)
    layer.output_kernel.assign([0.0, 1.0])
    np.testing.assert_allclose(layer(TOY)[0], [[-1.72833]], atol=5e-6)


def test_attention_dropout_drops_and_rescales_whole_pairs():
    keras.utils.set_random_seed(0)
    attention = toy_layer(attention_dropout=0.5)(np.repeat(TOY, 200, axis=0), training=True)[2]
    np.testing.assert_array_equal(attention, np.swapaxes(attention, 1, 2))
    dropped = upper(attention) == 0
    undropped = np.repeat(2 * upper(toy_layer()(TOY)[2]), 200, axis=0)
    np.testing.assert_allclose(upper(attention), np.where(dropped, 0, undropped), rtol=1e-10)
    assert 0.4 < dropped.mean() < 0.6


def test_pooling_dropout_drops_and_rescales_entries_of_the_pooled_vector():
    keras.utils.set_random_seed(0)
    logits = np.asarray(toy_layer(pooling_dropout=0.5)(np.repeat(TOY, 200, axis=0), training=True)[0])
    np.testing.assert_allclose(logits[logits != 0], 2 * 2.72833, atol=1e-5)
    assert 0.35 < np.mean(logits == 0) < 0.65


def test_only_the_hidden_kernel_of_the_attention_is_penalised(mixed_schema):
    model = AFM(mixed_schema, attention_l2=0.1)
    weights = random_weights(model)
    np.testing.assert_allclose(sum(model.losses), 0.05 * np.sum(weights["attentional/kernel"] ** 2))


def test_parameters(mixed_schema):
    assert AFM(mixed_schema).count_params() == 20 * 17 + 1 + 16 * 16 + 16 + 16 + 16


def test_one_field_has_no_pairs():
    logit, pairs, attention = (
        np.asarray(output) for output in AttentionalInteraction(4, return_explanations=True)(np.ones((2, 1, 3)))
    )
    assert logit.shape == (2, 1) and pairs.shape == attention.shape == (2, 1, 1)
    assert not logit.any() and not pairs.any() and not attention.any()


def test_units_below_one_are_refused():
    with pytest.raises(ValueError, match="units"):
        AttentionalInteraction(0)
