"""What groups add to metrics: the sums are the metrics of all groups, and those of each group on its own."""

import numpy as np
import pytest

from ctrzoo.metrics import grouped_metrics
from ctrzoo.metrics.group_sums import MEASURES, group_sums


def rows_of(kind, seed=0, size=400, groups=60):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2 if kind == "binary" else 4, size) * (random.random(size) < 0.6)
    scores = random.integers(0, 6, size) / 5 if kind == "ties" else random.random(size).astype(np.float32)
    return labels.astype(np.float32), scores, random.integers(0, groups, size)


@pytest.mark.parametrize("kind", ["binary", "graded", "ties"])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("k", [1, 3, None])
def test_the_sums_are_those_of_the_metrics(kind, is_weighted, k):
    labels, scores, groups = rows_of(kind)
    groups = np.unique(groups, return_inverse=True)[1]
    weights = np.random.default_rng(1).integers(0, 4, len(labels)).astype(np.float32) if is_weighted else None
    sums, expected = group_sums(labels, scores, groups, weights, k), grouped_metrics(labels, scores, groups, weights, k)
    for measure in MEASURES:
        numerators, denominators = sums[measure]
        assert len(numerators) == len(denominators) == groups.max() + 1
        assert numerators.sum() / denominators.sum() == pytest.approx(getattr(expected, measure), rel=1e-12), measure
    for group in range(8):
        own = groups == group
        found = grouped_metrics(labels[own], scores[own], groups[own], None if weights is None else weights[own], k)
        for measure in MEASURES:
            numerator, denominator = (part[group] for part in sums[measure])
            expected_value = getattr(found, measure)
            assert (denominator == 0) == np.isnan(expected_value)
            if denominator:
                assert numerator / denominator == pytest.approx(expected_value, rel=1e-12), measure


def test_groups_without_positive_rows_or_with_one_class_add_nothing():
    sums = group_sums(*map(np.array, ([0, 0, 1, 1, 1, 0], [3.0, 2.0, 1.0, 2.0, 1.0, 2.0], [0, 0, 1, 1, 2, 2])))
    assert sums["grouped_auc"][1].tolist() == [0, 0, 2] and sums["grouped_auc"][0].tolist() == [0, 0, 0]
    assert sums["mrr"][0].tolist() == [0, 1, 0.5] and sums["mrr"][1].tolist() == [0, 1, 1]
    assert sums["mean_rank"][0].tolist() == [0, 3, 2] and sums["mean_rank"][1].tolist() == [0, 2, 1]
    assert all(np.isfinite(part).all() for parts in sums.values() for part in parts)
    only_zeros = group_sums(np.zeros(2), np.zeros(2), np.zeros(2, np.int64))
    assert all(part.tolist() == [0] for parts in only_zeros.values() for part in parts)
