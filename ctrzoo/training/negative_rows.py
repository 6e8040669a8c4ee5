"""Training on a share of the negative rows: what the model must know, and metrics of all rows."""

from __future__ import annotations

import warnings
from typing import Any

import tensorflow as tf

from ctrzoo.model import CTRModel


def negative_rate(data: Any) -> float:
    """Return the share of the negative training rows that data have; user-defined data may lack the attribute."""
    return getattr(data, "negative_rate", 1.0)


def weighted_as_all_rows(batches: tf.data.Dataset, data: Any) -> tf.data.Dataset:
    """Return batches of training rows in which a negative row weighs as much as all rows that it stands for.

    Metrics of such batches can be compared with those of validation rows.

    Args:
        batches: Batches of features, labels, and, if there are any, weights and a dictionary of columns.
        data: The data that they are from.
    """
    rate = negative_rate(data)
    if rate == 1:
        return batches

    def weighted(features, labels, *others):
        weights, *columns = others or (tf.ones_like(labels[:, 0]),)
        stands_for = tf.where(labels[:, 0] > 0, 1.0, 1.0 / rate)
        return features, labels, weights * tf.reshape(stands_for, tf.shape(weights)), *columns

    return batches.map(weighted)


def check_negative_rate(model: CTRModel, data: Any) -> None:
    """Check that predictions are those of all rows, not of the share of the negative rows that data have.

    A probability that is not corrected for that share raises a warning.

    Raises:
        ValueError: If the task is regression, whose predictions cannot be corrected.
    """
    rate = negative_rate(data)
    if rate < 1 and model.task == "regression":
        raise ValueError(
            f"The data have only the share {rate:g} of the negative training rows, so the predictions of the task "
            "'regression' would be too high. Prepare the table without `negatives`, or choose another task."
        )
    if model.task == "classification" and model.negative_rate != rate:
        warnings.warn(
            f"The data have the share {rate:g} of the negative training rows, but the model corrects its probabilities "
            f"for the share {model.negative_rate:g}. Build it with negative_rate={rate:g}.",
            stacklevel=5,
        )
