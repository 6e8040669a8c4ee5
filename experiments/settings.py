"""The settings of a run: defaults, then a configuration file, then flags, then `--set`."""

import ast
import contextlib
import dataclasses
import importlib
import importlib.util
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from ctrzoo.optimizers import registry
from ctrzoo.suggest import unknown
from ctrzoo.types import Config

from .. import data_pipelines

CHOICES = {
    "learning_rate_scaling": ("none", "sqrt", "linear"),
    "learning_rate_schedule": ("constant", "cosine"),
    "precision": ("float32", "mixed_bfloat16", "mixed_float16"),
}
CONFIGS = pathlib.Path(__file__).resolve().parent / "configs"


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that decides the outcome of a run, but for code and data.

    Attributes:
        dataset: A data set of `ctrzoo.data_pipelines`, or the path of a prepared folder.
        model: The model of the zoo to train.
        baselines: Models trained beside it on the same data.
        epochs: The most passes over the training rows.
        batch_size: Rows a step, on all devices together.
        learning_rate: Step size of the optimizer in the first epoch.
        learning_rate_schedule: `"constant"`, or `"cosine"`: it falls from epoch to epoch along half a cosine, and
            would be zero after all `epochs`.
        plateau_factor: Factor of the step size after each epoch without a lower validation log loss; 1 keeps it.
        learning_rate_scaling: `"none"`, or how the step size grows with the number of devices: `"sqrt"`, `"linear"`.
        optimizer: A name of `ctrzoo.optimizers.OPTIMIZERS`.
        precision: `"float32"`, `"mixed_bfloat16"`, or `"mixed_float16"`, which scales the loss.
        jit_compile: Whether XLA compiles the training step.
        cpu_replicas: Parts of a batch that a CPU computes side by side, for models of many small operations. Has no
            effect on GPUs and on several devices.
        patience: Epochs without a lower validation log loss before training stops.
        seed: Seed of weights, dropout and order of rows.
        hyperparameters: Arguments of the model (and of those baselines that have them).
        dataset_options: Options of the data set.
    """

    dataset: str = "synthetic"
    model: str = "graphfm"
    baselines: tuple[str, ...] = ()
    epochs: int = 50
    batch_size: int = 1024
    learning_rate: float = 1e-3
    learning_rate_schedule: str = "constant"
    plateau_factor: float = 1.0
    learning_rate_scaling: str = "none"
    optimizer: str = "lazy_adam"
    precision: str = "float32"
    jit_compile: bool = False
    cpu_replicas: int = 1
    patience: int = 3
    seed: int = 2018
    hyperparameters: Mapping = dataclasses.field(default_factory=dict)
    dataset_options: Mapping = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        for key in ("epochs", "batch_size", "cpu_replicas", "patience"):
            self._check(key, int, lambda number: number >= 1, "a whole number of at least 1")
        self._check("seed", int, lambda number: 0 <= number < 2**32, "a whole number from 0 to 4,294,967,295")
        self._check("learning_rate", (int, float), lambda number: number > 0, "a number above 0")
        self._check("plateau_factor", (int, float), lambda factor: 0 < factor <= 1, "above 0 and at most 1")
        for key, choices in CHOICES.items():
            self._check(key, str, lambda name, choices=choices: name in choices, f"one of {', '.join(choices)}")
        if not isinstance(self.jit_compile, bool):
            raise ValueError(f"The setting 'jit_compile' must be True or False. Received: {self.jit_compile!r}.")

    def _check(self, key, kind, is_right, wanted):
        value = getattr(self, key)
        if isinstance(value, bool) or not isinstance(value, kind) or not is_right(value):
            raise ValueError(f"The setting '{key}' must be {wanted}. Received: {value!r}.")

    def to_dict(self):
        """Return the settings as JSON holds them."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def changed(self):
        """Return those that are not the defaults, as JSON holds them: a setting added later does not alter it."""
        defaults = Settings().to_dict()
        return {key: value for key, value in self.to_dict().items() if value != defaults[key]}

    def differences(self, stored):
        """Compare with settings that were stored, maybe before some of today's existed.

        Args:
            stored: What `to_dict` returned once.

        Returns:
            `{key: (stored value, value now)}` of those that differ.
        """
        stored, now = {**Settings().to_dict(), **stored}, self.to_dict()
        return {key: (stored.get(key), now.get(key)) for key in {**stored, **now} if stored.get(key) != now.get(key)}


def upgraded(settings: Config, version: str) -> Config:
    """Return stored settings under the names of this version.

    Args:
        settings: What `Settings.to_dict` returned, or a part of it.
        version: The version of ctrzoo that stored it, as in `experiment.json`.

    >>> upgraded({"optimizer": "dense_adam", "branches": 2, "epochs": 3}, "0.1.0")
    {'epochs': 3, 'optimizer': 'adam', 'cpu_replicas': 2}
    >>> upgraded({"optimizer": "adam"}, "0.2.0")
    {'optimizer': 'adam'}
    """
    if not version.startswith("0.1."):
        return dict(settings)
    kept = {key: value for key, value in settings.items() if key not in (*_RENAMED, "optimizer")}
    # Without an entry the old default counted, whose new name is the new default.
    optimizer = {key: _RENAMED_OPTIMIZERS.get(value, value) for key, value in settings.items() if key == "optimizer"}
    renamed = {new: settings[old] for old, new in _RENAMED.items() if old in settings}
    return {**kept, **optimizer, **renamed}


def stored_settings(experiment: Mapping[str, Any]) -> Config:
    """Return the settings in a content of `experiment.json` under the names of this version.

    Args:
        experiment: The content. Its `ctrzoo_version` says whose names it uses; files of version 0.1 say only
            which version trained.

    Raises:
        KeyError: If it has no settings.
    """
    version = experiment.get("ctrzoo_version") or experiment.get("versions", {}).get("ctrzoo", "0.1.0")
    return upgraded(experiment["settings"], version)


# Names of version 0.1 and what they are called since.
_RENAMED = {"branches": "cpu_replicas", "learning_rate_decay": "plateau_factor"}
_RENAMED_OPTIMIZERS = {"adam": "lazy_adam", "dense_adam": "adam"}

NESTED = ("hyperparameters", "dataset_options")
PLAIN = tuple(field.name for field in dataclasses.fields(Settings) if field.name not in NESTED)


def resolve(flags, assignments=(), config=None):
    """Merge all sources of settings.

    Args:
        flags: Settings given as flags, by name; they win over the configuration file.
        assignments: Texts `key=value`; the last word on any setting, hyperparameter or data set option.
        config: Path of a Python file whose `get_config()` returns a mapping of the same keys; `"none"`
            for no file; `None` takes `configs/<dataset>/<model>.py`, or else `configs/<dataset>/defaults.py`,
            if there is one.

    Returns:
        The `Settings` and the path of the configuration file that was used, or `None`.

    Raises:
        ValueError: If a key is unknown, or a value or the file is wrong.
    """
    assigned = dict(parse_assignment(text) for text in assignments)
    chosen = {"dataset": Settings.dataset, "model": Settings.model, **flags, **assigned}
    if config is None:
        dataset = pathlib.Path(str(chosen["dataset"])).name
        tuned = [CONFIGS / dataset / f"{name}.py" for name in (str(chosen["model"]), "defaults")]
        config = next((path for path in tuned if path.is_file()), "none")
    from_file = {} if config == "none" else _read_config(pathlib.Path(config))
    merged = {**from_file, **flags, **assigned}
    return _sort(merged), None if config == "none" else str(config)


def _sort(merged):
    """Tell settings, hyperparameters and data set options apart by their names."""
    from .. import models  # slow: they load Keras

    for key in ("dataset", "model", "optimizer"):
        if not isinstance(merged.get(key, ""), (str, os.PathLike)):
            raise ValueError(f"The setting '{key}' must be a text. Received: {merged[key]!r}.")
    settings = {key: value for key, value in merged.items() if key in PLAIN}
    settings["baselines"] = _names(settings.get("baselines", ()))
    names = (settings.get("model", Settings.model), *settings["baselines"])
    for name in names:
        if name not in models.MODELS:
            raise ValueError(unknown("model", name, models.MODELS))
    registry.entry_of(settings.get("optimizer", Settings.optimizer))  # refuses an unknown one
    known = {key for name in names for key in models.hyperparameters_of(name)}
    dataset = settings.get("dataset", Settings.dataset)
    options = data_pipelines.options_of(dataset) if not _is_folder(dataset) else {}
    nested = {key: {} for key in NESTED}
    for key, value in merged.items():
        if key in known:
            nested["hyperparameters"][key] = value
        elif key in options:
            nested["dataset_options"][key] = value
        elif key not in PLAIN:
            raise ValueError(unknown("setting", key, [*PLAIN, *known, *options]))
    return Settings(**settings, **nested)


def _is_folder(dataset):
    return dataset not in data_pipelines.DATASETS and pathlib.Path(dataset).is_dir()


def _names(value):
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"The setting 'baselines' must be names of models, such as 'lr,fm'. Received: {value!r}.")
    return tuple(name.strip() for name in names if name.strip())


def parse_assignment(text):
    """Return key and value of a text `key=value`; the value is Python where it can be, else text."""
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise ValueError(f"--set needs key=value. Received: {text!r}.")
    try:
        return key.strip(), ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError):  # TypeError: of {[1]: 2}
        return key.strip(), value


def run_file(path):
    """Run a Python file, and return it as a module.

    A configuration of this package is imported as part of it, so that it may import its neighbours relatively.

    Raises:
        ValueError: If it is no Python file, or fails.
    """
    place = pathlib.Path(path).resolve()
    if place.is_relative_to(CONFIGS) and place.suffix == ".py":
        with failing_in(path):
            return importlib.import_module(
                ".".join(("", *place.relative_to(CONFIGS.parent).with_suffix("").parts)), __package__
            )
    specification = importlib.util.spec_from_file_location("ctrzoo_config", path)
    if specification is None or specification.loader is None:
        raise ValueError(f"The configuration {path} is no Python file. Its name must end in .py.")
    module = importlib.util.module_from_spec(specification)
    with failing_in(path):
        specification.loader.exec_module(module)
    return module


@contextlib.contextmanager
def failing_in(path):
    """Name the configuration file in which an error arose."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"The configuration file {path} failed: {type(error).__name__}: {error}.") from error


def _read_config(path):
    if not path.is_file():
        raise ValueError(f"There is no configuration file {path}. Correct --config.")
    module = run_file(path)
    with failing_in(path):
        config = module.get_config()
    if not isinstance(config, Mapping):
        raise ValueError(f"`get_config` of {path} must return a dictionary. Received: {type(config).__name__}.")
    return dict(config)
