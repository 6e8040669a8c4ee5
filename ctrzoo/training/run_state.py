"""The content of a run's checkpoint: `RunStore.save` writes all of it, and `RunStore.restore` reads it.

| name in the file | what |
|---|---|
| `ctrzoo_version` | the version that wrote it |
| `run` | everything that determines the outcome: model, optimizer, data, options (`describe_run`) |
| `state` | `RunState`: epoch, step, sums of the epoch, history |
| `model/<i>` | the variables of the model, including dropout states |
| `optimizer/<i>` | the variables of the optimizer, including its step count |
| `best/<i>` | the weights of the best epoch |

A finished run keeps only its best weights. The content does not depend on the strategy: a run can resume with another
number of devices or CPU replicas, but not on another backend, which would draw other random numbers.
"""

import dataclasses
import functools
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

import ctrzoo
from ctrzoo.distribution import is_on_several_hosts, restore, stored, stored_shape
from ctrzoo.files import remove_leftovers
from ctrzoo.model import CTRModel
from ctrzoo.optimizers.owners import owners_of
from ctrzoo.training.checkpoints import Checkpoints, damaged
from ctrzoo.training.options import TrainingOptions
from ctrzoo.training.schedules import improves
from ctrzoo.training.strategy import is_chief, strategy_of
from ctrzoo.types import Config, Path
from ctrzoo.validation import _first

FOLDER = "checkpoints"


@dataclasses.dataclass
class RunState:
    """Training progress: with the variables, everything needed to resume.

    Attributes:
        epoch: Number of finished epochs.
        step: Number of finished steps in the current epoch.
        steps: Number of finished steps in all epochs.
        rows: Rows trained on in the current epoch.
        loss_sum: Sum of their losses.
        seconds: Time spent in the current epoch.
        first_loss: Loss of the first step of the run.
        best_epoch: The epoch, from 1, with the best monitored metric; 0 before the first.
        finished: Whether training is over.
        history: A dictionary of numbers for each finished epoch.
        random: The states of the model's random numbers after the best epoch, so that another run can go on with them.
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
    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    random: list[list[int]] = dataclasses.field(default_factory=list)

    @property
    def loss(self) -> float:
        """Mean loss of the epoch so far."""
        return self.loss_sum / self.rows

    def add_step(self, loss: float, rows: int) -> None:
        """Count a step."""
        self.step, self.steps, self.rows = self.step + 1, self.steps + 1, self.rows + rows
        self.loss_sum += loss * rows

    def end_epoch(self, row: dict[str, Any], epochs: int, patience: int, monitor: str = "log_loss") -> None:
        """Count an epoch and decide whether it is the best or the last.

        Args:
            row: The row of the history.
            epochs: The most epochs.
            patience: Epochs without an improvement before training stops.
            monitor: The validation metric that says which epoch is the best.
        """
        self.history.append(row)
        self.epoch, self.step, self.rows, self.loss_sum, self.seconds = self.epoch + 1, 0, 0, 0.0, 0.0
        values = np.array([entry[f"valid_{monitor}"] for entry in self.history], np.float64)
        if self.best_epoch == 0 or improves(values, monitor)[-1]:
            self.best_epoch = self.epoch
        self.finished = self.epoch >= epochs or self.epoch - self.best_epoch >= patience


class RunStore:
    """The checkpoints of a run.

    Args:
        model: The compiled model, with its optimizer built.
        folder: The folder of the run.
        keep: How many checkpoints to keep.
        description: What `describe_run` returns.
    """

    def __init__(self, model: CTRModel, folder: Path, keep: int, description: Config) -> None:
        self.model, self.description = model, description
        self.checkpoints = Checkpoints(pathlib.Path(folder) / FOLDER, keep)
        self.writes = is_chief(strategy_of(model))
        if self.writes:
            remove_leftovers(folder)

    def save(self, state: RunState, best: list[np.ndarray]) -> None:
        """Write a checkpoint; processes that do not write files only take part in gathering divided tables.

        Args:
            state: The progress of the run.
            best: The weights of the best epoch; empty before the first.
        """
        arrays: dict[str, Any] = {f"best/{index}": weight for index, weight in enumerate(best)}
        if state.finished:
            self.checkpoints.keep = 1  # from now on, only the best weights are needed
        else:
            arrays |= {name: functools.partial(stored, *variable) for name, *variable in self._variables()}
        if not self.writes:
            for variable, owner in [] if state.finished else [each[1:] for each in self._variables()]:
                if is_on_several_hosts(variable):
                    stored(variable, owner)
            return
        content = {"ctrzoo_version": ctrzoo.__version__, "run": self.description, "state": dataclasses.asdict(state)}
        self.checkpoints.save(state.steps, content, arrays)

    def restore(self) -> tuple[RunState, list[np.ndarray]] | None:
        """Restore all variables from the last checkpoint; return its state and best weights, or None without one.

        Raises:
            ValueError: If the checkpoint cannot be read or belongs to another run.
        """
        restored = self.checkpoints.restore()
        if restored is None:
            return None
        content, arrays = restored
        version = content.get("ctrzoo_version", "0.1.0")
        try:
            earlier, state = content["run"], RunState(**content["state"])
            best = [arrays[f"best/{index}"] for index in range(sum(name.startswith("best/") for name in arrays))]
        except (KeyError, TypeError) as error:  # damage that the checksums of version 0.1 do not cover
            raise damaged(self.checkpoints.paths()[-1], f"it does not hold a run: {error}") from error
        check_same_run(earlier, self.description, self.checkpoints.folder, version)
        shapes = [stored_shape(weight) for weight in self.model.weights]
        if [array.shape for array in best] not in ([], shapes) or (not best and state.best_epoch):
            raise damaged(self.checkpoints.paths()[-1], "it lacks weights of the best epoch")
        for name, variable, owner in () if state.finished else self._variables():
            shape = stored_shape(variable, owner)
            if name not in arrays or arrays[name].shape != shape:
                raise damaged(self.checkpoints.paths()[-1], f"it lacks {name} of shape {shape}")
            restore(variable, arrays[name], owner)
        return state, best

    def _variables(self) -> Iterator[tuple[str, Any, Any]]:
        """Yield the name of each array, its variable, and the weight that it is the state of, if it is of one."""
        # `variables`, not `weights`: they include the dropout states.
        owners = owners_of(self.model.optimizer)
        for kind, variables in (("model", self.model.variables), ("optimizer", self.model.optimizer.variables)):
            for index, variable in enumerate(variables):
                yield f"{kind}/{index}", variable, owners.get(id(variable))


def random_states(model: CTRModel) -> list[Any]:
    """Return the variables of a model's random numbers, such as those of dropout, which are no weights."""
    weights = {id(weight) for weight in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]


def check_same_run(earlier: Config, now: Config, folder: Path, version: str = ctrzoo.__version__) -> None:
    """Raise an error if a run's settings differ from those it began with.

    Args:
        earlier: The description of the run in the checkpoint, a flat dictionary.
        now: The description of this run.
        folder: The folder of the checkpoint.
        version: The version of ctrzoo that wrote the checkpoint.

    Raises:
        ValueError: If they differ; the message lists the first differences.
    """
    if version.startswith("0.1."):
        earlier = _upgraded(earlier)
    if "backend" in now:  # TensorFlow's runs did not always tell
        earlier = {**earlier, "backend": earlier.get("backend") or "tensorflow"}
    differences = [
        f"{key} was {_short(earlier.get(key))}, is {_short(now.get(key))}"
        for key in {**earlier, **now}
        if earlier.get(key) != now.get(key)
    ]
    if differences:
        install = "" if version == ctrzoo.__version__ else f"To resume that run, install ctrzoo {version}. "
        raise ValueError(
            f"{folder} holds checkpoints of another run: {_first(differences)}. {install}"
            "Choose another folder, or delete this one to start over."
        )


def _upgraded(run: Config) -> Config:
    """Translate the description of a version 0.1 run to the names of this version."""
    names = {"learning_rate_decay": "plateau_factor"}
    renamed = {names.get(key, key): value for key, value in run.items()}
    for key in ("batch_norm", "deep_batch_norm"):  # the momentum of version 0.1 could not be chosen
        if f"model.{key}" in run:
            used = run[f"model.{key}"] and run["model"] != "NFM"
            renamed.setdefault(f"model.{key}_momentum", 0.99 if used else 0.9)
    return {**renamed, "optimizer": "LazyAdam"} if run.get("optimizer") == "Adam" else renamed


def describe_run(
    model: CTRModel, data: Any, options: TrainingOptions, start: str | None = None, num_parts: int = 1
) -> Config:
    """Return everything that determines the outcome of a run, as a flat JSON-serializable dictionary.

    Args:
        model: The compiled model.
        data: The data of `ctrzoo.training.train`.
        options: The options of the run.
        start: What tells the start of the run from others; None if it starts from the model as it is built.
        num_parts: Parts that the files of the data are divided into.
    """
    optimizer = _without_names(keras.saving.serialize_keras_object(model.optimizer))
    config = model.get_config()
    description = {
        "model": type(model).__name__,
        **{f"model.{key}": value for key, value in config.items() if key not in _OTHER_KEYS},
        "model.negative_rate": model.negative_rate if model.negative_rate != 1 else None,
        "optimizer": optimizer["class_name"],
        **{f"optimizer.{key}": _shortened(value) for key, value in optimizer["config"].items()},
        "precision": _precision(config),  # the model's own, not the process' current one
        "jit_compile": options.jit_compile,
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "learning_rate_schedule": options.learning_rate_schedule,
        "plateau_factor": options.plateau_factor,
        "patience": options.patience,
        "monitor": options.monitor,
        "positive_weight": options.positive_weight if options.positive_weight != 1 else None,
        "seed": options.seed,
        "data_parts": num_parts if num_parts != 1 else None,
        "num_rows": data.num_rows,
        "data fingerprint": getattr(data, "fingerprint", None),
        "start": start,
        "backend": keras.backend.backend(),
    }
    return json.loads(json.dumps(description, default=str))


_OTHER_KEYS = (
    "name",
    "precision",
    "dtype",
    "trainable",
    "ctrzoo_version",
)  # no effect on the outcome, or described separately


def _precision(config: Config) -> str | None:
    """Return the name of the dtype policy in a model's configuration."""
    policy = config.get("precision", config.get("dtype"))
    return policy["config"]["name"] if isinstance(policy, dict) else policy


def _without_names(config: Any) -> Any:
    """Leave out the names, because Keras numbers them by everything the process has created."""
    if not isinstance(config, dict):
        return config
    return {key: _without_names(value) for key, value in config.items() if key != "name"}


def _shortened(value: Any) -> Any:
    """Round a float32 to its significant digits."""
    return float(f"{value:.7g}") if isinstance(value, float) else value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
