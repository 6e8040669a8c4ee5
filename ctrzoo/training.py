"""Train a model on a data set, watch it, keep the best of it."""

import ctrzoo.startup  # noqa: F401  (before Keras)

import csv
import io
import pathlib
import statistics
import time

import keras
import numpy as np
import tensorflow as tf

from ctrzoo import optimizers
from ctrzoo.files import replaced, write_text
from ctrzoo.metrics import evaluate_scores
from ctrzoo.progress import TrainingProgress

EVALUATION_BATCH = 8192


def set_seed(seed):
    """Fix everything that a seed can fix: initial weights, dropout, order of rows, order of sums."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


class Evaluator:
    """Exact metrics of a model over whole splits; compiled once, used after every epoch.

    Args:
        model: A model with probabilities `(batch, 1)` as output.
    """

    def __init__(self, model):
        self._predict = tf.function(lambda features: model(features, training=False), reduce_retracing=True)

    def predict(self, dataset):
        """Return labels and probabilities of all rows of a `tf.data.Dataset` of batches, two arrays `(rows,)`."""
        labels, probabilities = [], []
        for features, batch_labels in dataset:
            probabilities.append(np.ravel(self._predict(features)))
            labels.append(np.ravel(batch_labels))
        return np.concatenate(labels), np.concatenate(probabilities)

    def evaluate(self, dataset):
        """Return `{"auc", "log_loss", "calibration"}` over all rows of a `tf.data.Dataset` of batches."""
        return evaluate_scores(*self.predict(dataset))


def train(
    model,
    data,
    epochs=10,
    batch_size=1024,
    learning_rate=1e-3,
    optimizer="dense_adam",
    patience=3,
    seed=2018,
    jit_compile=False,
    folder=None,
    console=None,
):
    """Train until the validation log loss stops falling; evaluate the best epoch's weights.

    Args:
        model: A `CTRModel`.
        data: The data: `schema`, `num_rows` by split and `dataset(split, batch_size, seed=...)`, as
            `ctrzoo.data_pipelines.load` returns it, with the splits train, valid and test.
        epochs: The most passes over the training rows.
        batch_size: Rows a step.
        learning_rate: Step size of the optimizer.
        optimizer: A name of `ctrzoo.optimizers.OPTIMIZERS`.
        patience: Epochs without a lower validation log loss before training stops.
        seed: Seed of the order of rows. Call `set_seed` before building the model to fix the rest.
        jit_compile: Whether XLA compiles the training step.
        folder: An existing folder for `history.csv`, TensorBoard events and the best `model.keras`;
            `None` writes nothing.
        console: The `rich` console for progress.

    Returns:
        A dictionary of `history` (a row an epoch), `valid` and `test` metrics of the best epoch,
        `best_epoch` (from 1), `seconds_per_epoch` (median) and `rows_per_second`.

    Raises:
        ValueError: If the model was built for another schema or task, the optimizer is unknown, or it diverges.
    """
    check_schema(model, data)
    if model.task != "classification":
        raise ValueError(
            "Training is watched by the log loss of click probabilities, so the task must be 'classification'. "
            f"Received: {model.task!r}. Use `model.compile` and `model.fit` for other tasks."
        )
    model.compile(optimizers.build(optimizer, learning_rate), jit_compile=jit_compile)
    num_rows = data.num_rows["train"]
    evaluator = Evaluator(model)
    splits = {split: data.dataset(split, EVALUATION_BATCH, shuffle=False) for split in ("valid", "test")}
    records = _EpochRecords(evaluator, splits["valid"], num_rows, folder)
    best = keras.callbacks.EarlyStopping("valid_log_loss", mode="min", patience=patience, restore_best_weights=True)
    progress = TrainingProgress(model.name, num_rows, batch_size, console)
    callbacks = [records, progress, _SaveBest(folder), best] if folder else [records, progress, best]
    rows = data.dataset("train", batch_size, seed=seed)
    model.fit(rows, epochs=epochs, callbacks=callbacks, shuffle=False, verbose=0)
    seconds = statistics.median(row["seconds"] for row in records.history)
    return {
        "best_epoch": best.best_epoch + 1,
        "seconds_per_epoch": seconds,
        "rows_per_second": num_rows / seconds,
        "valid": evaluator.evaluate(splits["valid"]),
        "test": evaluator.evaluate(splits["test"]),
        "history": records.history,
    }


def check_schema(model, data):
    """Refuse data whose schema is not the one that the model was built for.

    Raises:
        ValueError: With the first differences.
    """
    differences = model.schema.differences(data.schema)
    if differences:
        more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise ValueError(
            f"The model '{model.name}' was built for another schema than that of the data: "
            f"{'; '.join(differences[:3])}{more} (model and data). Build the model from the data's schema."
        )


class _EpochRecords(keras.callbacks.Callback):
    """Time each epoch, evaluate after it, and write it down as CSV and for TensorBoard."""

    def __init__(self, evaluator, valid, num_rows, folder):
        super().__init__()
        self.evaluator, self.valid, self.num_rows = evaluator, valid, num_rows
        self.folder = pathlib.Path(folder) if folder else None
        self.history = []

    def on_train_begin(self, logs=None):
        self._events = tf.summary.create_file_writer(str(self.folder / "tensorboard")) if self.folder else None

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.monotonic() - self._start
        if not np.isfinite(logs["loss"]):
            raise ValueError(
                f"The training loss of epoch {epoch + 1} is {logs['loss']}: the run has diverged. "
                "Lower the learning rate, or look for extreme numbers in the data."
            )
        logs["seconds"], logs["rows_per_second"] = seconds, self.num_rows / seconds
        logs |= {f"valid_{name}": value for name, value in self.evaluator.evaluate(self.valid).items()}
        self.history.append({"epoch": epoch + 1, **{name: float(value) for name, value in logs.items()}})
        if self.folder:
            self._write_csv()
            self._write_events(epoch + 1, logs)

    def on_train_end(self, logs=None):
        if self._events:
            self._events.close()

    def _write_csv(self):
        text = io.StringIO()
        writer = csv.DictWriter(text, self.history[0])
        writer.writeheader()
        writer.writerows(self.history)
        write_text(self.folder / "history.csv", text.getvalue())

    def _write_events(self, epoch, logs):
        with self._events.as_default(step=epoch):
            for name, value in logs.items():
                split, _, metric = name.partition("_") if name.startswith("valid_") else ("train", "", name)
                tf.summary.scalar(f"{metric}/{split}", value)
        self._events.flush()


class _SaveBest(keras.callbacks.Callback):
    """Save the model after each epoch that is the best so far."""

    def __init__(self, folder):
        super().__init__()
        self.path, self.best = pathlib.Path(folder) / "model.keras", np.inf

    def on_epoch_end(self, epoch, logs=None):
        if logs["valid_log_loss"] < self.best:
            self.best = logs["valid_log_loss"]
            with replaced(self.path) as temporary:
                self.model.save(temporary)
