"""A training recorded with MLflow: settings, metrics of each epoch, files and the model."""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import json
import os
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import keras
from rich.console import Console

from ctrzoo.files import write_json
from ctrzoo.model import CTRModel
from ctrzoo.training import MODEL_FILE
from ctrzoo.unfinished import temporary_folder

from .model import save_model

# Says which run of which store records the folder that it is in.
RECORD = "mlflow.json"
# MLflow takes so many parameters at once, and values of this length.
MOST_AT_ONCE = 100
LONGEST_VALUE = 6000
FILES = ("experiment.json", "metrics.json", "history.csv", "report.md", "interactions.csv", "*.png")


def metric_name(name: str) -> str:
    """Return the name of a metric as MLflow allows it.

    >>> metric_name("valid_ndcg@10")
    'valid_ndcg_at_10'
    """
    return name.replace("@", "_at_")


class RecordedRun(keras.callbacks.Callback):
    """A training that MLflow records: a callback for `train`, and a context manager around it.

    The folder of the training remembers its MLflow run, which goes on when the training is resumed. The run ends as
    `FINISHED`, as `FAILED`, or as `KILLED` after Ctrl-C or SIGTERM. After SIGKILL it stays `RUNNING`. If the store
    fails during training, training goes on without it.

    Args:
        folder: The existing folder of the training.
        name: Name of the run.
        experiment: Name of the experiment.
        parameters: Settings by name.
        tags: Tags by name.
        address: The address of the store, as `address_of` returns it.
        console: The `rich` console for messages.

    Raises:
        ValueError: If the store cannot be used.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        name: str,
        experiment: str,
        parameters: Mapping[str, Any],
        tags: Mapping[str, str],
        address: str,
        console: Console,
    ) -> None:
        super().__init__()
        self.folder, self.address, self._console, self._works = folder, address, console, True
        parts = urlparse(address)
        self._store = pathlib.Path(url2pathname(parts.path)) if parts.scheme == "file" else None
        if self._store:
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # otherwise MLflow wants a database
        tracking, self._entities = (importlib.import_module(f"mlflow.{part}") for part in ("tracking", "entities"))
        try:
            if self._store:
                self._store.mkdir(parents=True, exist_ok=True)
            self._client = tracking.MlflowClient(tracking_uri=address)
            self.run_id = self._earlier_run() or self._new_run(name, experiment, parameters, tags)
            self._client.update_run(self.run_id, status="RUNNING")
            self._logged = {entry.step for entry in self._client.get_metric_history(self.run_id, "loss")}
        except Exception as error:  # MLflow's, of a network, of a database
            raise ValueError(
                f"MLflow cannot record to {address} ({_one_line(error)}). Pass another --tracking_uri, or no --track."
            ) from error

    def __enter__(self) -> RecordedRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        status = "FINISHED" if kind is None else "FAILED" if issubclass(kind, Exception) else "KILLED"
        self._attempt(lambda: self._client.set_terminated(self.run_id, status))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Log the metrics of an epoch; its step is its number from 1."""
        self._log_epoch(epoch + 1, logs or {})

    def log_result(self, result: Mapping[str, Any], model: CTRModel) -> None:
        """Log what a training returned, the epochs that were not logged, and the model.

        Args:
            result: What `train` returned.
            model: The model with the weights of the best epoch, which is in the folder too.
        """
        for row in result["history"]:
            self._log_epoch(row["epoch"], {name: value for name, value in row.items() if name != "epoch"})
        test = {f"test_{name}": value for name, value in result["test"].items()}
        self._log_metrics({"best_epoch": result["best_epoch"], **test}, result["best_epoch"])
        self._attempt(lambda: self._log_model(model))

    def log_files(self) -> None:
        """Log the files of the folder: settings, metrics, history, report and pictures."""
        for path in sorted(path for pattern in FILES for path in self.folder.glob(pattern)):
            self._attempt(lambda path=path: self._client.log_artifact(self.run_id, str(path)))

    def _log_epoch(self, step, row):
        if step not in self._logged:
            self._logged.add(step)
            self._log_metrics(row, step)

    def _log_metrics(self, values, step):
        now = int(time.time() * 1000)
        known = {metric_name(name): float(value) for name, value in values.items() if value is not None}
        metrics = [self._entities.Metric(name, value, now, step) for name, value in known.items()]
        self._attempt(lambda: self._client.log_batch(self.run_id, metrics=metrics))

    def _log_model(self, model):
        with temporary_folder("model") as folder:
            place = folder / "model"
            save_model(model, place, self.folder / MODEL_FILE)
            self._client.log_artifacts(self.run_id, str(place), "model")

    def _new_run(self, name, experiment, parameters, tags):
        with self._one_process():
            found = self._client.get_experiment_by_name(experiment)
            number = found.experiment_id if found else self._client.create_experiment(experiment)
        run_id = self._client.create_run(number, run_name=name, tags=dict(tags)).info.run_id
        entries = [self._entities.Param(key, str(value)[:LONGEST_VALUE]) for key, value in parameters.items()]
        for start in range(0, len(entries), MOST_AT_ONCE):
            self._client.log_batch(run_id, params=entries[start : start + MOST_AT_ONCE])
        write_json(self.folder / RECORD, {"tracking_uri": self.address, "run_id": run_id})
        return run_id

    def _earlier_run(self):
        """Return the id of the run that records this folder in this store; None if there is none."""
        path = self.folder / RECORD
        if not path.is_file():
            return None
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            address, run_id = record["tracking_uri"], record["run_id"]
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{path} is damaged; delete it to record a new run") from None
        if address == self.address:
            exceptions = importlib.import_module("mlflow.exceptions")
            try:
                if self._client.get_run(run_id).info.lifecycle_stage == "active":
                    return run_id
            except exceptions.MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
        self._console.print(f"The run {run_id} of {address} is not in {self.address}. MLflow records a new one.")
        return None

    @contextlib.contextmanager
    def _one_process(self) -> Iterator[None]:
        """Keep another process from making the same experiment: a store of files would then have two."""
        if self._store is None:
            yield
            return
        with open(self._store / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _attempt(self, record: Callable[[], Any]) -> None:
        """Record something; turn an error of the store into a line, after which nothing more is recorded."""
        if not self._works:
            return
        try:
            record()
        except Exception as error:
            self._works = False
            self._console.print(
                f"MLflow cannot record to {self.address} ({_one_line(error)}). The run goes on without it. Rerun the "
                "command to record what is missing."
            )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
