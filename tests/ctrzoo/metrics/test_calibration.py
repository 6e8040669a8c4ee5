"""Calibration equals its definition by bins, with weights and without."""

import numpy as np
import pytest

from ctrzoo.metrics import calibration, calibration_curve, expected_calibration_error
from ctrzoo.metrics import rows as metric_rows


@pytest.fixture
def rows():
    random = np.random.default_rng(5)
    probabilities = random.random(1000)
    return (random.random(1000) < probabilities**1.5).astype(int), probabilities


def by_hand(labels, probabilities, weights, bins):
    """Mean probability, share of positives and weight of consecutive bins of the sorted rows, in a loop."""
    order = np.argsort(probabilities)
    parts = np.array_split(order, bins)
    return np.array(
        [
            [np.average(column[part], weights=weights[part]) for column in (probabilities, labels)]
            + [weights[part].sum()]
            for part in parts
        ]
    ).T


def test_calibration_by_hand():
    assert calibration([1, 0, 0, 0], [0.5, 0.5, 0.5, 0.5]) == 2.0
    assert calibration([1, 0], [0.5, 0.25], [1, 2]) == 1.0
    assert np.isnan(calibration([0], [0.5]))


@pytest.mark.parametrize("weights", [np.ones(1000), np.random.default_rng(1).integers(1, 5, 1000)])
@pytest.mark.parametrize("bins", [1, 4, 10])
def test_bins_have_equally_many_rows_and_their_means(rows, weights, bins, monkeypatch):
    expected = by_hand(*rows, weights, bins)
    for size in (1 << 20, 17):
        monkeypatch.setattr(metric_rows, "BLOCK", size)
        curve = calibration_curve(*rows, weights, bins)
        np.testing.assert_allclose(curve, expected, rtol=1e-12)
        error = (np.abs(expected[0] - expected[1]) * expected[2]).sum() / expected[2].sum()
        assert expected_calibration_error(*rows, weights, bins) == pytest.approx(error, rel=1e-12)


def test_equal_probabilities_share_a_bin_and_lose_no_row():
    curve = calibration_curve([0, 1, 1, 0, 1], [0.2, 0.2, 0.2, 0.2, 0.9], bins=5)
    assert curve.weight.tolist() == [4, 1]
    assert curve.actual.tolist() == [0.5, 1]
    assert calibration_curve([0, 1], [0.3, 0.3]).weight.tolist() == [2]


def test_a_row_of_weight_two_counts_as_two_rows(rows):
    weights = np.ones(1000)
    weights[::3] = 2
    repeated = [np.repeat(column, weights.astype(int)) for column in rows]
    assert calibration(*rows, weights) == pytest.approx(calibration(*repeated), rel=1e-12)
    assert expected_calibration_error(*rows, weights, bins=1) == pytest.approx(
        expected_calibration_error(*repeated, bins=1), rel=1e-12
    )


def test_a_model_with_true_probabilities_has_less_error_than_another(rows):
    labels, probabilities = rows
    true = expected_calibration_error(labels, probabilities**1.5, bins=5)
    assert 2 * true < expected_calibration_error(labels, probabilities, bins=5)


def test_bins_and_probabilities_are_checked():
    with pytest.raises(ValueError, match="at least 1"):
        calibration_curve([0, 1], [0.1, 0.2], bins=0)
    for function in (calibration, calibration_curve, expected_calibration_error):
        with pytest.raises(ValueError, match="sigmoid"):
            function([0, 1], [0.1, 1.2])
