"""How far the outputs of an export are from those of the model."""

from __future__ import annotations

import numpy as np

TOLERANCE = 1e-6


def differences(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the difference of each pair of numbers, relative to numbers above 1.

    Two NaN, or two equal infinite numbers, do not differ.

    Args:
        found: What an export computes.
        expected: What the model computes, of the same shape.

    Raises:
        ValueError: If the shapes differ.

    >>> differences(np.array([0.5, 30.0]), np.array([0.75, 20.0])).tolist()
    [0.25, 0.5]
    """
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape:
        raise ValueError(f"The export returns the shape {found.shape}, the model {expected.shape}.")
    with np.errstate(invalid="ignore"):
        apart = np.abs(found - expected) / np.maximum(1, np.abs(expected))
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    return np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))


def largest_difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest of `differences`; 0 if there are none.

    >>> largest_difference(np.array([0.5, 30.0]), np.array([0.75, 20.0]))
    0.5
    """
    return float(differences(found, expected).max(initial=0.0))


def check_difference(what: str, difference: float, rows: str, tolerance: float) -> None:
    """Refuse an export that does not compute what the model does.

    Args:
        what: The export, for the message.
        difference: The largest difference.
        rows: The rows, for the message.
        tolerance: The largest difference that is allowed.

    Raises:
        ValueError: If the difference is larger.
    """
    if not difference <= tolerance:
        raise ValueError(
            f"{what} differs from the model by {difference:.1e} on {rows}, but at most {tolerance:.1e} is allowed, so "
            "nothing was written. If such a difference does no harm, pass a larger --tolerance."
        )
