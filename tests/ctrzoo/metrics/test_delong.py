"""DeLong's covariance: of placements computed pair by pair, and on simulated rows."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ctrzoo.metrics.delong import AucCovariance, delong


def slow_covariance(labels, scores):
    """Return AUCs and covariance by comparing each positive row with each negative one."""
    labels = np.asarray(labels)
    of_positives, of_negatives = [], []
    for of_model in scores:
        up, down = np.asarray(of_model)[labels == 1], np.asarray(of_model)[labels == 0]
        won = [[1.0 if high > low else 0.5 if high == low else 0.0 for low in down] for high in up]
        of_positives.append([sum(row) / len(down) for row in won])
        of_negatives.append([sum(row[column] for row in won) / len(up) for column in range(len(down))])
    covariance = np.zeros((len(scores), len(scores)))
    for placements in (of_positives, of_negatives):
        for first, mine in enumerate(placements):
            for second, others in enumerate(placements):
                means = sum(mine) / len(mine), sum(others) / len(others)
                products = [(one - means[0]) * (other - means[1]) for one, other in zip(mine, others, strict=True)]
                covariance[first, second] += sum(products) / (len(products) - 1) / len(products)
    return [sum(placements) / len(placements) for placements in of_positives], covariance


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_placements_compared_pair_by_pair(levels):
    random = np.random.default_rng(levels)
    labels = random.integers(0, 2, 90)
    scores = [(levels * random.random(90) * (0.5 + labels / 2)).round() / levels for _ in range(3)]
    found = delong(labels, [scores[0], scores[1].astype(np.float32), scores[2]])
    aucs, covariance = slow_covariance(labels, [scores[0], scores[1].astype(np.float32), scores[2]])
    np.testing.assert_allclose(found.aucs, aucs, rtol=1e-12)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-10, atol=1e-16)
    for auc, of_model in zip(found.aucs, scores, strict=True):
        assert auc == pytest.approx(roc_auc_score(labels, of_model), abs=1e-7)


def test_by_hand():
    # Placements of the positive rows: 1 and 1/2; of the negative ones: 1, 1/2.
    found = delong([1, 1, 0, 0], [[3.0, 2.0, 1.0, 2.5]])
    assert found.aucs.tolist() == [0.75]
    assert found.covariance.tolist() == [[0.125 / 2 + 0.125 / 2]]
    low, high = found.interval(0)
    assert low == pytest.approx(0.75 - 1.959964 * 0.125**0.5) and high == 1


def test_differences():
    covariance = AucCovariance(np.array([0.8, 0.7, 0.7]), np.array([[4, 1, 1], [1, 3, 3], [1, 3, 3]]) / 1e4)
    found, low, high, p = covariance.difference(0, 1)
    deviation = (4 + 3 - 2 * 1) ** 0.5 / 100
    assert found == pytest.approx(0.1) and high - low == pytest.approx(2 * 1.959964 * deviation)
    assert p == pytest.approx(7.744e-06, rel=1e-3)  # of z = 4.4721, by a table of the normal distribution
    assert covariance.difference(1, 2) == (0, 0, 0, 1)
    assert np.isnan(AucCovariance(np.array([1.0, 0.0]), np.zeros((2, 2))).difference(0, 1)[3])


def test_one_row_of_a_class_has_no_variance_and_none_no_auc():
    found = delong([1, 0, 0], [[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])
    assert found.aucs.tolist() == [1, 0] and np.isnan(found.covariance).all()
    assert np.isnan(found.difference(0, 1)[1:]).all() and np.isnan(found.interval(0)).all()
    with pytest.raises(ValueError, match="both classes. Received: 3 of 3 positive"):
        delong([1, 1, 1], [[3.0, 2.0, 1.0]])
    with pytest.raises(ValueError, match="at least one model"):
        delong([1, 0], [])


def test_the_interval_holds_the_true_auc_in_95_of_100_samples():
    random, true, inside, false_alarms = np.random.default_rng(5), 0.7602499389065234, 0, 0  # Phi(1 / sqrt(2))
    for _ in range(400):
        labels = random.random(150) < 0.4
        signal = labels * 1.0
        covariance = delong(labels, [signal + random.normal(size=150) for _ in range(2)])
        low, high = covariance.interval(0)
        inside += low <= true <= high
        false_alarms += covariance.difference(0, 1)[3] < 0.05
    # A binomial count of 400 samples lies within three deviations, 13, of its mean.
    assert 367 <= inside <= 393
    assert 7 <= false_alarms <= 33
