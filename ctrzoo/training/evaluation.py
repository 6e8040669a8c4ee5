"""Exact metrics of a model over whole splits, on all devices of its strategy."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ctrzoo.metrics import evaluate_scores
from ctrzoo.model import CTRModel
from ctrzoo.training.strategy import ReplicatedStep
from ctrzoo.validation import check_ids


class Evaluator:
    """Exact metrics of a model over whole splits; compiled once and used after every epoch.

    Args:
        model: A model that outputs probabilities `(batch, 1)`.
        cpu_replicas: Number of parts of a batch that a CPU computes in parallel.
    """

    def __init__(self, model: CTRModel, cpu_replicas: int = 1) -> None:
        self._schema, self._step = model.schema, ReplicatedStep(model, cpu_replicas=cpu_replicas)

    def predict(self, dataset: Iterable[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Return labels and probabilities for all rows of a dataset of batches, as two arrays `(rows,)`.

        Raises:
            ValueError: If the dataset is empty, or an id is outside the table.
        """
        labels, probabilities = [], []
        for features, batch_labels in dataset:
            check_ids(features, self._schema)
            probabilities.append(np.ravel(self._step.predict(features)))
            labels.append(np.ravel(batch_labels))
        if not labels:
            raise ValueError("The data set has no rows to evaluate.")
        return np.concatenate(labels), np.concatenate(probabilities)

    def evaluate(self, dataset: Iterable[Any]) -> dict[str, float]:
        """Compute all `METRICS`, by name, over all rows of a dataset of batches."""
        return evaluate_scores(*self.predict(dataset))
