"""Randomness of one fit."""

import random

import keras
import numpy as np
import pytest

from ctrzoo.estimators.randomness import seed_of, seeded
from ctrzoo.training import set_seed


def test_weights_are_those_of_set_seed():
    from tensorflow.python.framework import config

    was_fixed = config.is_op_determinism_enabled()
    with seeded(9):
        assert config.is_op_determinism_enabled()
        ours = keras.initializers.GlorotUniform()((2, 3))
    assert config.is_op_determinism_enabled() == was_fixed
    set_seed(9)
    np.testing.assert_array_equal(keras.initializers.GlorotUniform()((2, 3)), ours)
    with seeded(1):
        assert config.is_op_determinism_enabled()
    assert config.is_op_determinism_enabled(), "it was on before"
    config.disable_op_determinism()


def test_an_error_restores_the_state():
    state = random.getstate()
    with pytest.raises(KeyError), seeded(1):
        random.random()
        raise KeyError
    assert random.getstate() == state


def test_seeds():
    assert seed_of(np.int64(5)) == 5
    assert seed_of(np.random.RandomState(1)) == np.random.RandomState(1).randint(2**31)
    generator = np.random.RandomState(1)
    assert seed_of(generator) != seed_of(generator)
    with pytest.raises(ValueError, match="cannot be used to seed"):
        seed_of("yes")
