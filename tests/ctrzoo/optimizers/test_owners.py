"""Which weight each state of an optimizer belongs to."""

import keras
import numpy as np

from ctrzoo import optimizers
from ctrzoo.optimizers.owners import owners_of, parts_of


def variables():
    return [keras.Variable(np.ones((4, 2)), name="table"), keras.Variable(np.ones((4, 2)), name="kernel")]


def test_states_belong_to_the_weight_of_their_place():
    optimizer, weights = optimizers.LazyAdam(0.1), variables()
    optimizer.build(weights)
    owners = owners_of(optimizer)
    for states in (optimizer._momentums, optimizer._velocities):
        assert [owners[id(state)].name for state in states] == ["table", "kernel"]
    assert not {id(weight) for weight in weights} & set(owners)
    assert id(optimizer.iterations) not in owners


def test_parts_of_a_composite_are_found():
    inner = keras.optimizers.SGD(0.1, momentum=0.9)
    scaled = keras.optimizers.LossScaleOptimizer(inner)
    assert list(parts_of(scaled)) == [scaled, inner]
    weights = variables()
    scaled.build(weights)
    assert {owner.name for owner in owners_of(scaled).values()} == {"table", "kernel"}


def test_a_file_gives_every_state_back(tmp_path):
    weights, store = variables(), {}
    optimizer, again = optimizers.LazyAdam(0.1), optimizers.LazyAdam(0.1)
    for each in (optimizer, again):
        each.build(weights)
    for number, variable in enumerate(optimizer.variables[2:], start=1):
        variable.assign(np.full(variable.shape, number))
    optimizer.save_own_variables(store)
    again.load_own_variables(store)
    for variable, other in zip(optimizer.variables, again.variables, strict=True):
        np.testing.assert_array_equal(variable, other)
