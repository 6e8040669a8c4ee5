"""What MLflow is told of the models of an experiment."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import keras
from rich.console import Console

import ctrzoo
from ctrzoo.model import CTRModel

from ... import models
from ..settings import Settings
from .run import RecordedRun
from .store import address_of

# Settings that name several things, or are recorded by the names within them.
NOT_RECORDED = ("model", "baselines", "hyperparameters", "dataset_options")


class UnrecordedRun(keras.callbacks.Callback):
    """A training that is not recorded, with the methods of one that is."""

    def __enter__(self) -> UnrecordedRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def log_result(self, result: Mapping[str, Any], model: CTRModel) -> None:
        """Do nothing."""

    def log_files(self) -> None:
        """Do nothing."""


def parameters_of(settings: Settings, model: CTRModel, name: str) -> dict[str, Any]:
    """Return what a model is trained with, by name: settings, options of the data set, and hyperparameters.

    Hyperparameters include those that are left at their defaults.

    Args:
        settings: The settings of the experiment.
        model: The model.
        name: Its key in `ctrzoo.models.MODELS`.
    """
    general = {key: value for key, value in settings.to_dict().items() if key not in NOT_RECORDED}
    own = {**models.hyperparameters_of(name), "num_parameters": model.count_params()}
    own |= {key: value for key, value in settings.hyperparameters.items() if key in own}
    return {**general, **settings.dataset_options, **own, "model": name, "task": model.task}


def record_run(
    settings: Settings,
    data: Any,
    model: CTRModel,
    folder: pathlib.Path,
    workdir: pathlib.Path,
    tracking_uri: str | None,
    console: Console,
) -> RecordedRun:
    """Return the run of MLflow that records the training of a model of an experiment.

    The experiment of MLflow is called like the data set; the run is called like the workdir and, for a baseline, the
    model.

    Args:
        settings: The settings of the experiment.
        data: The prepared data.
        model: The model, named by its key in `ctrzoo.models.MODELS`.
        folder: The folder of the model's files: the workdir or one within it.
        workdir: The folder of the experiment.
        tracking_uri: Where MLflow records, see `address_of`; by default in `mlruns` next to the workdir.
        console: The `rich` console for messages.

    Raises:
        ValueError: If MLflow cannot record there.
    """
    name = workdir.name if folder == workdir else f"{workdir.name}/{model.name}"
    tags = {"ctrzoo_version": ctrzoo.__version__, "data_fingerprint": str(data.fingerprint), "folder": str(folder)}
    parameters = parameters_of(settings, model, model.name)
    address = address_of(tracking_uri, workdir.resolve().parent)
    return RecordedRun(folder, name, data.name, parameters, tags, address, console)
