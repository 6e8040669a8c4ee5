"""The options of a training run, each defined once: default, help text and allowed values.

`ctrzoo-train` takes its options from here. Importing this module loads neither Keras nor TensorFlow.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ctrzoo.metrics import metric_of
from ctrzoo.optimizers import registry
from ctrzoo.training.schedules import SCHEDULES

if TYPE_CHECKING:
    from ctrzoo.optimizers.registry import LearningRate

LEARNING_RATE_SCALING = ("none", "sqrt", "linear")


def is_monitored(name: str) -> bool:
    """Return whether training can look for better values of a metric.

    >>> is_monitored("log_loss"), is_monitored("calibration"), is_monitored("auk")
    (True, False, False)
    """
    try:
        return metric_of(name).higher_is_better is not None
    except ValueError:
        return False


def option(
    default: Any,  # of any type, as for a dataclass field
    help: str,
    kind: type | None = None,
    *,
    wanted: str = "",
    allow: Callable[[Any], bool] | None = None,
    choices: Sequence[str] = (),
) -> Any:
    """Return a dataclass field with a help text and allowed values.

    Args:
        default: The default.
        help: What the option means, in a sentence.
        kind: Type of its values; by default the type of `default`. `float` also allows whole numbers.
        wanted: The allowed values, in words that follow "must be".
        allow: Returns whether a value of this type is allowed.
        choices: The only allowed values.
    """
    if choices:
        wanted, allow = f"one of {', '.join(choices)}", lambda value: value in choices
    metadata = {
        "help": help,
        "kind": kind or type(default),
        "wanted": wanted,
        "allow": allow,
        "choices": tuple(choices),
    }
    return dataclasses.field(default=default, metadata=metadata)


def whole(default: int, help: str) -> Any:
    """Return an option whose value is a whole number of at least 1.

    Args:
        default: The default.
        help: What the option means, in a sentence.
    """
    return option(default, help, wanted="a whole number of at least 1", allow=lambda number: number >= 1)


def check_fields(options: Any, what: str) -> None:
    """Raise an error if an option of a dataclass has the wrong type or a value that is not allowed.

    Args:
        options: An instance of a dataclass with `option` fields; other fields are not checked.
        what: What error messages call a field, such as `"option"`.

    Raises:
        ValueError: For the first wrong field.
    """
    for field in dataclasses.fields(options):
        value, allow = getattr(options, field.name), field.metadata.get("allow")
        if "kind" not in field.metadata or (value is None and field.default is None):
            continue
        kind = field.metadata["kind"]
        kinds = (int, float) if kind is float else (kind,)
        fits = isinstance(value, kinds) and (kind is bool or not isinstance(value, bool))
        if not fits or (allow is not None and not allow(value)):
            wanted = field.metadata["wanted"] or ("True or False" if kind is bool else f"of type {kind.__name__}")
            raise ValueError(f"The {what} '{field.name}' must be {wanted}. Received: {value!r}.")


def shared(name: str) -> Any:
    """Return a field for another dataclass, with the default, help text and check of a `TrainingOptions` field.

    Args:
        name: Name of the field.
    """
    field = TrainingOptions.__dataclass_fields__[name]
    return dataclasses.field(default=field.default, metadata=field.metadata)


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """The options of `ctrzoo.training.train`; each field's help text explains it.

    If `learning_rate` is a `keras.optimizers.schedules.LearningRateSchedule`, it gives the rate of each step. In that
    case, leave `learning_rate_schedule` and `plateau_factor` at their defaults.

    Raises:
        ValueError: If an option has the wrong type or a value that is not allowed, or if the learning rate would
            change with an optimizer that needs a constant one.

    >>> TrainingOptions(epochs=5, optimizer="adam").learning_rate
    0.001
    >>> TrainingOptions(epochs=0)
    Traceback (most recent call last):
        ...
    ValueError: The option 'epochs' must be a whole number of at least 1. Received: 0.
    """

    epochs: int = whole(50, "Maximum number of passes over the training rows.")
    batch_size: int = whole(1024, "Rows per step, on all devices together.")
    learning_rate: LearningRate = option(
        1e-3,
        "Learning rate of the first epoch.",
        wanted="a number above 0",
        allow=lambda number: 0 < number < math.inf,
    )
    learning_rate_schedule: str = option(
        "constant",
        "constant, or cosine: the learning rate falls after each epoch along half a cosine, and would be zero after "
        "`epochs`.",
        choices=tuple(SCHEDULES),
    )
    plateau_factor: float = option(
        1.0,
        "Multiplies the learning rate after each epoch that does not improve the monitored metric; 1 keeps it.",
        wanted="above 0 and at most 1",
        allow=lambda factor: 0 < factor <= 1,
    )
    optimizer: str = option(registry.DEFAULT_OPTIMIZER, f"The optimizer. {registry.describe()}.")
    patience: int = whole(3, "Epochs without an improvement of the monitored metric before training stops.")
    monitor: str | None = option(
        None,
        "The validation metric by which the best epoch is chosen, such as auc or ndcg@10. By default the task's: log "
        "loss, RMSE or NDCG@10.",
        str,
        wanted="the name of a metric with a better direction, such as auc or ndcg@10",
        allow=is_monitored,
    )
    positive_weight: float = option(
        1.0,
        "Weight in the training loss of rows with a label above 0, compared with other rows. Above 1, predicted "
        "probabilities are too high.",
        wanted="a number above 0",
        allow=lambda number: 0 < number < math.inf,
    )
    seed: int = option(
        2018,
        "Seed for weights, dropout and the order of rows.",
        wanted="a whole number from 0 to 4,294,967,295",
        allow=lambda number: 0 <= number < 2**32,
    )
    jit_compile: bool = option(False, "Whether XLA compiles the training step.")
    cpu_replicas: int = whole(
        1,
        "Number of parts of a batch that a CPU computes in parallel. It helps models with many small operations, and "
        "has no effect on GPUs, on several devices or with JAX.",
    )
    data_parts: int | None = option(
        None,
        "Number of parts into which the prepared data are divided; one host reads each part. The rows of a batch "
        "depend on it, so a run resumes only with the same number. By default the number of hosts.",
        int,
        wanted="a whole number of at least 1, or None",
        allow=lambda number: number >= 1,
    )
    checkpoint_steps: int | None = option(
        None,
        "Steps between checkpoints within an epoch, in addition to `checkpoint_minutes`. By default, only the minutes "
        "count.",
        int,
        wanted="a whole number of at least 1, or None",
        allow=lambda number: number >= 1,
    )
    checkpoint_minutes: float = option(
        10.0,
        "Minutes between checkpoints within an epoch. Another one is written after each epoch.",
        wanted="a number of at least 0",
        allow=lambda number: number >= 0,
    )
    keep_checkpoints: int = whole(2, "Number of checkpoints to keep.")

    def __post_init__(self) -> None:
        by_step = callable(self.learning_rate)
        check_fields(dataclasses.replace(self, learning_rate=1e-3) if by_step else self, "option")
        entry = registry.entry_of(self.optimizer)
        changes = self.learning_rate_schedule != "constant" or self.plateau_factor != 1
        if entry.constant_rate and (changes or by_step):
            raise ValueError(
                f"{entry.constant_rate} Set learning_rate to a number, learning_rate_schedule=constant and "
                "plateau_factor=1."
            )
        if by_step and changes:
            raise ValueError(
                "A schedule as `learning_rate` sets the rate of every step. Set learning_rate_schedule=constant and "
                "plateau_factor=1, or pass a number as `learning_rate`."
            )
