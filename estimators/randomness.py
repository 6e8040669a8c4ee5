"""Randomness for one fit, without a trace in the rest of the process."""

from __future__ import annotations

import contextlib
import importlib
import numbers
import random
from collections.abc import Iterator
from typing import Any

from sklearn.utils import check_random_state

# TensorFlow has a public switch to fix the order of sums, but none to undo it.
DETERMINISM = "tensorflow.python.framework.config"


def seed_of(random_state: Any) -> int:
    """Return a seed for a `random_state` as scikit-learn takes it; a whole number is the seed itself.

    Raises:
        ValueError: If it is neither None, a whole number from 0 to 4,294,967,295, nor a `RandomState`.

    >>> seed_of(7)
    7
    """
    state = check_random_state(random_state)
    return int(random_state) if isinstance(random_state, numbers.Integral) else int(state.randint(2**31))


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within this context, new models have the weights and dropout of a seed, and sums have a fixed order.

    Keras draws the seeds of weights and dropout from Python's `random`. Its state is restored afterwards, as is the
    order of sums. Both belong to the process, so two threads must not train at the same time.

    >>> state = random.getstate()
    >>> with seeded(1):
    ...     number = random.random()
    >>> state == random.getstate(), number == random.Random(1).random()
    (True, True)
    """
    config = importlib.import_module(DETERMINISM)
    state, was_fixed = random.getstate(), config.is_op_determinism_enabled()
    random.seed(seed)
    config.enable_op_determinism()
    try:
        yield
    finally:
        random.setstate(state)
        if not was_fixed:
            config.disable_op_determinism()
