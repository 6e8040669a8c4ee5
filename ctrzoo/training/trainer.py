"""Train a model on a data set, watch it, keep the best of it, and go on after an interruption."""

import ctrzoo.startup  # noqa: F401  (before Keras)

import contextlib
import dataclasses
import functools
import json
import math
import pathlib
import statistics
import time

import keras
import numpy as np
import tensorflow as tf

from ctrzoo import optimizers
from ctrzoo.explanation.explainer import MeanExplanations
from ctrzoo.files import remove_leftovers, replaced
from ctrzoo.training.checkpoints import Checkpoints
from ctrzoo.training.divergence import check_loss, check_same_run, diverged
from ctrzoo.training.evaluation import Evaluator
from ctrzoo.training.logging import Records
from ctrzoo.training.progress import TrainingProgress
from ctrzoo.training.strategy import ReplicatedStep, is_chief
from ctrzoo.validation import check_ids, check_schema

EVALUATION_BATCH = 8192
MODEL_FILE = "model.keras"
# Losses are fetched, and guarded, after so many steps or seconds: fetching each would keep a GPU waiting.
GUARDED_STEPS = 20
GUARDED_SECONDS = 1
RECORDED_STEPS = 100


def set_seed(seed, jit_compile=False):
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
    model,
    data,
    epochs=10,
    batch_size=1024,
    learning_rate=1e-3,
    learning_rate_schedule="constant",
    plateau_factor=1.0,
    optimizer="adam",
    patience=3,
    seed=2018,
    jit_compile=False,
    cpu_replicas=1,
    folder=None,
    console=None,
    checkpoint_steps=None,
    checkpoint_minutes=10,
    keep_checkpoints=2,
):
    """Train until the validation log loss stops falling; evaluate the best epoch's weights.

    Build the model within the scope of a strategy of `ctrzoo.training.strategy` to train on several devices. With a
    folder, a run that was killed goes on from its last checkpoint when it is started again; on one device and
    after `set_seed` it ends with the same bits as if it had not been killed.

    Args:
        model: A `CTRModel`.
        data: The data: `schema`, `num_rows` by split and `dataset(split, batch_size, shuffle=..., seed=...,
            start_epoch=..., skip_batches=...)`, as `ctrzoo.data_pipelines.load` returns it, with the splits
            train, valid and test. The order of a pass must depend on its number and the seed alone.
        epochs: The most passes over the training rows.
        batch_size: Rows a step, on all devices together.
        learning_rate: Step size of the optimizer in the first epoch.
        learning_rate_schedule: `"constant"`, or `"cosine"`: it falls from epoch to epoch along half a cosine, and
            would be zero after all `epochs` (Loshchilov and Hutter, 2017, equation 5, https://arxiv.org/abs/1608.03983).
        plateau_factor: Factor of the step size after each epoch without a lower validation log loss.
        optimizer: A name of `ctrzoo.optimizers.OPTIMIZERS`.
        patience: Epochs without a lower validation log loss before training stops.
        seed: Seed of the order of rows. Call `set_seed` before building the model to fix the rest.
        jit_compile: Whether XLA compiles the training step. Tell `set_seed` so too.
        cpu_replicas: Parts of a batch that a CPU computes side by side, see `ctrzoo.training.strategy.ReplicatedStep`.
        folder: An existing folder for `history.csv`, TensorBoard events, `checkpoints` and the best
            `model.keras`; `None` writes nothing. Several hosts need one that they share.
        console: The `rich` console for progress.
        checkpoint_steps: Steps between checkpoints within an epoch; `None` goes by the clock alone.
        checkpoint_minutes: Minutes between checkpoints within an epoch. There is one after each epoch too.
        keep_checkpoints: How many checkpoints to keep.

    Returns:
        A dictionary of `history` (a row an epoch), `valid` and `test` metrics of the best epoch,
        `best_epoch` (from 1), `seconds_per_epoch` (median) and `rows_per_second`.

    Raises:
        ValueError: If the model was built for another schema or task, the optimizer or schedule is unknown, `epochs`
            or `patience` is below 1, the batch cannot be divided, FTRL's step size is to fall, the folder has
            checkpoints of another run, a row has an id outside the table, or the loss diverges; the batch is then in
            the folder.
        OSError: If a file cannot be written. Earlier checkpoints stay.
    """
    _check_arguments(model, data, epochs, patience, optimizer, learning_rate_schedule, plateau_factor)
    strategy = model.distribute_strategy
    parts = strategy.num_replicas_in_sync * cpu_replicas
    if batch_size % parts:
        what = "cpu_replicas" if cpu_replicas > 1 else "devices"
        raise ValueError(f"The batch size must be a multiple of the {parts} {what}. Received: {batch_size}.")
    with strategy.scope():
        model.compile(optimizers.build(optimizer, learning_rate))
        model.optimizer.build(model.trainable_variables)
    falling = {"learning_rate_schedule": learning_rate_schedule, "plateau_factor": plateau_factor}
    description = _describe(model, data, epochs, batch_size, falling, patience, seed, jit_compile)
    store = _Store(model, folder, keep_checkpoints, description) if folder else None
    state, best = (store and store.restore()) or (RunState(), [])
    step = ReplicatedStep(model, jit_compile, cpu_replicas)
    if step.agree(state.steps) != state.steps:
        raise ValueError(
            "The workers would go on from different checkpoints. Give them one folder (--workdir) on a shared disk."
        )
    evaluator = Evaluator(model, cpu_replicas)
    rows = EVALUATION_BATCH // parts * parts
    valid, test = (data.dataset(split, rows, shuffle=False) for split in ("valid", "test"))
    seen = data.dataset("train", rows, shuffle=False).take(math.ceil(data.num_rows["valid"] / rows))
    strengths = _strengths(model, valid.take(1)) if folder else None
    num_rows, writes = data.num_rows["train"], folder and is_chief(strategy)
    with (
        TrainingProgress(model.name, num_rows, epochs, console) as progress,
        Records(folder) if writes else contextlib.nullcontext() as records,
    ):
        while not state.finished:
            progress.start_epoch(state.epoch + 1, state.rows)
            share = state.share_of_step_size(epochs, learning_rate_schedule, plateau_factor)
            model.optimizer.learning_rate = learning_rate * share
            position = {"start_epoch": state.epoch, "skip_batches": state.step}
            batches = data.dataset("train", batch_size, seed=seed, **position) if state.rows < num_rows else ()
            saved = time.monotonic()
            for losses in _guarded_steps(step, batches, state, data.schema, folder, checkpoint_steps):
                progress.update(state.rows, state.loss)
                if records and state.step // RECORDED_STEPS > (state.step - len(losses)) // RECORDED_STEPS:
                    records.write_steps(state.steps, np.mean(losses), state.rows / state.seconds)
                by_steps = checkpoint_steps and state.step % checkpoint_steps == 0
                if writes and (by_steps or time.monotonic() - saved > 60 * checkpoint_minutes):
                    store.save(state, best)
                    saved = time.monotonic()
            row = {
                "epoch": state.epoch + 1,
                "loss": state.loss,
                "learning_rate": float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)),
                "seconds": state.seconds,
                "rows_per_second": num_rows / state.seconds,
                **{f"train_{name}": value for name, value in evaluator.evaluate(seen).items()},
                **{f"valid_{name}": value for name, value in evaluator.evaluate(valid).items()},
            }
            state.end_epoch(row, epochs, patience)
            progress.end_epoch(row)
            if state.best_epoch == state.epoch:
                best = model.get_weights()
            if writes:
                records.write_epoch(state.history, strengths and strengths(), data.schema.names)
                if state.best_epoch == state.epoch:
                    _save_model(model, folder)
                store.save(state, best)
    model.set_weights(best)
    if writes and not (pathlib.Path(folder) / MODEL_FILE).is_file():  # somebody deleted it
        _save_model(model, folder)
    seconds = statistics.median(row["seconds"] for row in state.history)
    return {
        "best_epoch": state.best_epoch,
        "seconds_per_epoch": seconds,
        "rows_per_second": num_rows / seconds,
        "valid": evaluator.evaluate(valid),
        "test": evaluator.evaluate(test),
        "history": state.history,
    }


def _check_arguments(model, data, epochs, patience, optimizer, learning_rate_schedule, plateau_factor):
    check_schema(model, data)
    if model.task != "classification":
        raise ValueError(
            "Training is watched by the log loss of click probabilities, so the task must be 'classification'. "
            f"Received: {model.task!r}. Use `model.compile` and `model.fit` for other tasks."
        )
    if epochs < 1 or patience < 1:
        raise ValueError(f"`epochs` and `patience` must be at least 1. Received: {epochs} and {patience}.")
    if learning_rate_schedule not in ("constant", "cosine"):
        raise ValueError(
            f"The learning rate schedule must be 'constant' or 'cosine'. Received: {learning_rate_schedule!r}."
        )
    if optimizer == "ftrl" and (learning_rate_schedule != "constant" or plateau_factor != 1):
        raise ValueError(
            "FTRL computes weights from its state and the step size: a smaller one would shrink the weights, not the "
            "steps. Set learning_rate_schedule=constant and plateau_factor=1."
        )


def _save_model(model, folder):
    with replaced(pathlib.Path(folder) / MODEL_FILE) as temporary:
        model.save(temporary)


@dataclasses.dataclass
class RunState:
    """Where a run is; with the variables, all that it needs to go on.

    Attributes:
        epoch: Finished epochs.
        step: Finished steps of the epoch after them.
        steps: Finished steps of all epochs.
        rows: Rows of those `step` steps.
        loss_sum: Sum of their losses.
        seconds: Time that they took.
        first_loss: Loss of the very first step.
        best_epoch: The epoch, from 1, with the lowest validation log loss; 0 before the first.
        finished: Whether training is over.
        history: A dictionary of numbers for each finished epoch.
    """

    epoch: int = 0
    step: int = 0
    steps: int = 0
    rows: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    first_loss: float | None = None
    best_epoch: int = 0
    finished: bool = False
    history: list = dataclasses.field(default_factory=list)

    @property
    def loss(self):
        """Mean loss of the epoch so far."""
        return self.loss_sum / self.rows

    def share_of_step_size(self, epochs, schedule, decay):
        """Return by which factor the step size of the epoch at work is less than that of the first."""
        lowest = np.minimum.accumulate([np.inf, *(row["valid_log_loss"] for row in self.history)])
        not_best = self.epoch - np.count_nonzero(np.diff(lowest))
        along = (1 + math.cos(math.pi * self.epoch / epochs)) / 2 if schedule == "cosine" else 1
        return float(along * decay**not_best)

    def add_step(self, loss, rows):
        """Count a step."""
        self.step, self.steps, self.rows = self.step + 1, self.steps + 1, self.rows + rows
        self.loss_sum += loss * rows

    def end_epoch(self, row, epochs, patience):
        """Count an epoch and decide whether it was the best or the last."""
        self.history.append(row)
        self.epoch, self.step, self.rows, self.loss_sum, self.seconds = self.epoch + 1, 0, 0, 0.0, 0.0
        if not self.best_epoch or row["valid_log_loss"] < self.history[self.best_epoch - 1]["valid_log_loss"]:
            self.best_epoch = self.epoch
        self.finished = self.epoch >= epochs or self.epoch - self.best_epoch >= patience


def _guarded_steps(step, batches, state, schema, folder, stop_every):
    """Train on batches; yield the losses of some steps at a time, once they are known to be sound."""
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


def _counted(pending, start, state, folder):
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


class _Store:
    """The checkpoints of a run: its state, the variables of model and optimizer, the best weights."""

    def __init__(self, model, folder, keep, description):
        self.model, self.description = model, description
        self.checkpoints = Checkpoints(pathlib.Path(folder) / "checkpoints", keep)
        if is_chief(model.distribute_strategy):
            remove_leftovers(folder)

    def save(self, state, best):
        arrays = {f"best/{index}": weight for index, weight in enumerate(best)}
        if state.finished:
            self.checkpoints.keep = 1  # what remains to be done needs the best weights alone
        else:
            arrays |= {name: functools.partial(keras.ops.convert_to_numpy, v) for name, v in self._variables()}
        content = {"run": self.description, "state": dataclasses.asdict(state)}
        self.checkpoints.save(state.steps, content, arrays)

    def restore(self):
        """Return the state and the best weights of the last checkpoint and restore all variables, or None."""
        restored = self.checkpoints.restore()
        if restored is None:
            return None
        content, arrays = restored
        check_same_run(content["run"], self.description, self.checkpoints.folder)
        state = RunState(**content["state"])
        if not state.finished:
            for name, variable in self._variables():
                variable.assign(arrays[name])
        best = [arrays[f"best/{index}"] for index in range(sum(name.startswith("best/") for name in arrays))]
        return state, best

    def _variables(self):
        # `variables` and not `weights`: the states of dropout are among them.
        for owner, variables in (("model", self.model.variables), ("optimizer", self.model.optimizer.variables)):
            yield from ((f"{owner}/{index}", variable) for index, variable in enumerate(variables))


def _describe(model, data, epochs, batch_size, falling, patience, seed, jit_compile):
    """Return what decides the outcome of a run, as a flat dictionary that JSON can hold."""
    optimizer = _without_names(keras.saving.serialize_keras_object(model.optimizer))
    config = model.get_config()
    description = {
        "model": type(model).__name__,
        **{f"model.{key}": value for key, value in config.items() if key not in ("name", "precision", "trainable")},
        "optimizer": optimizer["class_name"],
        **{f"optimizer.{key}": _shortened(value) for key, value in optimizer["config"].items()},
        "precision": config["precision"],  # the model's own, not what the process has now
        "jit_compile": jit_compile,
        "epochs": epochs,
        "batch_size": batch_size,
        **falling,
        "patience": patience,
        "seed": seed,
        "num_rows": data.num_rows,
        "data fingerprint": getattr(data, "fingerprint", None),
    }
    return json.loads(json.dumps(description, default=str))


def _without_names(config):
    """Leave out the names, which Keras numbers by what else the process has made."""
    if not isinstance(config, dict):
        return config
    return {key: _without_names(value) for key, value in config.items() if key != "name"}


def _shortened(value):
    """Print a float32 with the digits that it has."""
    return float(f"{value:.7g}") if isinstance(value, float) else value


def _strengths(model, dataset):
    """Return a function to the explanations of the model that are matrices `(fields, fields)`, None without any."""
    if not model.explanation_names:
        return None
    explain = MeanExplanations(model)
    return lambda: {name: mean for name, mean in explain(dataset).items() if mean.ndim == 2}
