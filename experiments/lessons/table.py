"""Trains a model on a table of clicks."""

from __future__ import annotations

import keras
import numpy as np

from ctrzoo.model import CTRModel
from ctrzoo.types import Features


def train_on_table(
    model: CTRModel, features: Features, clicks: np.ndarray, no_clicks: np.ndarray, steps: int
) -> np.ndarray:
    """Train a model on counts of clicks and return the click rate that it has learned for each row, `(rows,)`.

    Each row of features stands for many impressions: once for those with a click, once for those without, with their
    number as its weight. All of them are one batch.

    Args:
        model: A model for classification.
        features: `{"ids": (rows, num_slots), "values": (rows, num_slots)}`.
        clicks: Impressions with a click, `(rows,)`.
        no_clicks: Impressions without one, `(rows,)`.
        steps: Number of steps of Adam.
    """
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy")
    both = {name: np.tile(array, (2, 1)) for name, array in features.items()}
    labels = np.repeat([1.0, 0.0], len(clicks)).astype("float32")
    weights = np.concatenate([clicks, no_clicks]).astype("float32")
    weights *= len(weights) / weights.sum()  # so that a penalty counts as it does for single rows
    for _ in range(steps):
        model.train_on_batch(both, labels, sample_weight=weights)
    return keras.ops.convert_to_numpy(model(features)).ravel()
