"""Options of training: what is allowed, and what is said of the rest."""

import dataclasses

import pytest

from ctrzoo.training import TrainingOptions
from ctrzoo.training.options import check_fields, shared
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


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch_size": 2.5}, "'batch_size' must be a whole number of at least 1. Received: 2.5"),
        ({"batch_size": True}, "'batch_size' must be a whole number of at least 1. Received: True"),
        ({"learning_rate": 0}, "'learning_rate' must be a number above 0. Received: 0"),
        ({"learning_rate": float("nan")}, "'learning_rate' must be a number above 0. Received: nan"),
        ({"learning_rate": "0.1"}, "'learning_rate' must be a number above 0. Received: '0.1'"),
        ({"plateau_factor": 1.5}, "'plateau_factor' must be above 0 and at most 1. Received: 1.5"),
        ({"seed": 2**32}, "'seed' must be a whole number from 0 to 4,294,967,295"),
        ({"jit_compile": 1}, "'jit_compile' must be True or False. Received: 1"),
        ({"checkpoint_steps": 0}, "'checkpoint_steps' must be a whole number of at least 1, or None. Received: 0"),
        ({"checkpoint_minutes": -1}, "'checkpoint_minutes' must be a number of at least 0. Received: -1"),
        ({"optimizer": "adams"}, "Unknown optimizer 'adams'. Did you mean 'adam'"),
        ({"optimizer": "grda", "plateau_factor": 0.5}, "GRDA's threshold assumes a constant learning rate"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_allowed(wrong, message):
    with pytest.raises(ValueError, match=message):
        TrainingOptions(**wrong)


def test_the_ends_of_what_is_allowed_are_allowed():
    options = TrainingOptions(learning_rate=1, plateau_factor=1, seed=2**32 - 1, checkpoint_minutes=0)
    assert options.checkpoint_steps is None and TrainingOptions(checkpoint_steps=1, seed=0).seed == 0


def test_another_dataclass_can_share_an_option_with_its_check():
    @dataclasses.dataclass
    class Settings:
        seed: int = shared("seed")
        note: str = ""  # not an option, so not checked

    assert Settings().seed == TrainingOptions().seed
    check_fields(Settings(note=5), "setting")
    with pytest.raises(ValueError, match="The setting 'seed' must be a whole number from 0"):
        check_fields(Settings(seed=-1), "setting")
