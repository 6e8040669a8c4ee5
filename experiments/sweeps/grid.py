"""Grids of settings, the building blocks of a sweep's configuration."""

import itertools
from typing import Any

from ctrzoo.types import Config


def grid(**choices: Any) -> list[Config]:
    """Return all combinations of the choices, the last varying fastest.

    Args:
        **choices: For each setting, hyperparameter or data set option, one value or a list of values to try.
            A tuple is one value, such as `units=(64, 64)`. `label` names the runs in tables.

    >>> grid(model=["lr", "fm"], seed=[1, 2], batch_size=512)[1]
    {'model': 'lr', 'seed': 2, 'batch_size': 512}
    """
    lists = [value if isinstance(value, list) else [value] for value in choices.values()]
    return [dict(zip(choices, values, strict=True)) for values in itertools.product(*lists)]
