"""Transforms that numbers undergo before a model sees them: one object per transform.

A transform defines which kinds of field it serves, what it fits, how it works in NumPy and in a TensorFlow graph, and
its inverse. Preparation, `TableEncoding`, `FrameEncoder` and `ServingEncoder` all use the same object. To add a
transform, write a class and add it to `TRANSFORMS`.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable

import numpy as np

if typing.TYPE_CHECKING:
    import tensorflow as tf

    from ctrzoo.types import Tensor

# Boundaries of quantile buckets are computed from at most this many randomly drawn rows.
SAMPLE_ROWS = 262_144
# Buckets are written as 64-bit whole numbers.
LOWEST_BUCKET = np.float64(-(2**62))


@dataclasses.dataclass(frozen=True)
class Transform:
    """Subtract an offset from numbers and divide by a scale; the other transforms extend this class.

    An object holds its fitted state; `encoding.json` stores it under the same names.

    Args:
        offset: Subtracted after the transform's curve.
        scale: Divides the difference. Zero says that the column was empty where it was fitted: its scale is not known,
            and all later numbers count as missing.
        boundaries: Where each next bucket begins, ascending.
        num_buckets: Maximum number of buckets that `fit` makes.

    Attributes:
        kinds: The kinds of field that the transform serves.
        is_fitted: Whether `fit` has anything to fit.
        makes_ids: Whether the results of `transform` are themselves local ids. Otherwise, a categorical field's
            results are texts to be counted or hashed.

    >>> Transform(offset=1.0, scale=2.0).transform(np.array([1.0, 5.0])).tolist()
    [0.0, 2.0]
    """

    offset: float = 0.0
    scale: float = 1.0
    boundaries: tuple[float, ...] = ()
    num_buckets: int = 20

    kinds: typing.ClassVar[tuple[str, ...]] = ("numerical",)
    is_fitted: typing.ClassVar[bool] = False
    makes_ids: typing.ClassVar[bool] = False

    @property
    def num_ids(self) -> int:
        """The number of ids, if `makes_ids`."""
        return len(self.boundaries) + 1

    def fit(self, parts: Iterable[np.ndarray], seed: int = 0) -> dict[str, typing.Any]:
        """Return the fitted arguments of the transform.

        Args:
            parts: Consecutive parts of a column: float64 arrays without NaN.
            seed: Seed for a sample, if the transform draws one.
        """
        return {}

    def fit_moments(self, moments: Moments) -> dict[str, typing.Any]:
        """Return what `fit` returns, from the `Moments` of the column, if these say enough.

        Raises:
            NotImplementedError: If `fit` needs the numbers themselves.
        """
        raise NotImplementedError(f"{type(self).__name__} is not fitted to moments.")

    def transform(self, numbers: np.ndarray) -> np.ndarray:
        """Transform numbers; return float64 of the same shape. NaN, which marks a missing cell, stays NaN.

        The results are values for a numerical field, and whole numbers that name buckets for a categorical field.
        """
        if not self.scale:  # there was nothing to fit, so every number counts as missing
            return np.full_like(numbers, np.nan, dtype=np.float64)
        return (self.curve(numbers) - self.offset) / self.scale

    def inverse_transform(self, numbers: np.ndarray) -> np.ndarray:
        """Invert `transform`, float64; a curve that cannot be inverted is kept."""
        return self.inverse_curve(np.asarray(numbers, np.float64) * self.scale + self.offset)

    def graph(self, numbers: tf.Tensor) -> tf.Tensor:
        """Compute `transform` in a TensorFlow graph."""
        if not self.scale:
            return numbers * np.float64(np.nan)
        return (self.graph_curve(numbers) - self.offset) / self.scale

    def curve(self, numbers: np.ndarray) -> np.ndarray:
        """Apply the part of a numerical transform that needs no fitting."""
        return numbers

    def inverse_curve(self, numbers: np.ndarray) -> np.ndarray:
        """Invert `curve`."""
        return numbers

    def graph_curve(self, numbers: Tensor) -> Tensor:
        """Compute `curve` in a TensorFlow graph."""
        return numbers


class LogSquared(Transform):
    """x > 2 becomes floor(ln(x)^2), as published for Criteo; other numbers stay. It cannot be inverted.

    >>> LogSquared().transform(np.array([-3.0, 2.0, 3.0, 1000.0])).tolist()
    [-3.0, 2.0, 1.0, 47.0]
    """

    def curve(self, numbers: np.ndarray) -> np.ndarray:
        return np.where(numbers > 2, np.floor(np.log(np.maximum(numbers, 2)) ** 2), numbers)

    def graph_curve(self, numbers: Tensor) -> Tensor:
        import tensorflow as tf

        return tf.where(numbers > 2, tf.floor(tf.math.log(tf.maximum(numbers, np.float64(2))) ** 2), numbers)


class Log1p(Transform):
    """The sign of x times ln(1 + |x|).

    >>> Log1p().inverse_transform(np.log(np.array([1.0, 4.0]))).tolist()
    [0.0, 3.0]
    """

    def curve(self, numbers: np.ndarray) -> np.ndarray:
        return np.sign(numbers) * np.log1p(np.abs(numbers))

    def inverse_curve(self, numbers: np.ndarray) -> np.ndarray:
        return np.sign(numbers) * np.expm1(np.abs(numbers))

    def graph_curve(self, numbers: Tensor) -> Tensor:
        import tensorflow as tf

        return tf.sign(numbers) * tf.math.log1p(tf.abs(numbers))


class Sqrt(Transform):
    """The sign of x times the square root of |x|.

    >>> Sqrt().transform(np.array([-4.0, 0.0, 100.0])).tolist()
    [-2.0, 0.0, 10.0]
    """

    def curve(self, numbers: np.ndarray) -> np.ndarray:
        return np.sign(numbers) * np.sqrt(np.abs(numbers))

    def inverse_curve(self, numbers: np.ndarray) -> np.ndarray:
        return np.sign(numbers) * numbers**2

    def graph_curve(self, numbers: Tensor) -> Tensor:
        import tensorflow as tf

        return tf.sign(numbers) * tf.sqrt(tf.abs(numbers))


class Standard(Transform):
    """Scale to mean 0 and standard deviation 1 in the rows of the fit; a constant column becomes 0.

    >>> Standard().fit([np.array([1.0, 3.0]), np.array([5.0])])["offset"]
    3.0
    """

    is_fitted = True

    def fit(self, parts: Iterable[np.ndarray], seed: int = 0) -> dict[str, typing.Any]:
        return self.fit_moments(Moments.of(parts))

    def fit_moments(self, moments: Moments) -> dict[str, typing.Any]:
        if moments.rows and moments.low != moments.high:
            return _offset_and_scale(moments.mean, np.sqrt(moments.squares / moments.rows))
        return moments.of_a_constant()


class MinMax(Transform):
    """Scale to 0 to 1 in the rows of the fit; a constant column becomes 0.

    >>> MinMax().fit([np.array([1.0, 3.0]), np.array([5.0])])
    {'offset': 1.0, 'scale': 4.0}
    """

    is_fitted = True

    def fit(self, parts: Iterable[np.ndarray], seed: int = 0) -> dict[str, typing.Any]:
        return self.fit_moments(Moments.of(parts))

    def fit_moments(self, moments: Moments) -> dict[str, typing.Any]:
        if moments.rows and moments.low != moments.high:
            return _offset_and_scale(moments.low, moments.high - moments.low)
        return moments.of_a_constant()


class Quantile(Transform):
    """Buckets with about equally many rows of the fit; the local id is the number of the bucket, from 1.

    >>> Quantile(boundaries=(0.0, 10.0)).transform(np.array([-1.0, 0.0, 10.0])).tolist()
    [1.0, 2.0, 3.0]
    """

    kinds = ("categorical",)
    is_fitted = True
    makes_ids = True

    def fit(self, parts: Iterable[np.ndarray], seed: int = 0) -> dict[str, typing.Any]:
        sample = _sample(parts, np.random.default_rng(seed))
        levels = np.arange(1, self.num_buckets) / self.num_buckets
        boundaries = np.unique(np.quantile(sample, levels, method="higher")) if len(sample) else np.array([])
        # A boundary at the lowest number would leave the bucket below it empty.
        return {"boundaries": tuple(boundaries[boundaries > sample.min(initial=np.inf)])}

    def transform(self, numbers: np.ndarray) -> np.ndarray:
        buckets = 1 + np.searchsorted(np.array(self.boundaries), numbers, side="right")
        return np.where(np.isnan(numbers), np.nan, buckets)

    def inverse_transform(self, numbers: np.ndarray) -> np.ndarray:
        return np.asarray(numbers, np.float64)

    def graph(self, numbers: Tensor) -> Tensor:
        import tensorflow as tf

        boundaries = tf.constant(self.boundaries, tf.float64)
        buckets = 1 + tf.reshape(
            tf.searchsorted(boundaries, tf.reshape(numbers, [-1]), side="right"), tf.shape(numbers)
        )
        return tf.where(tf.math.is_nan(numbers), numbers, tf.cast(buckets, tf.float64))


class LogSquaredBucket(Transform):
    """floor(ln(x)^2) for x > 2, and floor(x) - 3, which is negative, for other numbers; each result is a category.

    >>> LogSquaredBucket().transform(np.array([-1.0, 0.0, 2.0, 3.0, 1000.0])).tolist()
    [-4.0, -3.0, -1.0, 1.0, 47.0]
    """

    kinds = ("categorical",)

    def curve(self, numbers: np.ndarray) -> np.ndarray:
        return np.where(numbers > 2, LogSquared().curve(numbers), np.maximum(np.floor(numbers) - 3, LOWEST_BUCKET))

    def graph_curve(self, numbers: Tensor) -> Tensor:
        import tensorflow as tf

        low = tf.maximum(tf.floor(numbers) - 3, LOWEST_BUCKET)
        return tf.where(numbers > 2, LogSquared().graph_curve(numbers), low)


# By their names in schema files. Without a transform, a numerical field takes unchanged numbers; others take text.
TRANSFORMS: dict[str | None, type[Transform]] = {
    None: Transform,
    "log_squared": LogSquared,
    "log1p": Log1p,
    "sqrt": Sqrt,
    "min_max": MinMax,
    "standard": Standard,
    "quantile": Quantile,
    "log_squared_bucket": LogSquaredBucket,
}


def transforms_of(kind: str) -> tuple[str | None, ...]:
    """Return the transforms that a kind of field may have; None is an unchanged number, or text.

    >>> transforms_of("categorical")
    (None, 'quantile', 'log_squared_bucket')
    """
    return (None, *(name for name, transform in TRANSFORMS.items() if name is not None and kind in transform.kinds))


@dataclasses.dataclass
class Moments:
    """Mean, squared deviations and range of a column that arrives in parts."""

    rows: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    @classmethod
    def of(cls, parts: Iterable[np.ndarray]) -> Moments:
        """Return the moments over all parts."""
        moments = cls()
        for part in parts:
            if len(part):
                moments.add(part)
        return moments

    @classmethod
    def of_part(cls, part: np.ndarray) -> Moments:
        """Return the moments of one part."""
        return cls(len(part), part.mean(), part.var() * len(part), part.min(), part.max()) if len(part) else cls()

    def add(self, part: np.ndarray) -> None:
        """Add the rows of a part: Chan, Golub, LeVeque, 1979, equation 2.1."""
        self.merge(Moments.of_part(part))

    def merge(self, other: Moments) -> None:
        """Add the rows of a part of which only the moments are known."""
        difference, rows = other.mean - self.mean, self.rows + other.rows
        if other.rows:
            self.squares += other.squares + difference**2 * self.rows * other.rows / rows
            self.mean += difference * other.rows / rows
            self.rows, self.low, self.high = rows, min(self.low, other.low), max(self.high, other.high)

    def of_a_constant(self) -> dict[str, float]:
        """Return offset and scale of a column of equal numbers: their mean and deviation would be rounded to 1e-17."""
        return _offset_and_scale(self.low, 1.0) if self.rows else {"offset": 0.0, "scale": 0.0}


def _offset_and_scale(offset: float, scale: float) -> dict[str, float]:
    return {"offset": float(offset), "scale": float(scale) or 1.0}


def _sample(parts: Iterable[np.ndarray], random: np.random.Generator) -> np.ndarray:
    """Return at most `SAMPLE_ROWS` numbers: those with the smallest random keys."""
    sample, keys = np.empty(0), np.empty(0)
    for part in parts:
        sample, keys = np.append(sample, part), np.append(keys, random.random(len(part)))
        if len(sample) > SAMPLE_ROWS:
            kept = np.argpartition(keys, SAMPLE_ROWS)[:SAMPLE_ROWS]
            sample, keys = sample[kept], keys[kept]
    return sample
