import numpy as np
import pytest

from ctrzoo.models import FwFM, build
from tests.models.pairwise import assert_pair_matrices, linear, outputs, pairs_of
from tests.models.reference import check_model, embed, random_batch, random_weights

pytestmark = pytest.mark.usefixtures("float64")
LINEAR = ("field_vectors", "feature_vectors", "weights")


def linear_part(schema, weights, embedded, batch):
    if "linear/weights/table" in weights:
        return linear(schema, weights, batch)
    if "linear/table" in weights:
        others = embed(schema, weights["linear/table"], batch)
    else:
        others = np.broadcast_to(weights["linear/kernel"], embedded.shape)
    return np.array([sum(e @ w for e, w in zip(*rows, strict=True)) for rows in zip(embedded, others, strict=True)])


def pair_part(weights, embedded):
    r = weights["weighted_pairs/kernel"]
    return np.array([sum(r[number] * (e[i] @ e[j]) for number, (i, j) in enumerate(pairs_of(e))) for e in embedded])


@pytest.mark.parametrize("kind", LINEAR)
def test_equals_the_slow_reference(kind, mixed_schema):
    def logits(weights, embedded, batch):
        bias = weights["weighted_pairs/bias"]
        return bias + linear_part(mixed_schema, weights, embedded, batch) + pair_part(weights, embedded)

    check_model(FwFM(mixed_schema, embedding_dim=3, linear=kind), logits)


@pytest.mark.parametrize("kind", LINEAR)
def test_explanations_add_up_to_the_logit(kind, mixed_schema):
    model, (batch, _) = FwFM(mixed_schema, embedding_dim=3, linear=kind), random_batch(mixed_schema)
    weights = random_weights(model)
    embedded = embed(mixed_schema, weights["embedding/table"], batch)
    logits, explanations = outputs(model, batch)
    fields = linear_part(mixed_schema, weights, embedded, batch)
    np.testing.assert_allclose(explanations["fields"].sum(axis=1), fields, rtol=1e-10)
    assert_pair_matrices(explanations["pairs"], logits - fields - weights["weighted_pairs/bias"])


@pytest.mark.parametrize("kind", LINEAR)
def test_each_penalty_reaches_its_weights(kind, mixed_schema):
    strengths = {"embedding_l2": 0.1, "linear_l2": 0.2, "pair_l2": 0.4}
    model = FwFM(mixed_schema, linear=kind, **strengths)
    weights = random_weights(model)
    squares = {path.partition("/")[0]: 0.0 for path in weights}
    for path, array in weights.items():
        squares[path.partition("/")[0]] += np.sum(array**2) * (not path.endswith("bias"))
    expected = 0.05 * squares["embedding"] + 0.1 * squares["linear"] + 0.2 * squares["weighted_pairs"]
    np.testing.assert_allclose(sum(model.losses), expected)


def test_parameters(mixed_schema):
    assert FwFM(mixed_schema).count_params() == 20 * 16 + 4 * 16 + 6 + 1
    assert FwFM(mixed_schema, linear="feature_vectors").count_params() == 2 * 20 * 16 + 6 + 1
    assert FwFM(mixed_schema, linear="weights").count_params() == 20 * 17 + 6 + 1


def test_an_unknown_linear_part_is_refused(mixed_schema):
    with pytest.raises(ValueError, match="`linear` must be one of field_vectors, feature_vectors, weights. Received"):
        build("fwfm", mixed_schema, linear="FiLV")
