"""How the learning rate changes during training: by epoch, by plateau, or by a Keras schedule.

A named schedule gives the learning rate of an epoch relative to the first epoch's. The plateau factor multiplies it.
Alternatively, a `keras.optimizers.schedules.LearningRateSchedule` gives the rate of each step. The optimizer counts the
steps, and checkpoints store the count, so a resumed run continues at the right step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np


def constant(epoch: int, epochs: int) -> float:
    """Return 1: every epoch has the learning rate of the first."""
    return 1.0


def cosine(epoch: int, epochs: int) -> float:
    """Return the value of half a cosine that falls from 1 and would reach 0 after all `epochs`.

    Source: Loshchilov and Hutter, 2017, equation 5, https://arxiv.org/abs/1608.03983.

    Args:
        epoch: Number of finished epochs.
        epochs: Maximum number of epochs of the run.

    >>> cosine(2, 4)
    0.5
    """
    return (1 + math.cos(math.pi * epoch / epochs)) / 2


SCHEDULES: dict[str, Callable[[int, int], float]] = {"constant": constant, "cosine": cosine}


def plateau_epochs(history: Sequence[Mapping[str, float]]) -> int:
    """Return the number of finished epochs that did not lower the validation log loss; NaN does not lower it.

    >>> plateau_epochs([{"valid_log_loss": loss} for loss in (0.5, 0.4, 0.45, 0.3)])
    1
    """
    losses = np.array([row["valid_log_loss"] for row in history], float)  # None, as JSON has for NaN, becomes NaN
    lowest = np.fmin.accumulate(np.concatenate([[np.inf], losses]))
    return len(history) - int(np.count_nonzero(lowest[1:] < lowest[:-1]))


def relative_rate(schedule: str, plateau_factor: float, epochs: int, history: Sequence[Mapping[str, float]]) -> float:
    """Return the learning rate of the next epoch relative to the first epoch's.

    Args:
        schedule: A name of `SCHEDULES`.
        plateau_factor: Multiplies the rate once for each epoch that did not lower the validation log loss.
        epochs: Maximum number of epochs of the run.
        history: One row per finished epoch.

    >>> relative_rate("cosine", 0.5, 4, [{"valid_log_loss": 0.5}, {"valid_log_loss": 0.6}])
    0.25
    """
    return float(SCHEDULES[schedule](len(history), epochs) * plateau_factor ** plateau_epochs(history))
