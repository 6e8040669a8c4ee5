"""Encoded rows in memory, as the trainer reads them."""

from __future__ import annotations

import typing

import numpy as np

if typing.TYPE_CHECKING:
    import tensorflow as tf

    from ctrzoo.schema import Schema


class Rows(typing.NamedTuple):
    """Some encoded rows.

    Args:
        features: `{"ids": (rows, slots), "values": (rows, slots)}`.
        labels: float32 `(rows,)`.
        weights: float32 `(rows,)`, or None.
    """

    features: dict[str, np.ndarray]
    labels: np.ndarray
    weights: np.ndarray | None


class RowsInMemory:
    """The data of one fit, of the form that `ctrzoo.training.train` takes.

    Args:
        schema: The `Schema` of the encoded rows.
        train: The training rows.
        valid: The rows by which the best epoch is chosen.
        label_kind: `"binary"` or `"real"`.
    """

    def __init__(self, schema: Schema, train: Rows, valid: Rows, label_kind: str) -> None:
        self.schema, self.label_kind = schema, label_kind
        # The trainer reports the metrics of a test split too; there is none here.
        self._rows = {"train": train, "valid": valid, "test": valid}
        self.num_rows = {split: len(rows.labels) for split, rows in self._rows.items()}

    def dataset(
        self,
        split: str,
        batch_size: int,
        shuffle: bool | None = None,
        seed: int = 0,
        start_epoch: int = 0,
        skip_batches: int = 0,
    ) -> tf.data.Dataset:
        """Return batches of one pass, `(features, labels)` or `(features, labels, weights)`.

        The order of a shuffled pass is `np.random.default_rng((seed, start_epoch)).permutation(rows)`.

        Args:
            split: `"train"`, `"valid"` or `"test"`.
            batch_size: Rows per batch.
            shuffle: Whether to shuffle; by default only the training rows.
            seed: The seed of the order.
            start_epoch: The number of the pass, from 0.
            skip_batches: Batches to leave out at the beginning.
        """
        import tensorflow as tf

        features, labels, weights = self._rows[split]
        order = np.arange(len(labels))
        if split == "train" if shuffle is None else shuffle:
            order = np.random.default_rng((seed, start_epoch)).permutation(order)
        columns = (features, labels[:, None]) if weights is None else (features, labels[:, None], weights)
        with tf.device("CPU:0"):
            columns = tf.nest.map_structure(tf.constant, columns)
        batches = tf.data.Dataset.from_tensor_slices(order).batch(batch_size).skip(skip_batches)
        return batches.map(lambda chosen: tf.nest.map_structure(lambda column: tf.gather(column, chosen), columns))
