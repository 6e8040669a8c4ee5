"""The AUC of known probabilities, and what brings the share of clicks to 25 %."""

import numpy as np

from ctrzoo.data_pipelines.datasets.click_truth import GRID, auc_and_log_loss, bias_of, inverse_distribution, steps_of


def test_auc_and_log_loss_are_those_of_all_pairs_and_rows():
    counts, probabilities = np.array([[3, 2, 1], [1, 1, 2]]), np.array([0.2, 0.4, 0.9])
    rows = [(p, label) for label in (0, 1) for p, n in zip(probabilities, counts[label], strict=True) for _ in range(n)]
    pairs = [(a > b) + (a == b) / 2 for a, one in rows if one for b, other in rows if not other]
    losses = [-np.log(p if label else 1 - p) for p, label in rows]
    np.testing.assert_allclose(auc_and_log_loss(counts, probabilities), [np.mean(pairs), np.mean(losses)])


def test_the_bias_brings_a_quarter_of_clicks():
    logits = np.random.default_rng(0).normal(size=1000)
    assert abs(np.mean(1 / (1 + np.exp(-logits - bias_of(logits)))) - 0.25) < 1e-6


def test_logits_are_rounded_to_the_grid():
    logits = np.array([-9.0, -0.3, 0.0, 1.00001, 20.0])
    np.testing.assert_allclose(GRID[steps_of(logits)], logits.clip(-8, 8), atol=1 / 8192)


def test_ids_follow_zipf():
    weights = np.arange(1, 9) ** -0.7
    shares = np.bincount(inverse_distribution(8, 0.7)) / 2**16
    np.testing.assert_allclose(shares, weights / weights.sum(), atol=1e-4)
