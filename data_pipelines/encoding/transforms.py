"""What becomes of a number before a model sees it."""

import numpy as np

# By kind of field; None is text for a categorical field and the number as it is for a numerical one.
TRANSFORMS = {
    "numerical": (None, "log_squared", "log1p", "min_max", "standard"),
    "categorical": (None, "quantile", "log_squared_bucket"),
    "multivalued": (None,),
}


def to_numbers(transform, numbers):
    """Apply the part of a transform that learns nothing.

    `"log_squared"`: x > 2 becomes floor(ln(x)^2), as published for Criteo, and others stay.
    `"log1p"`: the sign of x times ln(1 + |x|). `"min_max"`, `"standard"` and None: x itself.

    Args:
        transform: The transform of a numerical field.
        numbers: float64 of any shape; NaN is missing and stays.

    >>> to_numbers("log_squared", np.array([-3.0, 2.0, 3.0, 1000.0])).tolist()
    [-3.0, 2.0, 1.0, 47.0]
    """
    if transform == "log_squared":
        return np.where(numbers > 2, np.floor(np.log(np.maximum(numbers, 2)) ** 2), numbers)
    if transform == "log1p":
        return np.sign(numbers) * np.log1p(np.abs(numbers))
    return numbers


def from_numbers(transform, numbers):
    """Undo `to_numbers` where that can be done.

    >>> from_numbers("log1p", np.log(np.array([1.0, 4.0]))).tolist()
    [0.0, 3.0]
    """
    return np.sign(numbers) * np.expm1(np.abs(numbers)) if transform == "log1p" else numbers


def to_buckets(transform, numbers):
    """Return the bucket of each number, whole numbers as float64; NaN stays.

    `"log_squared_bucket"`: floor(ln(x)^2) for x > 2, and floor(x) - 3, which is negative, for others.

    >>> to_buckets("log_squared_bucket", np.array([-1.0, 0.0, 2.0, 3.0, 1000.0])).tolist()
    [-4.0, -3.0, -1.0, 1.0, 47.0]
    """
    if transform != "log_squared_bucket":
        raise ValueError(f"Only 'log_squared_bucket' makes such buckets. Received: {transform!r}.")
    return np.where(numbers > 2, to_numbers("log_squared", numbers), np.floor(numbers) - 3)
