"""LR cannot, Poly2 and crosses memorize, FM, FFM and AFM generalize; expected rates from a NumPy optimizer."""

import csv

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.svm import SVC

from ctrzoo.experiments.lessons import publishers
from ctrzoo.experiments.lessons.publishers import (
    CLICKS,
    MODELS,
    NO_CLICKS,
    learned_rates,
    observed_rates,
    write_lesson,
)

SHOWN = CLICKS + NO_CLICKS > 0
NBC_GUCCI = (2, 1)


@pytest.fixture(scope="module")
def rates():
    return {label: learned_rates(label) for label in MODELS}


def best_rates(dim, linear_l2=0.0, embedding_l2=0.0):
    """Minimize the log loss of FM (of LR for `dim` 0) with its penalties by L-BFGS, from NumPy's own gradient."""

    def parts(numbers):
        bias, first, second, rest = numbers[0], numbers[1:4], numbers[4:7], numbers[7:].reshape(2, 3, dim)
        return bias, first, second, rest[0], rest[1]

    def loss(numbers):
        bias, first, second, left, right = parts(numbers)
        logits = bias + first[:, None] + second + left @ right.T
        losses = CLICKS * np.logaddexp(0, -logits) + NO_CLICKS * np.logaddexp(0, logits)
        slope = (-CLICKS / (1 + np.exp(logits)) + NO_CLICKS / (1 + np.exp(-logits))) / (CLICKS + NO_CLICKS).sum()
        total = losses.sum() / (CLICKS + NO_CLICKS).sum()
        total += linear_l2 / 2 * (first @ first + second @ second) + embedding_l2 / 2 * (numbers[7:] ** 2).sum()
        return total, np.concatenate(
            [
                [slope.sum()],
                slope.sum(axis=1) + linear_l2 * first,
                slope.sum(axis=0) + linear_l2 * second,
                (slope @ right + embedding_l2 * left).ravel(),
                (slope.T @ left + embedding_l2 * right).ravel(),
            ]
        )

    start = np.concatenate([np.zeros(7), np.random.default_rng(0).normal(0, 0.1, 6 * dim)])
    bias, first, second, left, right = parts(minimize(loss, start, jac=True, method="L-BFGS-B").x)
    return 1 / (1 + np.exp(-(bias + first[:, None] + second + left @ right.T)))


@pytest.mark.parametrize(("label", "dim"), [("LR", 0), ("FM", 4), ("FFM", 4)])
def test_models_reach_the_optimum_of_an_independent_optimizer(rates, label, dim):
    expected = best_rates(dim, linear_l2=1e-2, embedding_l2=1e-3)
    np.testing.assert_allclose(rates[label], expected, atol=0.02)


def test_lr_misses_what_only_pairs_tell(rates):
    assert np.abs(rates["LR"] - observed_rates())[SHOWN].max() > 0.35
    assert rates["LR"][1, 1] < 0.55  # Gucci on Vogue, where 90 % click


@pytest.mark.parametrize("label", ["Poly2", "crosses"])
def test_memories_know_seen_pairs_and_nothing_of_the_unseen(rates, label):
    np.testing.assert_allclose(rates[label][SHOWN], observed_rates()[SHOWN], atol=0.01)
    logits = np.log(rates[label] / (1 - rates[label]))
    assert rates[label][0, 2] < 0.01  # a single row without a click decides
    assert logits[NBC_GUCCI] > 0  # the sum of what NBC and Gucci say alone


@pytest.mark.parametrize("label", ["FM", "FFM", "AFM"])
def test_embeddings_expect_on_nbc_what_happened_on_espn(rates, label):
    seen = SHOWN & (CLICKS + NO_CLICKS > 1)
    np.testing.assert_allclose(rates[label][seen], observed_rates()[seen], atol=0.02)
    assert rates[label][NBC_GUCCI] < 0.3


def test_without_penalties_fm_is_no_better_than_a_memory():
    assert best_rates(4)[NBC_GUCCI] > 0.5


def test_files(tmp_path, rates, monkeypatch):
    monkeypatch.setattr(publishers, "learned_rates", rates.get)
    write_lesson(tmp_path / "new")
    rows = list(csv.DictReader((tmp_path / "new" / "publishers.csv").open()))
    assert [row["observed"] for row in rows if row["publisher"] == "NBC"] == ["0.85", "nan", "0.9"]
    assert (tmp_path / "new" / "publishers.png").stat().st_size > 10_000


def test_a_support_vector_machine_gives_an_unseen_pair_no_weight():
    """The weights of its features are sums over training rows, and no row has both values of the pair."""
    cells = np.concatenate([np.argwhere(CLICKS > 0), np.argwhere(NO_CLICKS > 0)])
    rows = np.concatenate([np.eye(3)[cells[:, 0]], np.eye(3)[cells[:, 1]]], axis=1)
    weights = np.concatenate([CLICKS[CLICKS > 0], NO_CLICKS[NO_CLICKS > 0]])
    labels = np.repeat([1, 0], [(CLICKS > 0).sum(), (NO_CLICKS > 0).sum()])
    machine = SVC(kernel="poly", degree=2, gamma=1, coef0=1).fit(rows, labels, sample_weight=weights)
    # The kernel (1 + <x, z>)^2 has the feature 2 ** 0.5 * x_i * x_j of each pair.
    vectors = machine.support_vectors_
    of_pairs = 2 * np.einsum("n,ni,nj->ij", machine.dual_coef_[0], vectors[:, :3], vectors[:, 3:])
    every = np.concatenate([np.repeat(np.eye(3), 3, axis=0), np.tile(np.eye(3), (3, 1))], axis=1)
    rest = machine.decision_function(every).reshape(3, 3) - of_pairs  # the sum of what each value adds alone
    np.testing.assert_allclose(rest - rest[:1] - rest[:, :1] + rest[0, 0], 0, atol=1e-9)
    assert of_pairs[NBC_GUCCI] == 0 and of_pairs[1, 1] > 0
