"""What shuffling is measured by, and the words for it: AUC of clicks, the error of numbers, the order within groups."""

from __future__ import annotations

import re

import numpy as np

from ctrzoo.metrics import Scored, metric_of
from ctrzoo.model import CTRModel, output_name
from ctrzoo.tasks import LOG_LINK_LOSSES, task_of


def default_metric(task: str, monitor: str | None = None) -> str:
    """Return the metric whose change by shuffling is measured, unless another is chosen.

    It is the AUC for classification and what training watches for the other tasks. The RMSE is replaced by its square:
    the effects of fields that add up also add up in the mean squared error, so that it tells them from interactions.

    Args:
        task: A task, see `ctrzoo.tasks`.
        monitor: What training watches; None for the metric that the task watches by default.

    >>> default_metric("classification"), default_metric("regression"), default_metric("ranking", "grouped_auc")
    ('auc', 'mse', 'grouped_auc')
    """
    metric = "auc" if task == "classification" else monitor or task_of(task).monitor
    return "mse" if metric == "rmse" else metric


def measured(model: CTRModel, logits: np.ndarray, rows: Scored, metric: str) -> float:
    """Return a metric of logits.

    Args:
        model: The model, whose link function turns logits into predictions.
        logits: A logit for each row, float64 `(rows,)`.
        rows: Labels, weights and groups; the scores are not read.
        metric: Name of the metric. Metrics of the order alone take the logits, which have fewer ties than
            probabilities.
    """
    found = metric_of(metric)
    scores = logits
    if not (found.needs_groups or metric in ("auc", "pr_auc")):
        scores = np.ravel(np.asarray(model.get_layer(output_name(model.task))(logits.astype(np.float32))))
    return found.function(Scored(rows.labels, scores, rows.weights, rows.groups))


def lost(metric: str, before: float, after: float) -> float:
    """Return how much worse a metric has become.

    >>> lost("auc", 0.75, 0.5), lost("mse", 1.0, 3.0)
    (0.25, 2.0)
    """
    return before - after if metric_of(metric).higher_is_better else after - before


def lost_in_words(metric: str) -> str:
    """Return what `lost` is called.

    >>> lost_in_words("auc"), lost_in_words("mse")
    ('AUC lost', 'rise in MSE')
    """
    title = metric_of(metric).title
    return f"{title} lost" if metric_of(metric).higher_is_better else f"rise in {title}"


def lost_key(metric: str) -> str:
    """Return the column of tables for what `lost` returns.

    >>> lost_key("auc"), lost_key("mse")
    ('auc_lost', 'mse_rise')
    """
    return f"{metric}_lost" if metric_of(metric).higher_is_better else f"{metric}_rise"


def logit_in_words(model: CTRModel) -> str:
    """Return what the contributions of fields and pairs add up to.

    That is the prediction of numbers, in the unit of the label, its logarithm for losses such as Poisson's, and the
    score of rankings.
    """
    if model.task == "regression":
        return "log prediction" if model.loss_name in LOG_LINK_LOSSES else "prediction"
    return "score" if model.task == "ranking" else "logit"


def with_words_of(model: CTRModel, text: str) -> str:
    """Return a text about the logit in the words of the model's task."""
    return re.sub(r"\blogit\b", logit_in_words(model), text)
