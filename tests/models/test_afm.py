import numpy as np
import pytest

from ctrzoo.models import AFM
from tests.models.pairwise import assert_pair_matrices, assign, linear, outputs, pair_sum, pairs_of
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


def test_only_the_hidden_kernel_of_the_attention_is_penalised(mixed_schema):
    model = AFM(mixed_schema, attention_l2=0.1)
    weights = random_weights(model)
    np.testing.assert_allclose(sum(model.losses), 0.05 * np.sum(weights["attentional/kernel"] ** 2))


def test_parameters(mixed_schema):
    assert AFM(mixed_schema).count_params() == 20 * 17 + 1 + 16 * 16 + 16 + 16 + 16
