"""Leave out most negative training rows, chosen at random."""

from __future__ import annotations

import dataclasses

import numpy as np

# Tells these random numbers from those of splits and shards with the same seed.
STREAM = 104_729


@dataclasses.dataclass(frozen=True)
class Negatives:
    """The share of the negative training rows to keep. All positive rows and all rows of other splits stay.

    Which rows stay depends only on the seed and a row's place: its chunk, and its position there.

    Args:
        share: The share to keep, above 0 and at most 1.
        seed: Seed for the choice.

    Raises:
        ValueError: If the share is not in its range.

    >>> labels, splits = np.array([1, 0] * 1000), np.zeros(2000, np.uint8)
    >>> kept = Negatives(0.1, seed=1).kept(0, labels, splits)
    >>> bool(kept[::2].all()), bool(0.05 < kept[1::2].mean() < 0.15)
    (True, True)
    """

    share: float = 1.0
    seed: int = 0

    def __post_init__(self):
        share = self.share
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
            raise ValueError(
                "`negatives` must be the share of the negative training rows to keep, above 0 and at most 1. "
                f"Received: {share!r}."
            )

    def kept(self, chunk: int, labels: np.ndarray, splits: np.ndarray) -> np.ndarray:
        """Return which rows of a chunk stay, bool `(rows,)`.

        Args:
            chunk: The number of the chunk.
            labels: 0 or 1 for each row.
            splits: Each row's index in `SPLITS`.
        """
        draws = np.random.default_rng((self.seed, STREAM, chunk)).random(len(labels))
        return (draws < self.share) | (labels > 0) | (splits != 0)
