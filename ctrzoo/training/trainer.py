"""Train a model, monitor it, keep its best weights, save when interrupted, and resume."""

import contextlib
import dataclasses
import functools
import math
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console

from ctrzoo import optimizers
from ctrzoo.distribution import is_on_several_hosts, restore, stored
from ctrzoo.explanation.explainer import MeanExplanations, kinds_of, matrices_of
from ctrzoo.files import replaced, seal_zip
from ctrzoo.metrics import metric_of
from ctrzoo.model import CTRModel
from ctrzoo.schema import Schema
from ctrzoo.stores import local_path
from ctrzoo.tasks import TASKS, Task, task_of
from ctrzoo.training.divergence import check_loss, diverged
from ctrzoo.training.evaluation import Evaluator
from ctrzoo.training.exchange import Reading
from ctrzoo.training.hosts import Hosts, hosts_of
from ctrzoo.training.interruption import DelayedSignals, Interrupted
from ctrzoo.training.logging import RunLogs
from ctrzoo.training.negative_rows import check_negative_rate, weighted_as_all_rows
from ctrzoo.training.options import TrainingOptions
from ctrzoo.training.progress import TrainingProgress
from ctrzoo.training.run_state import RunState, RunStore, describe_run, random_states
from ctrzoo.training.schedules import relative_rate
from ctrzoo.training.steps import Step, num_replicas_of, step_of
from ctrzoo.training.strategy import is_chief, strategy_of
from ctrzoo.types import Path
from ctrzoo.validation import check_ids, check_schema

EVALUATION_BATCH = 8192
MODEL_FILE = "model.keras"
# Losses are fetched and checked after this many steps or seconds: fetching each one would keep a GPU waiting.
CHECKED_STEPS = 20
CHECKED_SECONDS = 1
LOGGED_STEPS = 100


@dataclasses.dataclass(frozen=True)
class Start:
    """How a training run starts, other than from the model as it is built.

    Args:
        name: What tells this start from others, such as a checksum: a run is not resumed with another one.
        apply: Changes the compiled model, whose optimizer is built.
    """

    name: str
    apply: Callable[[CTRModel], object]


def set_seed(seed: int, jit_compile: bool = False) -> None:
    """Fix everything that a seed can fix: initial weights, dropout, order of rows, order of summation.

    Args:
        seed: The seed.
        jit_compile: Whether XLA will compile the training step. If so, the order of summation on a GPU is not fixed:
            with a fixed order, the XLA of TensorFlow 2.21 loses updates of single rows on GPUs
            (https://github.com/openxla/xla/pull/31063).
    """
    keras.utils.set_random_seed(seed)
    if not (jit_compile and tf.config.list_physical_devices("GPU")):
        tf.config.experimental.enable_op_determinism()


def train(
    model: CTRModel,
    data: Any,
    options: TrainingOptions | None = None,
    *,
    folder: Path | None = None,
    console: Console | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    start: Start | None = None,
) -> dict[str, Any]:
    """Train until the monitored metric stops improving, then evaluate the weights of the best epoch.

    The model's task says which loss is minimized, which metrics are reported and which is monitored; see
    `ctrzoo.tasks`. Weights of rows count in the loss and in all metrics but those of places.
    If data have only a share of the negative training rows, the training metrics weight them to stand for all.

    To train on several devices, build the model in the scope of a strategy from `ctrzoo.training.strategy`. With a
    folder, an interrupted run resumes from its last checkpoint when you start it again. On one device, after
    `set_seed`, its result is bit-identical to that of an uninterrupted run.

    SIGINT (Ctrl-C) and SIGTERM first save a checkpoint, after the current step, and then act as they would without
    `train`. A second one acts at once. On several hosts, a signal to one of them ends all.

    Args:
        model: A `CTRModel`.
        data: The data: `schema`, `num_rows` by split and `dataset(split, batch_size, shuffle=..., seed=...,
            start_epoch=..., skip_batches=...)`, as `ctrzoo.data_pipelines.load` returns it, with the splits
            train, valid and test. The order of an epoch must depend only on its number and the seed. Groups need
            `columns`, `keep_groups` and the arguments `columns=` and `by_group=` of `PreparedData.dataset`. Several
            hosts read only their own parts of data that have `part_rows`, as prepared data have, otherwise all rows.
        options: The `TrainingOptions`; by default those of `TrainingOptions()`.
        folder: An existing folder for `history.csv`, TensorBoard events, `checkpoints` and the best
            `model.keras`; `None` writes nothing. Several hosts need a shared folder.
        console: The `rich` console for progress.
        callbacks: Keras callbacks. `on_epoch_end(epoch, logs)` gets the history row without its epoch, so
            `monitor=` must name one of its columns, such as `"valid_log_loss"`. `model.stop_training = True` stops
            after the epoch. Losses are fetched in groups, so `on_train_batch_end` is called up to 20 steps late,
            with `{"loss": ...}`. The learning rate is set before `on_epoch_begin`, where a callback may change it.
            Epochs count from 0, as in `fit`. A resumed run begins with `on_epoch_begin` of the epoch it resumes in.
            Hooks for validation and for the beginning of a batch are not called. On several hosts, callbacks run on
            each host; if one host stops, all stop.
        start: What changes the compiled model before its first step, such as a `warm_start`. A resumed run does not
            start again.

    Returns:
        A dictionary of `history` (one row per epoch), `valid` and `test` metrics of the best epoch,
        `best_epoch` (from 1), `seconds_per_epoch` (median) and `rows_per_second`.

    Raises:
        ValueError: If the model was built for another schema or task, a regression has only a share of the negative
            rows, the batch cannot be divided, a callback duplicates what `train` does (`BackupAndRestore`,
            `ReduceLROnPlateau`), the folder has checkpoints of another run, a row has an id outside the table, or the
            loss diverges (the batch is then saved in the folder).
        OSError: If a file cannot be written. Earlier checkpoints stay.
    """
    run = _Run(model, data, options or TrainingOptions(), folder, callbacks, start)
    agreed = run.hosts.highest if run.hosts.number > 1 else None
    with DelayedSignals(run.folder is not None, agreed) as run.signals, run.watched(console):
        while not run.state.finished:
            try:
                run.start_epoch()
                for losses in run.steps():
                    run.after_steps(losses)
                    run.signals.check()
                run.end_epoch()
            except Interrupted:
                run.save_interrupted()
                raise
    return run.result()


class _Run:
    """One training run: its model and data, its progress, and its observers."""

    signals: DelayedSignals

    def __init__(
        self,
        model: CTRModel,
        data: Any,
        options: TrainingOptions,
        folder: Path | None,
        callbacks: Sequence[keras.callbacks.Callback],
        start: Start | None,
    ) -> None:
        self.task = _check_task(model, data)
        _check_callbacks(callbacks)
        self.model, self.data, self.options = model, data, options
        self.folder = None if folder is None else local_path(folder, "`folder`")
        strategy, parts = strategy_of(model), _num_parts(model, options)
        with strategy.scope():
            model.compile(optimizers.build(options.optimizer, options.learning_rate))
            model.optimizer.build(model.trainable_variables)
        self.hosts = hosts_of(strategy)
        self.reading = Reading(data, self.hosts, options.data_parts)
        parts = math.lcm(parts, self.reading.num_parts)
        if options.batch_size % parts:
            raise ValueError(
                f"The batch size must be a multiple of {parts}, for {self.reading.num_parts} parts of the data and all "
                f"devices. Received: {options.batch_size}."
            )
        self.writes = self.folder is not None and is_chief(strategy)
        self.store, self.state, self.best = None, RunState(), []
        restored = None
        if self.folder is not None:
            description = describe_run(model, data, options, start and start.name, self.reading.num_parts)
            self.store = RunStore(model, self.folder, options.keep_checkpoints, description)
            restored = self.store.restore()
        if restored is not None:
            self.state, self.best = restored
        elif start is not None:
            start.apply(model)
        self.step = step_of(model, options.jit_compile, options.cpu_replicas, options.positive_weight)
        if not self.hosts.all_have(self.state.steps):
            raise ValueError(
                "The workers would resume from different checkpoints. Give them all the same folder (--workdir) on a "
                "shared disk."
            )
        self.evaluator = Evaluator(model, options.cpu_replicas)
        rows = EVALUATION_BATCH // parts * parts
        groups: Any = {"columns": ("group",)} if "group" in _columns(data) else {}
        self.monitor = options.monitor or self.task.monitor
        grouped = self.task.metrics_of_groups if groups else ()
        self.metrics = tuple(dict.fromkeys([*self.task.metrics, *grouped, self.monitor]))
        _check_metrics(self.monitor, self.task, bool(groups))
        batches = functools.partial(self.reading.batches, batch_size=rows, shuffle=False, **groups)
        self.valid, self.test = batches("valid"), batches("test")
        # As many training rows as validation rows, so that the two can be compared.
        most = math.ceil(data.num_rows["valid"] / rows)
        self.seen = batches("train", most=most, change=lambda seen: weighted_as_all_rows(seen, data))
        self.strengths = _strengths(model, batches("valid", most=1)) if self.folder is not None else None
        self.num_rows = data.num_rows["train"]
        self.callbacks = keras.callbacks.CallbackList(
            list(callbacks),
            model=model,
            epochs=options.epochs,
            steps=self.reading.num_steps("train", options.batch_size),
        )

    @contextlib.contextmanager
    def watched(self, console: Console | None) -> Iterator[None]:
        """Open the progress display and logs, and call `on_train_begin` and `on_train_end`."""
        self.progress = TrainingProgress(self.model.name, self.num_rows, self.options.epochs, console)
        logs = contextlib.nullcontext()
        if self.writes and self.folder:
            logs = RunLogs(self.folder, self.progress.console)
        with self.progress, logs as self.logs:
            for note in self.reading.notes():
                self.progress.console.print(note, markup=False)
            if self.state.steps and not self.state.finished:
                self.progress.console.print(f"{self.model.name}: resuming at {_place(self.state)}", markup=False)
            self.model.stop_training = False
            self.callbacks.on_train_begin()
            yield
            self.callbacks.on_train_end(self.state.history[-1])

    def start_epoch(self) -> None:
        """Start the next epoch, or resume the interrupted one."""
        self.progress.start_epoch(self.state.epoch + 1, self.state.rows)
        options = self.options
        if not callable(options.learning_rate):  # a Keras schedule follows the optimizer's step count
            rate = relative_rate(
                options.learning_rate_schedule,
                options.plateau_factor,
                options.epochs,
                self.state.history,
                self.monitor,
            )
            self.model.optimizer.learning_rate = options.learning_rate * rate
        self.callbacks.on_epoch_begin(self.state.epoch)
        self.saved = time.monotonic()

    def steps(self) -> Iterator[list[float]]:
        """Train on the rest of the epoch; yield the losses of some steps at a time."""
        if self.state.rows >= self.num_rows:  # interrupted between its last step and its evaluation
            return
        position: Any = {"start_epoch": self.state.epoch, "skip_batches": self.state.step}
        position |= {"by_group": True} if self.task.by_group else {}
        batches = self.reading.batches("train", self.options.batch_size, seed=self.options.seed, **position)
        stop_every = self.options.checkpoint_steps
        yield from _checked_steps(
            self.step, batches, self.state, self.data.schema, self.folder, stop_every, self.signals, self.hosts
        )

    def after_steps(self, losses: list[float]) -> None:
        """Show, log and save the progress of some steps."""
        state, options = self.state, self.options
        self.progress.update(state.rows, state.loss)
        for index, loss in enumerate(losses, start=state.step - len(losses)):
            self.callbacks.on_train_batch_end(index, {"loss": loss})
        if self.logs and state.step // LOGGED_STEPS > (state.step - len(losses)) // LOGGED_STEPS:
            self.logs.write_steps(state.steps, float(np.mean(losses)), state.rows / state.seconds)
        by_steps = options.checkpoint_steps and state.step % options.checkpoint_steps == 0
        by_time = time.monotonic() - self.saved > 60 * options.checkpoint_minutes
        if self.folder is not None and (by_steps or self.hosts.highest(self.writes and by_time)):
            self._save()

    def end_epoch(self) -> None:
        """Evaluate the epoch, keep its weights if they are the best, and save everything."""
        state, model = self.state, self.model
        row = {
            "epoch": state.epoch + 1,
            "loss": state.loss,
            "learning_rate": float(np.asarray(keras.ops.convert_to_numpy(model.optimizer.learning_rate))),
            "seconds": state.seconds,
            "rows_per_second": self.num_rows / state.seconds,
            **{f"train_{name}": value for name, value in self._evaluate(self.seen)},
            **{f"valid_{name}": value for name, value in self._evaluate(self.valid)},
        }
        state.end_epoch(row, self.options.epochs, self.options.patience, self.monitor)
        self.progress.end_epoch(row)
        is_best = state.best_epoch == state.epoch
        if is_best:
            self.best = []  # frees the earlier ones first: memory may not suffice for both
            self.best = [stored(weight) for weight in model.weights]
            state.random = [keras.ops.convert_to_numpy(variable).tolist() for variable in random_states(model)]
        strengths = self.strengths and self.strengths()
        if self.logs:
            self.logs.write_epoch(state.history, strengths, self.data.schema.names)
        if self.folder and is_best:
            _save_model(model, self.folder, self.writes)
        # Keras passes the epoch number separately.
        self.callbacks.on_epoch_end(state.epoch - 1, {key: row[key] for key in row if key != "epoch"})
        if self.callbacks.callbacks and self.hosts.highest(float(model.stop_training)):
            state.finished = True
        if self.folder is not None:
            self._save()

    def save_interrupted(self) -> None:
        """Save a checkpoint within the epoch and say so."""
        if self.state.steps:
            self._save()  # on all hosts, which all stop here
            saved = f"{self.model.name}: interrupted; saved a checkpoint at {_place(self.state)}"
            self.progress.console.print(saved, markup=False)

    def _evaluate(self, dataset: Iterable[Any]) -> Iterable[tuple[str, float]]:
        return self.evaluator.evaluate(self.signals.checked(dataset), self.metrics).items()

    def _save(self) -> None:
        assert self.store is not None and self.folder is not None  # a process that writes has a folder
        if self.writes and not self.folder.is_dir():
            raise FileNotFoundError(
                f"{self.folder} was deleted during training, with its checkpoints. Rerun the command to start again."
            )
        self.store.save(self.state, self.best)
        self.saved = time.monotonic()

    def result(self) -> dict[str, Any]:
        """Give the model its best weights, and return what `train` returns."""
        for weight, array in zip(self.model.weights, self.best, strict=True):
            restore(weight, array)
        is_missing = self.writes and self.folder is not None and not (self.folder / MODEL_FILE).is_file()
        if self.folder is not None and self.hosts.highest(is_missing):  # it was deleted
            _save_model(self.model, self.folder, self.writes)
        seconds = statistics.median(row["seconds"] for row in self.state.history)
        metrics = (*self.metrics, *self.task.final_metrics)
        return {
            "best_epoch": self.state.best_epoch,
            "seconds_per_epoch": seconds,
            "rows_per_second": self.num_rows / seconds,
            "valid": self.evaluator.evaluate(self.valid, metrics),
            "test": self.evaluator.evaluate(self.test, metrics),
            "history": self.state.history,
        }


def _columns(data: Any) -> tuple[str, ...]:
    """Return the further columns of the rows, such as weights; user-defined data may lack the attribute."""
    return tuple(getattr(data, "columns", ()))


def _check_task(model: CTRModel, data: Any) -> Task:
    """Return the task of a model that fits the data."""
    check_schema(model, data)
    task, kind = task_of(model.task), getattr(data, "label_kind", "binary")
    if kind not in task.label_kinds:
        fitting = [name for name, other in TASKS.items() if kind in other.label_kinds]
        raise ValueError(
            f"The labels are '{kind}', which the task '{model.task}' cannot predict. Choose the task "
            f"{' or '.join(fitting)}, or another `kind` of label in the schema."
        )
    if task.by_group and "group" not in _columns(data):
        raise ValueError(
            f"The task '{model.task}' needs groups. Write `group: <column>` and `keep_groups: true` into the schema "
            "and prepare the table again."
        )
    check_negative_rate(model, data)
    return task


def _check_metrics(monitor: str, task: Task, has_groups: bool) -> None:
    if metric_of(monitor).needs_groups and not has_groups:
        raise ValueError(
            f"The metric '{monitor}' needs groups. Write `group: <column>` into the schema and prepare the table again."
        )
    own = [name for name in (*task.metrics, *task.final_metrics) if metric_of(name).higher_is_better is not None]
    of_groups = metric_of(monitor).needs_groups and (task.metrics_of_groups or task.by_group)
    if monitor not in own and not of_groups:
        raise ValueError(f"The metric '{monitor}' is not one of the model's task. Monitor {', '.join(own)}.")


def _check_callbacks(callbacks: Sequence[keras.callbacks.Callback]) -> None:
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.BackupAndRestore):
            raise ValueError("Training with a folder resumes automatically. Leave out the callback BackupAndRestore.")
        if isinstance(callback, keras.callbacks.ReduceLROnPlateau):
            raise ValueError(
                "Each epoch resets the learning rate. Set the option `plateau_factor` instead of using the callback "
                "ReduceLROnPlateau."
            )


def _num_parts(model: CTRModel, options: TrainingOptions) -> int:
    """Return the number of parts that each batch is divided into."""
    parts = num_replicas_of(model) * options.cpu_replicas
    if options.batch_size % parts:
        what = "CPU replicas" if options.cpu_replicas > 1 else "devices"
        raise ValueError(f"The batch size must be a multiple of the {parts} {what}. Received: {options.batch_size}.")
    return parts


def _place(state: RunState) -> str:
    """Return where a run is, in words."""
    epoch = f"epoch {state.epoch + 1}"
    return f"step {state.step:,} of {epoch}" if state.step else f"the beginning of {epoch}"


def _save_model(model: CTRModel, folder: pathlib.Path, writes: bool) -> None:
    """Save a model; a process that does not write it only takes part in gathering tables divided over hosts."""
    if not writes:
        if any(map(is_on_several_hosts, model.weights)):
            with tempfile.TemporaryDirectory() as nowhere:
                model.save(pathlib.Path(nowhere) / MODEL_FILE)
        return
    with replaced(folder / MODEL_FILE) as temporary:
        model.save(temporary)
        seal_zip(temporary)


def _checked_steps(
    step: Step,
    batches: Iterable[Any],
    state: RunState,
    schema: Schema,
    folder: pathlib.Path | None,
    stop_every: int | None,
    signals: DelayedSignals,
    hosts: Hosts,
) -> Iterator[list[float]]:
    """Train on batches; yield the losses of some steps at a time, after checking them.

    Several hosts stop after the same steps, so that they can agree there.
    """
    pending, start = [], time.monotonic()
    for batch in batches:
        check_ids(batch[0], schema)
        pending.append((batch, step.train(batch)))
        at_stop = stop_every and (state.step + len(pending)) % stop_every == 0
        by_itself = signals.received or time.monotonic() - start > CHECKED_SECONDS
        if at_stop or len(pending) >= CHECKED_STEPS or (by_itself and hosts.number == 1):
            yield _counted(pending, start, state, folder)
            pending, start = [], time.monotonic()
    if pending:
        yield _counted(pending, start, state, folder)


def _counted(pending: list[Any], start: float, state: RunState, folder: pathlib.Path | None) -> list[float]:
    losses = [float(loss) for _, loss in pending]
    if state.first_loss is None:
        state.first_loss = losses[0]
    wrong = check_loss(losses, state.first_loss)
    if wrong is not None:
        batch = tf.nest.map_structure(np.asarray, pending[wrong][0])
        raise diverged(losses[wrong], state.epoch + 1, state.step + wrong + 1, batch, folder)
    for (batch, _), loss in zip(pending, losses, strict=True):
        state.add_step(loss, len(batch[1]))
    state.seconds += time.monotonic() - start
    return losses


def _strengths(model: CTRModel, dataset: Iterable[Any]) -> Callable[[], dict[str, np.ndarray]] | None:
    """Return a function that computes the mean explanations of pairs, or None if the model has none."""
    if not any(kind.is_of_pairs for kind in kinds_of(model).values()):
        return None
    explain, num_fields = MeanExplanations(model), model.schema.num_fields

    def mean_matrices():
        means = {name: mean[np.newaxis] for name, mean in explain(dataset).items()}
        return {name: matrix[0] for name, matrix in matrices_of(means, num_fields).items()}

    return mean_matrices
