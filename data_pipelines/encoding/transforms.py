"""What becomes of a number before a model sees it: one object per transform.

A transform says which kinds of field it serves, what it fits, and how it works in NumPy, backwards, and in a TensorFlow
graph. Preparation, `TableEncoding`, `FrameEncoder` and `ServingEncoder` all ask the same object. To add a transform,
write a class and name it in `TRANSFORMS`.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable

import numpy as np

if typing.TYPE_CHECKING:
    import tensorflow as tf

    from ctrzoo.types import Tensor

# Boundaries of quantile buckets come from at most this many randomly drawn rows.
SAMPLE_ROWS = 262_144
# Buckets are written as whole numbers of 64 bits.
LOWEST_BUCKET = np.float64(-(2**62))


@dataclasses.dataclass(frozen=True)
class Transform:
    """Numbers as they are, minus an offset and divided by a scale; the other transforms extend it.

    An object holds its fitted state, which `encoding.json` stores under the same names.

    Args:
        offset: Subtracted after the curve of the transform.
        scale: Divides the difference.
        boundaries: Where the next bucket begins, rising.
        num_buckets: The most buckets that `fit` makes.

    Attributes:
        kinds: The kinds of field that the transform serves.
        is_fitted: Whether `fit` finds anything.
        makes_ids: Whether the results of `transform` are local ids themselves. Otherwise the results of a
            categorical field are texts to be counted or hashed.

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
            parts: Parts of a column, one after the other: float64 arrays without NaN.
            seed: Seed of a sample, if the transform draws one.
        """
        return {}

    def transform(self, numbers: np.ndarray) -> np.ndarray:
        """Return what becomes of numbers, float64 of the same shape; NaN, a missing cell, stays.

        A numerical field gets its values, a categorical one whole numbers that name buckets.
        """
        return (self.curve(numbers) - self.offset) / self.scale

    def inverse_transform(self, numbers: np.ndarray) -> np.ndarray:
        """Return the numbers before `transform`, float64; a curve that cannot be undone stays."""
        return self.inverse_curve(np.asarray(numbers, np.float64) * self.scale + self.offset)

    def graph(self, numbers: tf.Tensor) -> tf.Tensor:
        """Do what `transform` does in a TensorFlow graph."""
        return (self.graph_curve(numbers) - self.offset) / self.scale

    def curve(self, numbers: np.ndarray) -> np.ndarray:
        """Return the part of a numerical transform that fits nothing."""
        return numbers

    def inverse_curve(self, numbers: np.ndarray) -> np.ndarray:
        """Undo `curve`."""
        return numbers

    def graph_curve(self, numbers: Tensor) -> Tensor:
        """Do what `curve` does in a TensorFlow graph."""
        return numbers


class LogSquared(Transform):
    """x > 2 becomes floor(ln(x)^2), as published for Criteo, and other numbers stay; cannot be undone.

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
    """Mean 0 and standard deviation 1 in the rows of the fit; a constant column becomes 0.

    >>> Standard().fit([np.array([1.0, 3.0]), np.array([5.0])])["offset"]
    3.0
    """

    is_fitted = True

    def fit(self, parts: Iterable[np.ndarray], seed: int = 0) -> dict[str, typing.Any]:
        moments = _Moments.of(parts)
        if moments.rows and moments.low != moments.high:
            return _offset_and_scale(moments.mean, np.sqrt(moments.squares / moments.rows))
        return moments.of_a_constant()


class MinMax(Transform):
    """0 to 1 in the rows of the fit; a constant column becomes 0.

    >>> MinMax().fit([np.array([1.0, 3.0]), np.array([5.0])])
    {'offset': 1.0, 'scale': 4.0}
    """

    is_fitted = True

    def fit(self, parts: Iterable[np.ndarray], seed: int = 0) -> dict[str, typing.Any]:
        moments = _Moments.of(parts)
        if moments.rows and moments.low != moments.high:
            return _offset_and_scale(moments.low, moments.high - moments.low)
        return moments.of_a_constant()


class Quantile(Transform):
    """Buckets that hold about equally many of the rows of the fit; the local id is the number of the bucket, from 1.

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


# By the name that a schema file gives. Without a name, a numerical field takes numbers as they are, others take text.
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
    """Return the transforms that a kind of field may have; None is a number as it is, or text.

    >>> transforms_of("categorical")
    (None, 'quantile', 'log_squared_bucket')
    """
    return (None, *(name for name, transform in TRANSFORMS.items() if name is not None and kind in transform.kinds))


@dataclasses.dataclass
class _Moments:
    """Mean, squared deviations and range of a column that comes in parts."""

    rows: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    @classmethod
    def of(cls, parts: Iterable[np.ndarray]) -> _Moments:
        """Return the moments of all parts together."""
        moments = cls()
        for part in parts:
            if len(part):
                moments.add(part)
        return moments

    def add(self, part: np.ndarray) -> None:
        """Add the rows of a part: Chan, Golub, LeVeque, 1979, equation 2.1."""
        difference, rows = part.mean() - self.mean, self.rows + len(part)
        self.squares += part.var() * len(part) + difference**2 * self.rows * len(part) / rows
        self.mean += difference * len(part) / rows
        self.rows, self.low, self.high = rows, min(self.low, part.min()), max(self.high, part.max())

    def of_a_constant(self) -> dict[str, float]:
        """Return offset and scale of a column of equal numbers: their mean and deviation would be rounded to 1e-17."""
        return _offset_and_scale(self.low if self.rows else 0.0, 1.0)


def _offset_and_scale(offset: float, scale: float) -> dict[str, float]:
    return {"offset": float(offset), "scale": float(scale) or 1.0}


def _sample(parts: Iterable[np.ndarray], random: np.random.Generator) -> np.ndarray:
    """Return at most `SAMPLE_ROWS` numbers: those of the smallest random keys."""
    sample, keys = np.empty(0), np.empty(0)
    for part in parts:
        sample, keys = np.append(sample, part), np.append(keys, random.random(len(part)))
        if len(sample) > SAMPLE_ROWS:
            kept = np.argpartition(keys, SAMPLE_ROWS)[:SAMPLE_ROWS]
            sample, keys = sample[kept], keys[kept]
    return sample
