"""One experiment, from settings to a folder of results."""

import contextlib
import fcntl
import json
import os
import pathlib
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console

import ctrzoo
from ctrzoo.distribution import is_on_several_hosts
from ctrzoo.explanation.explainer import mean_strengths
from ctrzoo.files import write_csv, write_json, write_text
from ctrzoo.lookup import for_this_process
from ctrzoo.plots import plot_calibration, plot_interactions, plot_learning_curves
from ctrzoo.startup import keep_loops_rolled
from ctrzoo.stores import local_path
from ctrzoo.tasks import DEFAULT_TASKS, loss_name, task_of
from ctrzoo.training import EVALUATION_BATCH, MODEL_FILE, set_seed, train
from ctrzoo.training.hosts import host_is_lost, hosts_of
from ctrzoo.training.steps import num_replicas_of, step_of
from ctrzoo.training.strategy import (
    device_kind,
    is_chief,
    make_strategy,
    scaled_learning_rate,
    strategy_of,
    usable_cpu_replicas,
)
from ctrzoo.types import Path

from .. import data_pipelines, models
from ..data_pipelines.preparation.state import replaced_folder
from ..data_pipelines.storage.reading import SMALL_SPLIT
from .report import report
from .settings import Settings, stored_settings
from .tracking.recording import UnrecordedRun, record_run
from .warm import start_from

BASELINES, ENCODING = "baselines", "encoding"

# How many batches of test rows the table and the picture of interactions are of: some models take long to explain.
EXPLAINED_BATCHES = 32


def run_experiment(
    settings: Settings,
    data_dir: Path,
    raw: Path | None,
    workdir: pathlib.Path,
    strategy: str = "auto",
    num_devices: int | None = None,
    track: str | None = None,
    tracking_uri: str | None = None,
    **checkpoint_options: Any,
) -> dict[str, Any] | None:
    """Prepare the data if necessary, train the model and its baselines, and write all results.

    Args:
        settings: The `Settings`.
        data_dir: Folder of prepared data sets.
        raw: Raw file or folder of the data set, or None.
        workdir: Folder of the results: the model's own files, and a folder for each baseline. If it holds an
            interrupted run with the same settings, that run is resumed.
        strategy: Where to train, see `ctrzoo.training.strategy.make_strategy`.
        num_devices: How many devices, see there.
        track: `"mlflow"` records the training of each model as a run of MLflow.
        tracking_uri: Where MLflow records, see `address_of`; by default in `mlruns` next to the workdir.
        **checkpoint_options: `checkpoint_steps`, `checkpoint_minutes` and `keep_checkpoints` of `TrainingOptions`.

    Returns:
        `{"dataset", "models": {name: metrics}, "bayes": {...} or None, "notes": [...]}`; None on a worker that
        is not the chief.

    Raises:
        ValueError: If a setting does not fit, or the workdir holds another experiment.
        FileNotFoundError: If raw or prepared files are missing, or the data or the workdir are deleted meanwhile.
        ConnectionError: If another worker was lost.
    """
    local_path(workdir, "`workdir`")
    _check_workdir(workdir, settings)
    distribution = make_strategy(strategy, num_devices, settings.cpu_replicas)
    chief = is_chief(distribution)
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True, quiet=not chief)
    data = _load(settings, data_dir, raw)
    console.print(f"{data!r}")
    if settings.jit_compile and keras.backend.backend() == "tensorflow":
        keep_loops_rolled()
    task = _task(settings, data)
    for name in (*settings.baselines, settings.model):
        _build(name, data, settings, task)  # refuses wrong hyperparameters before anything is written
    starts = {}
    if settings.warm_start is not None:
        run = pathlib.Path(settings.warm_start)
        starts = {name: start_from(run, name, data, console) for name in (*settings.baselines, settings.model)}
    with _locked(workdir) if chief else contextlib.nullcontext(), _naming_causes(data):
        if chief:
            _check_workdir(workdir, settings)  # another process may have begun since
            write_json(workdir / "experiment.json", _description(settings, data, distribution))
            _keep_encoding(data, workdir / ENCODING)
        results, histories = {}, {}
        for name in (*settings.baselines, settings.model):
            folder = workdir if name == settings.model else workdir / BASELINES / name
            if chief:
                folder.mkdir(parents=True, exist_ok=True)
            set_seed(settings.seed, settings.jit_compile)
            with distribution.scope():
                model = _build(name, data, settings, task)
            record = UnrecordedRun()
            if track and chief:
                record = record_run(settings, data, model, folder, workdir, tracking_uri, console)
            with record:
                # On several hosts, all need callbacks or none.
                watching = {"callbacks": [record]} if track else {}
                start = starts.get(name)
                result = _train(model, data, settings, folder, console, checkpoint_options, start, watching)
                record.log_result(result, model)
            histories[name] = result.pop("history")
            results[name] = {
                "model": name,
                "dataset": data.name,
                "seed": settings.seed,
                "task": task,
                "monitor": settings.monitor or task_of(task).monitor,
                "num_parameters": model.count_params(),
                "epochs": len(histories[name]),
                **result,
            }
            if chief and name != settings.model:
                write_json(folder / "metrics.json", results[name])
                record.log_files()
        if not chief:
            return None
        if any(map(is_on_several_hosts, model.weights)):  # pyright: ignore[reportPossiblyUnboundVariable]
            model = keras.saving.load_model(workdir / MODEL_FILE)  # whole: the other hosts have ended
        bayes = data.truth["bayes"] if data.truth else None
        notes = _explain(model, data, workdir)  # pyright: ignore[reportPossiblyUnboundVariable] (one at least)
        if "weight" in data.columns:
            notes.append(
                "Rows have weights: a row of weight 2 counts as two rows, in the loss and in all metrics but those of "
                "places within groups."
            )
        if task == "classification":
            _draw_calibration(model, data, workdir)  # pyright: ignore[reportPossiblyUnboundVariable]
        monitor = settings.monitor or task_of(task).monitor
        plot_learning_curves(histories, workdir / "learning_curves.png", bayes and bayes["valid"], monitor)
        outcome = {"dataset": data.name, "models": results, "bayes": bayes and bayes["test"], "notes": notes}
        outcome |= {"task": task, "monitor": monitor, "has_interactions": (workdir / "interactions.png").is_file()}
        write_text(workdir / "report.md", report(settings, data, outcome, histories))
        write_json(workdir / "metrics.json", results[settings.model])  # last: with it a run counts as finished
        record.log_files()  # pyright: ignore[reportPossiblyUnboundVariable]
        return outcome


def _keep_encoding(data, folder):
    """Save how the data's cells become ids next to the model, for new rows: the prepared folder may be deleted."""
    encoding = getattr(data, "encoding", None)
    if encoding is not None and not folder.is_dir():
        with replaced_folder(folder) as temporary:
            encoding.save(temporary)


def _train(model, data, settings, folder, console, checkpoint_options, start, watching):
    strategy = strategy_of(model)
    num_replicas = num_replicas_of(model)
    try:
        options = settings.training_options(
            learning_rate=scaled_learning_rate(settings.learning_rate, settings.learning_rate_scaling, num_replicas),
            cpu_replicas=usable_cpu_replicas(settings.cpu_replicas, strategy),
            **checkpoint_options,
        )
        return train(model, data, options, folder=folder, console=console, start=start, **watching)
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        if not host_is_lost(error, hosts_of(strategy)):
            raise
        _check_data(data)
        raise ConnectionError(
            f"Another host was lost ({type(error).__name__}). Run the same command on all hosts to resume from the "
            "last checkpoint."
        ) from error


@contextlib.contextmanager
def _naming_causes(data):
    """Turn errors that have a cause outside the code, such as deleted data, into errors that name it."""
    try:
        yield
    except FileNotFoundError:
        _check_data(data)
        raise
    except tf.errors.OpError as error:
        _check_data(data)
        what = " ".join((error.message or "").split())[:200]
        if isinstance(error, tf.errors.DataLossError):
            data.check_shards()  # names the damaged one
            raise ValueError(
                f"The rows in {data.folder} are damaged ({what}). Delete the folder and prepare it again."
            ) from error
        if isinstance(error, tf.errors.ResourceExhaustedError):
            raise ValueError(f"The memory does not suffice. Set a smaller --batch_size or model. ({what})") from error
        raise


def _check_data(data):
    """Raise an error that names the missing file if the data were deleted or changed since they were opened."""
    try:
        data_pipelines.load(data.folder)
    except (OSError, ValueError) as error:
        kind = FileNotFoundError if isinstance(error, OSError) else ValueError
        raise kind(f"The data changed during training: {error}") from error


@contextlib.contextmanager
def _locked(workdir):
    """Make the workdir, keep other processes from writing into it, and tell if it was deleted meanwhile."""
    workdir.mkdir(parents=True, exist_ok=True)
    with open(workdir / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"Another process is writing into {workdir}. Wait for it, or choose another --workdir."
            ) from None
        try:
            yield
        except FileNotFoundError:
            _check_kept(workdir, lock)
            raise
        _check_kept(workdir, lock)


def _check_kept(workdir, lock):
    """Raise an error if the workdir is no longer the one that was locked, or has lost the settings of the run."""
    path = workdir / ".lock"
    other = path.is_file() and not os.path.samestat(path.stat(), os.fstat(lock.fileno()))
    if other or not (workdir / "experiment.json").is_file():
        raise FileNotFoundError(
            f"{workdir} was deleted during training, with its checkpoints. Rerun the command to start again."
        )


def _check_workdir(workdir, settings):
    path = workdir / "experiment.json"
    begun = any(any(workdir.glob(pattern)) for pattern in ("checkpoints", "metrics.json", f"{BASELINES}/*/checkpoints"))
    if not path.is_file() or not begun:  # what a refused run left may be replaced
        return
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        earlier = stored_settings(content)
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"{path} was not written by ctrzoo-train, or is damaged. Choose another --workdir, or delete it."
        ) from None
    differences = [f"{key} was {was!r}, is {now!r}" for key, (was, now) in settings.differences(earlier).items()]
    if differences:
        raise ValueError(
            f"{workdir} holds another experiment: {'; '.join(differences)}. Choose another --workdir, or delete it."
        )


def _load(settings, data_dir, raw):
    folder = settings.dataset
    if settings.dataset in data_pipelines.DATASETS:
        try:
            folder = data_pipelines.prepare(settings.dataset, data_dir, raw=raw, **settings.dataset_options)
        except TypeError as error:
            raise ValueError(
                f"Data set '{settings.dataset}' cannot be prepared with {settings.dataset_options}: {error}"
            ) from error
    data = data_pipelines.load(folder, cache_bytes=SMALL_SPLIT)
    missing = [split for split in ("train", "valid", "test") if not data.num_rows.get(split)]
    if missing:
        raise ValueError(
            f"{data.folder} has no rows in {' and '.join(missing)}. Training needs train, valid (to choose the epoch) "
            "and test (to report): change `split` in the schema and prepare the table again."
        )
    return data


def _task(settings, data):
    """Return the task: the one that is set, otherwise that of the data's labels."""
    task = DEFAULT_TASKS[data.label_kind] if settings.task == "auto" else settings.task
    loss_name(task, settings.loss)  # raises an error if the loss is of another task
    return task


def _build(name, data, settings, task):
    known = models.hyperparameters_of(name)
    hyperparameters = {key: value for key, value in settings.hyperparameters.items() if key in known}
    hyperparameters |= {"negative_rate": data.negative_rate} if task == "classification" else {}
    try:
        return models.build(
            name, data.schema, **hyperparameters, task=task, loss=settings.loss, dtype=settings.precision
        )
    except (TypeError, AttributeError) as error:
        raise ValueError(f"Model '{name}' cannot be built with {hyperparameters}: {error}") from error


def _description(settings, data, strategy):
    return {
        "ctrzoo_version": ctrzoo.__version__,
        "settings": settings.to_dict(),
        "data": {
            "folder": str(data.folder),
            "fingerprint": data.fingerprint,
            "num_rows": data.num_rows,
            "options": data.options,
        },
        "devices": {
            "strategy": type(strategy).__name__,
            "number": strategy.num_replicas_in_sync,
            "kind": device_kind(),
        },
        "backend": keras.backend.backend(),
        "versions": {"ctrzoo": ctrzoo.__version__, "tensorflow": tf.__version__, "keras": keras.__version__},
    }


def _draw_calibration(model, data, workdir):
    """Draw the calibration on the test split; this process computes it alone, as the others do not wait for it."""

    @tf.function(reduce_retracing=True)
    def predict(features):
        with for_this_process():
            return model(features, training=False)

    if keras.backend.backend() != "tensorflow":
        predict = step_of(model).predict

    parts = [
        (labels, predict(features), *weights[:1])
        for features, labels, *weights in data.dataset("test", EVALUATION_BATCH, shuffle=False)
    ]
    columns = [np.concatenate([np.ravel(part) for part in column]) for column in zip(*parts, strict=True)]
    labels, scores, *weights = columns
    plot_calibration(labels, scores, workdir / "calibration.png", f"{model.name}, test split", *weights)


def _explain(model, data, workdir):
    """Write the interactions that the model found as a table and a picture; say how many planted ones it found."""
    strengths = mean_strengths(model, data.dataset("test", EVALUATION_BATCH, shuffle=False).take(EXPLAINED_BATCHES))
    if strengths is None:
        return []
    names = data.schema.names
    pairs = [(strengths[i, j], names[j], names[i]) for i in range(len(names)) for j in range(i)]
    pairs.sort(reverse=True)
    planted = [frozenset(pair) for pair in data.truth["pairs"]] if data.truth else []
    rows = []
    for rank, (strength, field, other) in enumerate(pairs, start=1):
        row = {"rank": rank, "field": field, "other_field": other, "strength": f"{strength:.6g}"}
        rows.append(row | ({"planted": int(frozenset((field, other)) in planted)} if planted else {}))
    write_csv(workdir / "interactions.csv", rows)
    most = EXPLAINED_BATCHES * EVALUATION_BATCH
    which = "test split" if data.num_rows["test"] <= most else f"first {most:,} test rows"
    title = f"{model.name}: mean strength of pairs, {which}"
    plot_interactions(strengths, names, workdir / "interactions.png", title, planted)
    found = sum(frozenset(pair) in planted for _, *pair in pairs[: len(planted)])
    note = f"{found} of the {len(planted)} planted pairs are among the {len(planted)} strongest of {model.name}."
    return [note] if planted else []
