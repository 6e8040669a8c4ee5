"""Exact metrics of a model over whole splits, on all devices of its strategy."""

import ctrzoo.startup  # noqa: F401  (before Keras)

import numpy as np

from ctrzoo.metrics import evaluate_scores
from ctrzoo.training.strategy import ReplicatedStep
from ctrzoo.validation import check_ids


class Evaluator:
    """Exact metrics of a model over whole splits; compiled once, used after every epoch.

    Args:
        model: A model with probabilities `(batch, 1)` as output.
        cpu_replicas: Parts of a batch that a CPU computes side by side.
    """

    def __init__(self, model, cpu_replicas=1):
        self._schema, self._step = model.schema, ReplicatedStep(model, cpu_replicas=cpu_replicas)

    def predict(self, dataset):
        """Return labels and probabilities of all rows of a `tf.data.Dataset` of batches, two arrays `(rows,)`.

        Raises:
            ValueError: If there is no row, or an id is outside the table.
        """
        labels, probabilities = [], []
        for features, batch_labels in dataset:
            check_ids(features, self._schema)
            probabilities.append(np.ravel(self._step.predict(features)))
            labels.append(np.ravel(batch_labels))
        if not labels:
            raise ValueError("The data set has no rows to evaluate.")
        return np.concatenate(labels), np.concatenate(probabilities)

    def evaluate(self, dataset):
        """Return `{"auc", "log_loss", "calibration"}` over all rows of a `tf.data.Dataset` of batches."""
        return evaluate_scores(*self.predict(dataset))
