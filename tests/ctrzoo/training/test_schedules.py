"""The learning rate of an epoch relative to that of the first."""

import math

import pytest

from ctrzoo.training.schedules import SCHEDULES, plateau_epochs, relative_rate


def history(*losses):
    return [{"valid_log_loss": loss} for loss in losses]


def test_a_cosine_falls_from_one_and_would_end_at_zero():
    by_hand = [1, (1 + math.sqrt(3) / 2) / 2, 0.75, 0.5, 0.25, (1 - math.sqrt(3) / 2) / 2, 0]
    assert [SCHEDULES["cosine"](epoch, 6) for epoch in range(7)] == pytest.approx(by_hand, abs=1e-12)


@pytest.mark.parametrize(
    ("losses", "epochs"),
    [
        ((), 0),
        ((0.5,), 0),
        ((0.5, 0.5), 1),
        ((0.5, 0.6, 0.55, 0.4), 2),
        ((0.5, 0.4, 0.3), 0),
        ((math.nan, 0.5, math.nan, 0.4), 2),
        ((0.5, math.nan), 1),
    ],
)
def test_an_epoch_counts_unless_it_is_lower_than_all_before(losses, epochs):
    assert plateau_epochs(history(*losses)) == epochs


def test_both_ways_to_fall_are_multiplied():
    assert relative_rate("constant", 0.5, 9, history(0.5, 0.6, 0.7)) == 0.25
    assert relative_rate("cosine", 0.5, 4, history(0.5, 0.6)) == pytest.approx(0.5 * 0.5)
    assert relative_rate("constant", 1.0, 9, history(0.5, 0.6, 0.7)) == 1
