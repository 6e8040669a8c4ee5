"""Train a model on a data set, log the run, keep the best weights, and resume after an interruption."""

import ctrzoo.startup  # noqa: F401  (before Keras)

import contextlib
import math
import pathlib
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console

from ctrzoo import optimizers
from ctrzoo.explanation.explainer import MeanExplanations
from ctrzoo.files import replaced
from ctrzoo.model import CTRModel
from ctrzoo.schema import Schema
from ctrzoo.training.divergence import check_loss, diverged
from ctrzoo.training.evaluation import Evaluator
from ctrzoo.training.hooks import Hooks
from ctrzoo.training.logging import Records
from ctrzoo.training.options import TrainingOptions
from ctrzoo.training.progress import TrainingProgress
from ctrzoo.training.run_state import RunState, RunStore, describe_run
from ctrzoo.training.schedules import relative_rate
from ctrzoo.training.strategy import ReplicatedStep, is_chief
from ctrzoo.types import Path
from ctrzoo.validation import check_ids, check_schema

EVALUATION_BATCH = 8192
MODEL_FILE = "model.keras"
# Losses are fetched and checked after this many steps or seconds: fetching each would keep a GPU waiting.
GUARDED_STEPS = 20
GUARDED_SECONDS = 1
RECORDED_STEPS = 100


def set_seed(seed: int, jit_compile: bool = False) -> None:
    """Fix everything that a seed can fix: initial weights, dropout, order of rows, order of sums.

    Args:
        seed: The seed.
        jit_compile: Whether XLA will compile the training step. On a GPU the order of sums then stays free: when it
            is fixed, XLA of TensorFlow 2.21 loses updates of single rows there
            (https://github.com/openxla/xla/pull/31063).
    """
    keras.utils.set_random_seed(seed)
    if not (jit_compile and tf.config.list_physical_devices("GPU")):
        tf.config.experimental.enable_op_determinism()


def train(
    model: CTRModel,
    data: Any,  # what has the attributes below
    options: TrainingOptions = TrainingOptions(),  # noqa: B008 (frozen)
    *,
    folder: Path | None = None,
    console: Console | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, Any]:
    """Train until the validation log loss stops falling; evaluate the best epoch's weights.

    Build the model within the scope of a strategy of `ctrzoo.training.strategy` to train on several devices. With a
    folder, a killed run resumes from its last checkpoint when it is started again; on one device and after
    `set_seed` it ends with the same bits as if it had not been killed.

    Args:
        model: A `CTRModel`.
        data: The data: `schema`, `num_rows` by split and `dataset(split, batch_size, shuffle=..., seed=...,
            start_epoch=..., skip_batches=...)`, as `ctrzoo.data_pipelines.load` returns it, with the splits
            train, valid and test. The order of an epoch must depend only on its number and the seed.
        options: The `TrainingOptions`. `seed` is that of the order of rows: call `set_seed` before you build the
            model to fix the rest, and tell it about `jit_compile` too.
        folder: An existing folder for `history.csv`, TensorBoard events, `checkpoints` and the best
            `model.keras`; `None` writes nothing. Several hosts need a shared one.
        console: The `rich` console for progress.
        callbacks: Callbacks of Keras; `ctrzoo.training.hooks.Hooks` says which hooks are called and with what. The
            learning rate is set before `on_epoch_begin`, so that a callback may change it there. The weights of the
            best epoch are set after `on_train_end`.

    Returns:
        A dictionary of `history` (a row per epoch), `valid` and `test` metrics of the best epoch,
        `best_epoch` (from 1), `seconds_per_epoch` (median) and `rows_per_second`.

    Raises:
        ValueError: If the model was built for another schema or task, the batch cannot be divided among devices or
            CPU replicas, a callback cannot be supported, the folder has checkpoints of another run, a row has an id
            outside the table, or the loss diverges; the batch is then in the folder.
        OSError: If a file cannot be written. Earlier checkpoints stay.
    """
    return _Training(model, data, options, folder, callbacks).run(console)


class _Training:
    """A run of `train`: its parts, made in the order in which they need each other."""

    def __init__(
        self,
        model: CTRModel,
        data: Any,
        options: TrainingOptions,
        folder: Path | None,
        callbacks: Sequence[keras.callbacks.Callback],
    ) -> None:
        self.model, self.data, self.options, self.folder = model, data, options, folder
        self.num_rows = data.num_rows["train"]
        parts = _check_arguments(model, data, options)
        with model.distribute_strategy.scope():
            model.compile(optimizers.build(options.optimizer, options.learning_rate))
            model.optimizer.build(model.trainable_variables)
        self.hooks = Hooks(callbacks, model, options.epochs, math.ceil(self.num_rows / options.batch_size))
        self.store = None
        self.state, self.best = RunState(), []
        if folder:
            self.store = RunStore(model, folder, options.keep_checkpoints, describe_run(model, data, options))
            self.state, self.best = self.store.restore() or (self.state, self.best)
        self.step = ReplicatedStep(model, options.jit_compile, options.cpu_replicas)
        if self.step.agree(self.state.steps) != self.state.steps:
            raise ValueError(
                "The workers would resume from different checkpoints. Give them one folder (--workdir) on a shared "
                "disk."
            )
        self.evaluator = Evaluator(model, options.cpu_replicas)
        rows = EVALUATION_BATCH // parts * parts
        self.valid, self.test = (data.dataset(split, rows, shuffle=False) for split in ("valid", "test"))
        self.seen = data.dataset("train", rows, shuffle=False).take(math.ceil(data.num_rows["valid"] / rows))
        self.strengths = _strengths(model, self.valid.take(1)) if folder else None
        self.writes = bool(folder) and is_chief(model.distribute_strategy)

    def run(self, console: Console | None) -> dict[str, Any]:
        """Train all epochs that are left, then evaluate the best one."""
        state, options = self.state, self.options
        with (
            TrainingProgress(self.model.name, self.num_rows, options.epochs, console) as progress,
            Records(self.folder) if self.writes and self.folder else contextlib.nullcontext() as records,
        ):
            self.hooks.begin()
            while not state.finished:
                self._set_learning_rate()
                progress.start_epoch(state.epoch + 1, state.rows)
                self.hooks.begin_epoch(state.epoch)
                self._train_epoch(progress, records)
                row = self._measure_epoch()
                state.end_epoch(row, options.epochs, options.patience)
                progress.end_epoch(row)
                self._end_epoch(records)
            self.hooks.end()
        self.model.set_weights(self.best)
        if self.folder and self.writes and not (pathlib.Path(self.folder) / MODEL_FILE).is_file():  # it was deleted
            _save_model(self.model, self.folder)
        return self._result()

    def _set_learning_rate(self) -> None:
        """Set the learning rate of the next epoch, unless the optimizer has a schedule by step."""
        options, rate = self.options, self.options.learning_rate
        if not callable(rate):
            schedule = options.learning_rate_schedule, options.plateau_factor, options.epochs
            self.model.optimizer.learning_rate = rate * relative_rate(*schedule, self.state.history)

    def _train_epoch(self, progress: TrainingProgress, records: Records | None) -> None:
        """Train on the rows of the epoch that are left; write checkpoints when they are due."""
        state, options = self.state, self.options
        batches = ()
        if state.rows < self.num_rows:
            position = {"start_epoch": state.epoch, "skip_batches": state.step}
            batches = self.data.dataset("train", options.batch_size, seed=options.seed, **position)
        every, saved = options.checkpoint_steps, time.monotonic()
        for losses in _guarded_steps(self.step, batches, state, self.data.schema, self.folder, every):
            before = state.step - len(losses)
            progress.update(state.rows, state.loss)
            self.hooks.end_steps(before, losses)
            if records and state.step // RECORDED_STEPS > before // RECORDED_STEPS:
                records.write_steps(state.steps, float(np.mean(losses)), state.rows / state.seconds)
            due = every and state.step % every == 0
            if self.store and self.writes and (due or time.monotonic() - saved > 60 * options.checkpoint_minutes):
                self.store.save(state, self.best)
                saved = time.monotonic()

    def _measure_epoch(self) -> dict[str, Any]:
        """Return the row of the history for the epoch whose steps are done."""
        state = self.state
        return {
            "epoch": state.epoch + 1,
            "loss": state.loss,
            "learning_rate": float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
            "seconds": state.seconds,
            "rows_per_second": self.num_rows / state.seconds,
            **{f"train_{name}": value for name, value in self.evaluator.evaluate(self.seen).items()},
            **{f"valid_{name}": value for name, value in self.evaluator.evaluate(self.valid).items()},
        }

    def _end_epoch(self, records: Records | None) -> None:
        """Keep the weights if they are the best, call the callbacks, log the epoch, write its checkpoint."""
        state = self.state
        if state.best_epoch == state.epoch:
            self.best = self.model.get_weights()
            if self.folder and self.writes:
                _save_model(self.model, self.folder)
        stops = self.hooks.end_epoch(state.epoch - 1, state.history[-1])
        if self.hooks.any and self.step.agree(float(stops)) > 0:
            state.finished = True
        if records and self.store:
            records.write_epoch(state.history, self.strengths and self.strengths(), self.data.schema.names)
            self.store.save(state, self.best)

    def _result(self) -> dict[str, Any]:
        seconds = statistics.median(row["seconds"] for row in self.state.history)
        return {
            "best_epoch": self.state.best_epoch,
            "seconds_per_epoch": seconds,
            "rows_per_second": self.num_rows / seconds,
            "valid": self.evaluator.evaluate(self.valid),
            "test": self.evaluator.evaluate(self.test),
            "history": self.state.history,
        }


def _check_arguments(model: CTRModel, data: Any, options: TrainingOptions) -> int:
    """Refuse what cannot be trained; return into how many parts a batch is divided."""
    check_schema(model, data)
    if model.task != "classification":
        raise ValueError(
            "Training is watched by the log loss of click probabilities, so the task must be 'classification'. "
            f"Received: {model.task!r}. Use `model.compile` and `model.fit` for other tasks."
        )
    parts = model.distribute_strategy.num_replicas_in_sync * options.cpu_replicas
    if options.batch_size % parts:
        what = "cpu_replicas" if options.cpu_replicas > 1 else "devices"
        raise ValueError(f"The batch size must be a multiple of the {parts} {what}. Received: {options.batch_size}.")
    return parts


def _save_model(model: CTRModel, folder: Path) -> None:
    with replaced(pathlib.Path(folder) / MODEL_FILE) as temporary:
        model.save(temporary)


def _guarded_steps(
    step: ReplicatedStep,
    batches: Iterable[Any],
    state: RunState,
    schema: Schema,
    folder: Path | None,
    stop_every: int | None,
) -> Iterator[list[float]]:
    """Train on batches; yield the losses of some steps at a time, once they are checked."""
    pending, start = [], time.monotonic()
    for batch in batches:
        check_ids(batch[0], schema)
        pending.append((batch, step.train(batch)))
        at_stop = stop_every and (state.step + len(pending)) % stop_every == 0
        if at_stop or len(pending) >= GUARDED_STEPS or time.monotonic() - start > GUARDED_SECONDS:
            yield _counted(pending, start, state, folder)
            pending, start = [], time.monotonic()
    if pending:
        yield _counted(pending, start, state, folder)


def _counted(pending: list[Any], start: float, state: RunState, folder: Path | None) -> list[float]:
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


def _strengths(model: CTRModel, dataset: Any) -> Callable[[], dict[str, np.ndarray]] | None:
    """Return a function that returns the model's explanations of shape `(fields, fields)`, or None without any."""
    if not model.explanation_names:
        return None
    explain = MeanExplanations(model)
    return lambda: {name: mean for name, mean in explain(dataset).items() if mean.ndim == 2}
