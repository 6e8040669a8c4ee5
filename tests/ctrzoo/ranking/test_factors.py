"""Inner products of sides against sums over pairs of fields."""

import itertools

import numpy as np
import pytest

from ctrzoo.layers import AnovaKernel, FieldAwareInteraction, PairwiseInteraction
from ctrzoo.ranking.factors import cross_factors

IS_SECOND = np.array([False, True, False, False, True])
LEFT, RIGHT = np.flatnonzero(~IS_SECOND), np.flatnonzero(IS_SECOND)


def one_side(vectors, mask):
    return np.where(mask[:, None], vectors, 0)


@pytest.fixture
def embedded():
    random = np.random.default_rng(0)
    return [one_side(random.normal(size=(rows, 5, 10)), mask) for rows, mask in ((3, ~IS_SECOND), (2, IS_SECOND))]


def products(layer, embedded):
    first, second = cross_factors(layer, *embedded, IS_SECOND)
    return first @ second.T


def test_pairs_across(embedded):
    first, second = embedded
    expected = [[sum(row[i] @ other[j] for i in LEFT for j in RIGHT) for other in second] for row in first]
    np.testing.assert_allclose(products(PairwiseInteraction(), embedded), expected)


@pytest.mark.parametrize("order", [2, 3, 4])
def test_products_of_fields_across(embedded, order):
    first, second = embedded
    chosen = [c for c in itertools.combinations(range(5), order) if 0 < sum(IS_SECOND[list(c)]) < order]
    expected = [
        [sum(np.prod((row + other)[list(fields)], axis=0).sum() for fields in chosen) for other in second]
        for row in first
    ]
    np.testing.assert_allclose(products(AnovaKernel(order), embedded), expected)


def test_field_aware_pairs_across(embedded):
    first, second = embedded
    expected = [
        [
            sum(row.reshape(5, 5, 2)[i, j] @ other.reshape(5, 5, 2)[j, i] for i in LEFT for j in RIGHT)
            for other in second
        ]
        for row in first
    ]
    np.testing.assert_allclose(products(FieldAwareInteraction(), embedded), expected)


def test_other_layers_have_no_such_form(embedded):
    with pytest.raises(KeyError):
        cross_factors(object(), *embedded, IS_SECOND)
