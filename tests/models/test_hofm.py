import itertools
import math

import numpy as np
import pytest

from ctrzoo.layers import AnovaKernel
from ctrzoo.models import HOFM
from tests.models.pairwise import assert_pair_matrices, linear, outputs, pair_sum
from tests.models.reference import check_model, embed, random_batch, random_weights

pytestmark = pytest.mark.usefixtures("float64")


def anova(states, order):
    """Sum over all combinations of fields, by the definition."""
    combinations = itertools.combinations(states, order)
    return sum(math.prod(numbers) for fields in combinations for numbers in zip(*fields, strict=True))


def hofm(schema, highest):
    def reference(weights, _, batch):
        logits = linear(schema, weights, batch)
        for order in range(2, highest + 1):
            logits = logits + [anova(e, order) for e in embed(schema, weights[f"embedding_{order}/table"], batch)]
        return logits

    return reference


@pytest.mark.parametrize("order", [2, 3, 4])
def test_equals_the_slow_reference(mixed_schema, order):
    check_model(HOFM(mixed_schema, order, embedding_dim=3), hofm(mixed_schema, order))


def test_an_order_above_the_number_of_fields_adds_nothing(mixed_schema):
    model, (batch, _) = HOFM(mixed_schema, order=5, embedding_dim=3), random_batch(mixed_schema)
    weights = random_weights(model)
    np.testing.assert_allclose(outputs(model, batch)[0], hofm(mixed_schema, 4)(weights, None, batch), rtol=1e-10)


def test_order_two_equals_fm_and_pairs_sum_to_it(mixed_schema):
    model, (batch, _) = HOFM(mixed_schema, order=2, embedding_dim=3), random_batch(mixed_schema)
    weights = random_weights(model)
    logits, explanations = outputs(model, batch)
    expected = pair_sum(embed(mixed_schema, weights["embedding_2/table"], batch))
    np.testing.assert_allclose(logits - linear(mixed_schema, weights, batch), expected, rtol=1e-10, atol=1e-12)
    assert_pair_matrices(explanations["pairs"], expected)


def test_parameters_one_table_an_order(mixed_schema):
    assert HOFM(mixed_schema, order=4, embedding_dim=3).count_params() == 3 * 20 * 3 + 20 + 1


def test_an_order_below_two_is_refused(mixed_schema):
    with pytest.raises(ValueError, match="at least 2"):
        HOFM(mixed_schema, order=1)
    with pytest.raises(ValueError, match="at least 2"):
        AnovaKernel(1)
