"""Options of training: what is allowed, and what is said of the rest."""

import pytest

from ctrzoo.training import TrainingOptions
from tests.ctrzoo.training.interrupted import run


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"epochs": -1}, {"patience": 0}])
def test_no_epoch_is_refused(wrong):
    with pytest.raises(ValueError, match="must be a whole number of at least 1"):
        TrainingOptions(**wrong)


def test_an_unknown_schedule_is_refused():
    with pytest.raises(ValueError, match="must be one of constant, cosine. Received: 'cosin'"):
        TrainingOptions(learning_rate_schedule="cosin")


@pytest.mark.parametrize("falling", [("constant", 0.5), ("cosine", 1.0)])
def test_a_falling_learning_rate_of_ftrl_is_refused(tmp_path, falling):
    with pytest.raises(ValueError, match="FTRL computes weights from its state and the learning rate"):
        run(tmp_path, optimizer="ftrl", learning_rate_schedule=falling[0], plateau_factor=falling[1])
