import numpy as np
import pytest

from ctrzoo.models import FmFM, build
from tests.models.pairwise import assert_pair_matrices, linear, outputs, pairs_of
from tests.models.reference import check_model, random_batch, random_weights

pytestmark = pytest.mark.usefixtures("float64")
KINDS = ("matrix", "vector")


def fmfm(schema):
    def reference(weights, embedded, batch):
        kernel, logits = weights["weighted_pairs/kernel"], linear(schema, weights, batch)
        for row, e in enumerate(embedded):
            for number, (i, j) in enumerate(pairs_of(e)):
                matrix = kernel[number] if kernel.ndim == 3 else np.diag(kernel[number])
                logits[row] += e[i] @ matrix @ e[j]
        return logits

    return reference


@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_slow_reference(kind, mixed_schema):
    check_model(FmFM(mixed_schema, embedding_dim=3, pair_weights=kind), fmfm(mixed_schema))


@pytest.mark.parametrize("kind", KINDS)
def test_explanations_add_up_to_the_logit(kind, mixed_schema):
    model, (batch, _) = FmFM(mixed_schema, embedding_dim=3, pair_weights=kind), random_batch(mixed_schema)
    weights = random_weights(model)
    logits, explanations = outputs(model, batch)
    fields = linear(mixed_schema, weights, batch)
    np.testing.assert_allclose(explanations["fields"].sum(axis=1) + weights["linear/bias"], fields, rtol=1e-10)
    assert_pair_matrices(explanations["pairs"], logits - fields)


def test_each_penalty_reaches_its_weights(mixed_schema):
    model = FmFM(mixed_schema, embedding_l2=0.1, linear_l2=0.2, pair_l2=0.4)
    weights = random_weights(model)
    paths = {"embedding/table": 0.05, "linear/weights/table": 0.1, "weighted_pairs/kernel": 0.2}
    np.testing.assert_allclose(
        sum(model.losses), sum(half * np.sum(weights[path] ** 2) for path, half in paths.items())
    )


def test_parameters(mixed_schema):
    assert FmFM(mixed_schema).count_params() == 20 * 17 + 1 + 6 * 16 * 16
    assert FmFM(mixed_schema, pair_weights="vector").count_params() == 20 * 17 + 1 + 6 * 16


def test_unknown_weights_of_pairs_are_refused(mixed_schema):
    with pytest.raises(ValueError, match="`pair_weights` must be one of matrix, vector. Received: 'number'"):
        build("fmfm", mixed_schema, pair_weights="number")
