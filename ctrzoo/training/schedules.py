"""How the learning rate changes during training: by epoch, by plateau, or by a Keras schedule.

A named schedule gives the learning rate of an epoch relative to the first epoch's. The plateau factor multiplies it.
Alternatively, a `keras.optimizers.schedules.LearningRateSchedule` gives the rate of each step. The optimizer counts the
steps, and checkpoints store the count, so a resumed run continues at the right step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ctrzoo.metrics import metric_of


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


def improves(values: np.ndarray, monitor: str) -> np.ndarray:
    """Return which values of a metric are better than all before them; NaN never is.

    Args:
        values: One value per epoch.
        monitor: The metric.

    >>> improves(np.array([0.5, 0.4, np.nan, 0.45, 0.3]), "log_loss").tolist()
    [True, True, False, False, True]
    """
    falling = -values if metric_of(monitor).higher_is_better else values
    falling = np.where(np.isnan(falling), np.inf, falling)
    return falling < np.minimum.accumulate(np.r_[np.inf, falling[:-1]])


def plateau_epochs(history: Sequence[Mapping[str, float]], monitor: str = "log_loss") -> int:
    """Return the number of finished epochs that did not improve the monitored validation metric.

    >>> plateau_epochs([{"valid_log_loss": loss} for loss in (0.5, 0.4, 0.45, 0.3)])
    1
    """
    values = np.array([row[f"valid_{monitor}"] for row in history], np.float64)
    return len(history) - int(np.count_nonzero(improves(values, monitor))) if history else 0


def relative_rate(
    schedule: str,
    plateau_factor: float,
    epochs: int,
    history: Sequence[Mapping[str, float]],
    monitor: str = "log_loss",
) -> float:
    """Return the learning rate of the next epoch relative to the first epoch's.

    Args:
        schedule: A name of `SCHEDULES`.
        plateau_factor: Multiplies the rate once for each epoch that did not improve the monitored metric.
        epochs: Maximum number of epochs of the run.
        history: One row per finished epoch.
        monitor: The monitored validation metric.

    >>> relative_rate("cosine", 0.5, 4, [{"valid_log_loss": 0.5}, {"valid_log_loss": 0.6}])
    0.25
    """
    return float(SCHEDULES[schedule](len(history), epochs) * plateau_factor ** plateau_epochs(history, monitor))
