"""Differences that rounding explains: rows in which the last digit of a sum decides what a model computes.

GraphFM selects the largest edge weights. If two of them nearly tie, another order of the same sums selects the other
one, and the prediction jumps. The model does the same itself, if its weights change by their rounding.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator

import numpy as np

from .differences import differences, largest_difference

if typing.TYPE_CHECKING:
    from ctrzoo.model import CTRModel

# A sum of n products in any order is the exact sum with weights changed by at most n / 2 units in the last place.
UNITS = 8
TRIES = 64
MOST_ROWS = 0.01
SEED = 0


class Comparison(typing.NamedTuple):
    """How far an export is from its model.

    Args:
        difference: The largest difference, without the rows that rounding decides.
        rows: How many rows were compared.
        rounded: In how many of them rounding decides what the model computes.
        rounded_difference: The largest difference in those.
    """

    difference: float
    rows: int
    rounded: int = 0
    rounded_difference: float = 0.0

    def sentences(self) -> list[str]:
        """Return what is to be said of the rows that rounding decides; nothing if there are none."""
        if not self.rounded:
            return []
        rows = f"{self.rounded:,} of {self.rows:,} row{'s are' if self.rounded > 1 else 's is'}"
        return [
            f"{rows} left out of this: rounding decides what the model computes there, such as which of two nearly "
            f"equal edges it selects, and the difference is at most {self.rounded_difference:.1e}. With other last "
            "digits of its weights, the model computes the same."
        ]


def worse(one: Comparison, other: Comparison) -> Comparison:
    """Return the larger numbers of two comparisons.

    >>> worse(Comparison(2e-7, 5, 1, 3e-5), Comparison(3e-7, 1))
    Comparison(difference=3e-07, rows=5, rounded=1, rounded_difference=3e-05)
    """
    return Comparison(
        max(one.difference, other.difference),
        max(one.rows, other.rows),
        max(one.rounded, other.rounded),
        max(one.rounded_difference, other.rounded_difference),
    )


def compare(
    model: CTRModel, features: dict[str, np.ndarray], found: np.ndarray, expected: np.ndarray, tolerance: float
) -> Comparison:
    """Compare the outputs of an export with those of its model.

    A row that differs by more than the tolerance counts as one that rounding decides only if the model computes what
    the export does, within the tolerance, with weights that are changed by rounding. If more than `MOST_ROWS` of the
    rows differ, rounding is no excuse.

    Args:
        model: The model.
        features: The rows, `{"ids", "values"}`, each `(rows, slots)`.
        found: What the export computes, `(rows,)`.
        expected: What the model computes, `(rows,)`.
        tolerance: The largest difference that needs no explanation.

    Raises:
        ValueError: If the shapes differ.
    """
    whole = Comparison(largest_difference(found, expected), len(expected))
    far = np.flatnonzero(differences(found, expected) > tolerance)
    if not 0 < len(far) <= max(1, MOST_ROWS * len(expected)):
        return whole
    part, wanted = {name: array[far] for name, array in features.items()}, found[far]
    open_rows = np.ones(len(far), bool)
    for predicted in _rounded_otherwise(model, part):
        open_rows &= differences(predicted, wanted) > tolerance
        if not open_rows.any():
            near = np.delete(np.arange(len(expected)), far)
            rest = largest_difference(found[near], expected[near])
            return Comparison(rest, len(expected), len(far), whole.difference)
    return whole


def _rounded_otherwise(model, features) -> Iterator[np.ndarray]:
    """Yield what the model predicts with weights that are changed in their last digits; they come back at the end."""
    random, weights = np.random.default_rng(SEED), model.get_weights()
    unit = np.float32(UNITS * np.finfo(np.float32).eps)
    try:
        for _ in range(TRIES):
            changed = [
                weight * (1 + unit * (2 * random.random(weight.shape, np.float32) - 1))
                if weight.dtype == np.float32
                else weight
                for weight in weights
            ]
            model.set_weights(changed)
            yield model.predict_on_batch(features)[:, 0]
    finally:
        model.set_weights(weights)
