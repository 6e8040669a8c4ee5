"""Exact metrics of a model over whole splits, on all devices of its strategy."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ctrzoo.metrics import Scored, evaluate_scores
from ctrzoo.model import CTRModel
from ctrzoo.tasks import task_of
from ctrzoo.training.steps import step_of
from ctrzoo.validation import check_ids


class Evaluator:
    """Exact metrics of a model over whole splits; compiled once and used after every epoch.

    Args:
        model: A model with one output, `(batch, 1)`.
        cpu_replicas: Number of parts of a batch that a CPU computes in parallel.
    """

    def __init__(self, model: CTRModel, cpu_replicas: int = 1) -> None:
        self._schema, self._step = model.schema, step_of(model, cpu_replicas=cpu_replicas)
        self._metrics = task_of(model.task).metrics

    def predict(self, dataset: Iterable[Any]) -> Scored:
        """Return labels, scores, weights and groups of all rows of a dataset of batches.

        Args:
            dataset: Batches of features, labels, and, if there are any, weights and a dictionary of columns; groups are
                its column `group`.

        Raises:
            ValueError: If the dataset is empty, or an id is outside the table.
        """
        parts: dict[str, list[np.ndarray]] = {"labels": [], "scores": [], "weights": [], "groups": []}
        for features, labels, *others in dataset:
            check_ids(features, self._schema)
            parts["labels"].append(np.reshape(np.asarray(labels), (len(labels), -1))[:, 0])
            parts["scores"].append(np.ravel(self._step.predict(features)))
            parts["weights"] += [np.ravel(weights) for weights in others[:1]]
            parts["groups"] += [np.ravel(columns["group"]) for columns in others[1:] if "group" in columns]
        if not parts["labels"]:
            raise ValueError("The data set has no rows to evaluate.")
        return Scored(**{name: np.concatenate(arrays) for name, arrays in parts.items() if arrays})

    def evaluate(self, dataset: Iterable[Any], metrics: Iterable[str] | None = None) -> dict[str, float]:
        """Compute metrics, by name, over all rows of a dataset of batches.

        Args:
            dataset: As in `predict`.
            metrics: Names of metrics; by default those of the model's task.
        """
        return evaluate_scores(self.predict(dataset), self._metrics if metrics is None else metrics)
