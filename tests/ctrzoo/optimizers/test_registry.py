"""Optimizers by name."""

import keras
import pytest

from ctrzoo import optimizers
from ctrzoo.optimizers import registry


def test_an_unknown_name_is_refused_with_the_near_one():
    with pytest.raises(ValueError, match="Unknown optimizer 'adams'. Did you mean 'adam'?"):
        optimizers.build("adams", 0.1)


def test_every_name_builds_an_optimizer_with_the_given_rate():
    for name in registry.OPTIMIZERS:
        optimizer = registry.build(name, 0.125)
        assert isinstance(optimizer, keras.optimizers.Optimizer) and float(optimizer.learning_rate) == 0.125


def test_the_default_is_registered_and_every_name_is_described():
    assert registry.DEFAULT_OPTIMIZER in registry.OPTIMIZERS
    described = [entry.split(": ")[0] for entry in registry.describe().split("; ")]
    assert described == list(registry.OPTIMIZERS)


def test_a_schedule_is_taken_where_the_rate_may_change():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, decay_steps=1, decay_rate=0.5)
    for name in ("lazy_adam", "adam", "adagrad", "sgd"):
        optimizer = registry.build(name, schedule)
        optimizer.build([keras.Variable([1.0])])
        optimizer.iterations.assign(2)
        assert float(optimizer.learning_rate) == 0.125
    with pytest.raises(ValueError, match="schedule"):
        registry.build("grda", schedule)
