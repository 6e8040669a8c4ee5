"""Tasks agree with the losses, the metrics and the labels that exist."""

import pytest

from ctrzoo.data_pipelines.encoding.labels import KINDS
from ctrzoo.losses import loss_of
from ctrzoo.metrics import metric_of
from ctrzoo.tasks import DEFAULT_TASKS, TASKS, loss_name, task_of


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_all_that_a_task_names_exists(task):
    assert all(loss_of(name).name for name in task.losses)
    assert task.monitor in task.metrics and metric_of(task.monitor).higher_is_better is not None
    assert all(metric_of(name).title for name in (*task.metrics, *task.final_metrics))
    assert set(task.label_kinds) <= set(KINDS)
    assert task.by_group == any(metric_of(name).needs_groups for name in task.metrics)


def test_every_kind_of_label_has_a_task_that_takes_it():
    assert set(DEFAULT_TASKS) == set(KINDS)
    assert all(kind in task_of(name).label_kinds for kind, name in DEFAULT_TASKS.items())


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="The task must be one of"):
        task_of("clasification")
    with pytest.raises(ValueError, match="Task 'ranking': .*'mse'"):
        loss_name("ranking", "mse")
