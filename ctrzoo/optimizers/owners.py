"""Which weight each variable of an optimizer belongs to, and files of optimizers that do not depend on devices."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import keras

from ctrzoo.distribution import restore, stored


def owners_of(optimizer: keras.optimizers.Optimizer) -> dict[int, keras.Variable]:
    """Return, by the id of a variable of an optimizer, the weight whose state it is."""
    owners = {}
    for each in parts_of(optimizer):
        weights = each._trainable_variables
        for states in vars(each).values():
            if not isinstance(states, list) or len(states) != len(weights) or states is weights:
                continue
            for state, weight in zip(states, weights, strict=True):
                if isinstance(state, keras.Variable) and state is not weight and state.shape == weight.shape:
                    owners[id(state)] = weight
    return owners


def parts_of(optimizer: keras.optimizers.Optimizer) -> Iterator[keras.optimizers.Optimizer]:
    """Yield an optimizer and those that it consists of."""
    yield optimizer
    for name in ("default", "special", "inner_optimizer"):
        part = getattr(optimizer, name, None)
        if isinstance(part, keras.optimizers.Optimizer):
            yield from parts_of(part)


def store_by_rows(optimizer: keras.optimizers.Optimizer) -> None:
    """Let files of an optimizer, such as one of Keras, hold the state of a table without the rows that were added."""
    for part in parts_of(optimizer):
        if not isinstance(part, StoredByRows):
            part.save_own_variables = functools.partial(_save, part)
            part.load_own_variables = functools.partial(_load, part)


class StoredByRows(keras.optimizers.Optimizer):
    """An optimizer whose files hold the state of a table without the rows that were added to divide it."""

    def save_own_variables(self, store: Any) -> None:
        """Save the state without the rows that were added."""
        _save(self, store)

    def load_own_variables(self, store: Any) -> None:
        """Load the state, with any number of devices."""
        _load(self, store)


def _save(optimizer, store):
    owners = owners_of(optimizer)
    for index, variable in enumerate(optimizer.variables):
        store[str(index)] = stored(variable, owners.get(id(variable)))


def _load(optimizer, store):
    if len(store.keys()) != len(optimizer.variables):
        keras.optimizers.Optimizer.load_own_variables(optimizer, store)  # warns
        return
    owners = owners_of(optimizer)
    for index, variable in enumerate(optimizer.variables):
        restore(variable, store[str(index)], owners.get(id(variable)))
