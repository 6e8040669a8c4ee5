import numpy as np
import pytest

from ctrzoo.models import FFM
from tests.models.pairwise import assert_pair_matrices, assign, linear, outputs, pair_sum, pairs_of
from tests.models.reference import check_model, embed, random_batch, random_weights

pytestmark = pytest.mark.usefixtures("float64")


def ffm(schema, normalize=False, use_linear=True):
    def reference(weights, embedded, batch):
        logits = linear(schema, weights, batch) if use_linear else np.zeros(len(embedded))
        for row, fields in enumerate(embedded):
            towards = fields.reshape(schema.num_fields, schema.num_fields, -1)
            pairs = sum(towards[i, j] @ towards[j, i] for i, j in pairs_of(fields))
            logits[row] += pairs / sum(value**2 for value in batch["values"][row].tolist()) if normalize else pairs
        return logits

    return reference


@pytest.mark.parametrize("options", [{}, {"normalize": True}, {"normalize": True, "use_linear": False}])
def test_equals_the_slow_reference(mixed_schema, options):
    check_model(FFM(mixed_schema, embedding_dim=3, **options), ffm(mixed_schema, **options))


@pytest.mark.parametrize("normalize", [False, True])
def test_equals_fm_when_a_feature_has_the_same_vector_for_every_field(mixed_schema, normalize):
    model, (batch, _) = FFM(mixed_schema, 3, normalize, use_linear=False), random_batch(mixed_schema)
    vectors = np.random.default_rng(3).normal(size=(mixed_schema.num_ids, 3))
    assign(model, {"embedding/table": np.tile(vectors, (1, 4))})
    expected = pair_sum(embed(mixed_schema, vectors, batch))
    if normalize:
        expected = expected / np.square(batch["values"].astype("float64")).sum(1)
    logits, explanations = outputs(model, batch)
    np.testing.assert_allclose(logits, expected, rtol=1e-10, atol=1e-12)
    assert list(explanations) == ["pairs"]
    assert_pair_matrices(explanations["pairs"], expected)


def test_a_row_without_values_has_no_pair_term(mixed_schema):
    model = FFM(mixed_schema, normalize=True)
    weights = random_weights(model)
    empty = {"ids": np.zeros((1, 6), "int32"), "values": np.zeros((1, 6), "float32")}
    np.testing.assert_array_equal(outputs(model, empty)[0], weights["linear/bias"])


def test_parameters_one_vector_for_each_feature_and_field(mixed_schema):
    assert FFM(mixed_schema, embedding_dim=5).count_params() == 20 * 4 * 5 + 20 + 1
