"""What a model is trained for: its losses, its metrics, and the metric that training watches.

Importing this module loads neither Keras nor TensorFlow.
"""

from __future__ import annotations

import dataclasses

from ctrzoo.suggest import unknown


@dataclasses.dataclass(frozen=True)
class Task:
    """What a model is trained for.

    Attributes:
        title: What it predicts, in words.
        label_kinds: The kinds of labels that it takes, see `ctrzoo.data_pipelines.encoding.labels.Label`.
        losses: Its losses by name, the default first; see `ctrzoo.losses`.
        metrics: The metrics reported after each epoch; see `ctrzoo.metrics`.
        final_metrics: More metrics reported of the weights of the best epoch.
        monitor: The metric by which training chooses the best epoch and stops, unless another is given.
        metrics_of_groups: More metrics reported after each epoch if rows have groups.
        by_group: Whether its losses compare the rows of a group.
    """

    title: str
    label_kinds: tuple[str, ...]
    losses: tuple[str, ...]
    metrics: tuple[str, ...]
    final_metrics: tuple[str, ...]
    monitor: str
    metrics_of_groups: tuple[str, ...] = ()
    by_group: bool = False


TASKS: dict[str, Task] = {
    "classification": Task(
        "the probability of a click",
        ("binary",),
        ("log_loss",),
        ("auc", "log_loss", "calibration"),
        ("normalized_entropy", "pr_auc", "calibration_error"),
        "log_loss",
        ("grouped_auc",),
    ),
    "regression": Task(
        "a number",
        ("real", "graded", "binary"),
        ("mean_squared_error", "mean_absolute_error", "poisson"),
        ("rmse", "mae"),
        (),
        "rmse",
    ),
    "ranking": Task(
        "a score that orders the rows of a group",
        ("graded", "binary"),
        ("pairwise_logistic", "bpr", "softmax"),
        ("ndcg@10", "mrr", "hit_rate@10", "grouped_auc", "mean_rank"),
        (),
        "ndcg@10",
        by_group=True,
    ),
}
# The task of data whose user names none, by the kind of their labels.
DEFAULT_TASKS = {"binary": "classification", "real": "regression", "graded": "ranking"}
# Losses of models whose logit is the logarithm of the prediction.
LOG_LINK_LOSSES = ("poisson",)


def task_of(name: str) -> Task:
    """Return a task by name.

    Raises:
        ValueError: If it is unknown.

    >>> task_of("regression").monitor
    'rmse'
    """
    if name not in TASKS:
        raise ValueError(f"The task must be one of {', '.join(TASKS)}. Received: {name!r}.")
    return TASKS[name]


def loss_name(task: str, loss: str | None = None) -> str:
    """Return the name of a task's loss, the default one for None.

    Raises:
        ValueError: If the task is unknown, or the loss is not one of its own.

    >>> loss_name("ranking"), loss_name("ranking", "bpr")
    ('pairwise_logistic', 'bpr')
    """
    losses = task_of(task).losses
    if loss is not None and loss not in losses:
        raise ValueError(f"Task '{task}': {unknown('loss', loss, losses)}")
    return loss or losses[0]
