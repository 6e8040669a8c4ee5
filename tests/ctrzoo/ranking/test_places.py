"""Places of targets: by hand, and equal to the metrics of groups, which see a row per candidate."""

import numpy as np
import pytest

from ctrzoo.metrics import grouped_metrics
from ctrzoo.ranking import joined, places_of

SCORES = np.array([[0.1, 0.5, 0.5, 0.9], [3.0, 1.0, 2.0, 0.0], [1.0, 1.0, 1.0, 1.0]])


def test_places_by_hand():
    places = places_of(SCORES, np.array([1, 2, 3]))
    assert places.best.tolist() == [2, 2, 1] and places.worst.tolist() == [3, 2, 4]
    assert places.mean.tolist() == [2.5, 2, 2.5]


def test_excluded_candidates_do_not_count():
    excluded = np.array([[0, 0, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]], bool)
    assert places_of(SCORES, np.array([1, 2, 3]), excluded).mean.tolist() == [1, 1, 2.5]
    with pytest.raises(ValueError, match="target of query 1 is excluded"):
        places_of(SCORES, np.array([1, 0, 3]), excluded)


@pytest.mark.parametrize("k", [1, 10, 40])
def test_metrics_equal_those_of_groups(k):
    random = np.random.default_rng(0)
    scores = random.integers(0, 12, (50, 30)).astype(np.float32)  # many ties
    targets = random.integers(0, 30, 50)
    labels = (np.arange(30) == targets[:, None]).astype(int)
    expected = grouped_metrics(labels.ravel(), scores.ravel(), np.repeat(np.arange(50), 30), k=k)
    parts = [places_of(scores[:20], targets[:20]), places_of(scores[20:], targets[20:])]
    found = joined(parts).metrics(k)
    np.testing.assert_allclose(found[:4], [expected.mean_rank, expected.mrr, expected.hit_rate, expected.ndcg])
    assert found.queries == 50


def test_what_cannot_be_ranked_is_refused():
    with pytest.raises(ValueError, match="1 of 12 scores are NaN"):
        places_of(np.where(SCORES == 0.9, np.nan, SCORES), np.array([1, 2, 3]))
    places = places_of(SCORES, np.array([1, 2, 3]))
    with pytest.raises(ValueError, match="at least one query"):
        places.rows(np.array([], int)).metrics()
    with pytest.raises(ValueError, match="`k` must be at least 1"):
        places.metrics(0)
