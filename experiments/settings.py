"""The settings of a run: defaults, overridden by a configuration file, then by flags, then by `--set`."""

import ast
import contextlib
import dataclasses
import importlib
import importlib.util
import json
import os
import pathlib
import shlex
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ctrzoo.optimizers import registry
from ctrzoo.stores import as_path, is_url
from ctrzoo.suggest import unknown
from ctrzoo.tasks import TASKS
from ctrzoo.training.options import LEARNING_RATE_SCALING, TrainingOptions, check_fields, option, shared
from ctrzoo.types import Config, Path

from .. import data_pipelines
from ..data_pipelines.preparation.table import name_of_table
from ..data_pipelines.raw.layout import kind_of
from . import catalog
from .synonyms import SYNONYMS

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
CONFIGS = pathlib.Path(__file__).resolve().parent / "configs"


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that determines the outcome of a run, except code and data; help texts explain each setting.

    Raises:
        ValueError: If a setting has the wrong type or a value that is not allowed, or settings conflict.
    """

    dataset: str = option("synthetic", "A data set of the zoo, or the name or path of a prepared folder.")
    model: str = option("graphfm", "The model to train.")
    task: str = option(
        "auto",
        "What the model is trained for. auto: classification for clicks, regression for numbers, ranking for grades.",
        choices=("auto", *TASKS),
    )
    loss: str | None = option(
        None,
        "The loss, by default the first of the task. "
        + "; ".join(f"{name}: {', '.join(task.losses)}" for name, task in TASKS.items())
        + ".",
        str,
        wanted="a loss of a task, such as bpr",
        allow=lambda name: any(name in task.losses for task in TASKS.values()),
    )
    baselines: tuple[str, ...] = ()
    epochs: int = shared("epochs")
    batch_size: int = shared("batch_size")
    learning_rate: float = shared("learning_rate")
    learning_rate_schedule: str = shared("learning_rate_schedule")
    plateau_factor: float = shared("plateau_factor")
    learning_rate_scaling: str = option(
        "none",
        "How the learning rate, tuned for one device, is scaled with the number of devices.",
        choices=LEARNING_RATE_SCALING,
    )
    optimizer: str = shared("optimizer")
    precision: str = option(
        "float32",
        "Precision of computation; weights stay float32. With mixed_float16, the loss is scaled.",
        choices=PRECISIONS,
    )
    jit_compile: bool = shared("jit_compile")
    cpu_replicas: int = shared("cpu_replicas")
    data_parts: int | None = shared("data_parts")
    patience: int = shared("patience")
    monitor: str | None = shared("monitor")
    positive_weight: float = shared("positive_weight")
    seed: int = shared("seed")
    warm_start: str | None = option(
        None,
        "The folder of a finished run to start from: weights and optimizer state are carried over by field and value, "
        "and new values start as in a new model. Epochs, patience and the learning rate schedule begin anew.",
        str,
        wanted="a text",
    )
    hyperparameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    dataset_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self, "setting")
        self.training_options()  # raises an error if options conflict

    def training_options(self, **others: Any) -> TrainingOptions:
        """Return the training options among these settings.

        Args:
            **others: Further options, such as `checkpoint_steps`, or values that replace those of the settings.
        """
        names = {field.name for field in dataclasses.fields(TrainingOptions)}
        shared_options = {key: value for key, value in dataclasses.asdict(self).items() if key in names}
        return TrainingOptions(**{**shared_options, **others})

    def to_dict(self) -> Config:
        """Return the settings as JSON-serializable values."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def changed(self) -> Config:
        """Return the non-default settings, JSON-serializable: a setting added later does not change the result."""
        defaults = Settings().to_dict()
        return {key: value for key, value in self.to_dict().items() if value != defaults[key]}

    def differences(self, stored: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """Compare with stored settings, which may predate some of today's settings.

        Args:
            stored: An earlier result of `to_dict`.

        Returns:
            `{key: (stored value, current value)}` for the settings that differ.
        """
        stored, now = {**Settings().to_dict(), **stored}, self.to_dict()
        return {key: (stored.get(key), now.get(key)) for key in {**stored, **now} if stored.get(key) != now.get(key)}


def upgraded(settings: Config, version: str) -> Config:
    """Translate stored settings to the names of this version.

    Args:
        settings: A result of `Settings.to_dict`, or a part of it.
        version: The version of ctrzoo that stored it, as in `experiment.json`.

    >>> upgraded({"optimizer": "dense_adam", "branches": 2, "epochs": 3}, "0.1.0")
    {'epochs': 3, 'optimizer': 'adam', 'cpu_replicas': 2}
    >>> upgraded({"optimizer": "adam"}, "0.2.0")
    {'optimizer': 'adam'}
    """
    if not version.startswith("0.1."):
        return dict(settings)
    kept = {key: value for key, value in settings.items() if key not in (*_RENAMED, "optimizer")}
    # Without an entry, the old default applied; its new name is the new default.
    optimizer = {key: _RENAMED_OPTIMIZERS.get(value, value) for key, value in settings.items() if key == "optimizer"}
    renamed = {new: settings[old] for old, new in _RENAMED.items() if old in settings}
    return {**kept, **optimizer, **renamed}


def stored_settings(experiment: Mapping[str, Any]) -> Config:
    """Return the settings in `experiment.json`, translated to the names of this version.

    Args:
        experiment: The content of the file. Its `ctrzoo_version` tells which version's names it uses; files of
            version 0.1 give only the version that trained.

    Raises:
        KeyError: If the content has no settings.
    """
    version = experiment.get("ctrzoo_version") or experiment.get("versions", {}).get("ctrzoo", "0.1.0")
    return upgraded(experiment["settings"], version)


# Names of version 0.1 and their current names.
_RENAMED = {"branches": "cpu_replicas", "learning_rate_decay": "plateau_factor"}
_RENAMED_OPTIMIZERS = {"adam": "lazy_adam", "dense_adam": "adam"}

NESTED = ("hyperparameters", "dataset_options")
PLAIN = tuple(field.name for field in dataclasses.fields(Settings) if field.name not in NESTED)


def resolve(
    flags: Mapping[str, Any],
    assignments: Iterable[str] = (),
    config: str | None = None,
    data_dir: Path | None = None,
) -> tuple[Settings, str | None]:
    """Merge all sources of settings.

    Args:
        flags: Settings given as flags, by name; they override the configuration file.
        assignments: Texts `key=value` for any setting, hyperparameter or data set option; they override everything.
        config: Path of a Python file whose `get_config()` returns a mapping with the same keys; `"none"` for no file.
            `None` takes `configs/<dataset>/<model>.py`, else `configs/<dataset>/defaults.py`, if either exists.
        data_dir: The folder of prepared data, in which data sets of your own are found by name.

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
        config = next((str(path) for path in tuned if path.is_file()), "none")
    from_file = {} if config == "none" else _read_config(pathlib.Path(config))
    merged = {**from_file, **flags, **assigned}
    return _sort(merged, data_dir), None if config == "none" else str(config)


def _sort(merged, data_dir):
    """Separate settings, hyperparameters and data set options by their names."""
    for key in ("dataset", "model", "optimizer"):
        if not isinstance(merged.get(key, ""), (str, os.PathLike)):
            raise ValueError(f"The setting '{key}' must be a text. Received: {merged[key]!r}.")
    settings: dict[str, Any] = {key: value for key, value in merged.items() if key in PLAIN}
    settings["baselines"] = _names(settings.get("baselines", ()))
    names = (settings.get("model", Settings.model), *settings["baselines"])
    for name in names:
        if name not in catalog.model_names():
            raise ValueError(unknown("model", name, catalog.model_names()))
    registry.entry_of(settings.get("optimizer", Settings.optimizer))  # raises an error if it is unknown
    known = list(dict.fromkeys(key for name in names for key in catalog.hyperparameter_names(name)))
    dataset = settings["dataset"] = find_dataset(settings.get("dataset", Settings.dataset), data_dir)
    options = data_pipelines.options_of(dataset) if dataset in data_pipelines.DATASETS else {}
    nested: dict[str, Any] = {key: {} for key in NESTED}
    for key, value in merged.items():
        if key in known:
            nested["hyperparameters"][key] = value
        elif key in options:
            nested["dataset_options"][key] = value
        elif key == "protocol":
            raise ValueError(f"The data set '{dataset}' has no choice of protocol. {_protocols()}")
        elif key not in PLAIN:
            raise ValueError(unknown("setting", key, [*PLAIN, *known, *options], SYNONYMS))
    return Settings(**settings, **nested)


def _protocols():
    names = [name for name in data_pipelines.DATASETS if "protocol" in data_pipelines.options_of(name)]
    return f"Leave out --protocol; it is for {', '.join(names)}."


def find_dataset(dataset: Path, data_dir: Path | None = None) -> str:
    """Return the name of a benchmark, or the path of a prepared folder.

    Args:
        dataset: A benchmark, the path or URL of a prepared folder, or the name of one in `data_dir`.
        data_dir: The folder of prepared data.

    Raises:
        ValueError: If there is no such data set. If a table is given, the message tells how to prepare it.
    """
    if is_url(dataset):
        if _is_table(pathlib.PurePath(str(dataset))):
            raise ValueError(_advice(str(dataset), {}))
        return str(as_path(dataset))
    path = pathlib.Path(dataset)
    if str(dataset) in data_pipelines.DATASETS or _is_prepared(path):
        return str(dataset)
    prepared = [] if data_dir is None else sorted(pathlib.Path(data_dir).glob("*/preparation.json"))
    folders = {file.parent.name: str(file.parent.absolute()) for file in prepared}
    if str(dataset) in folders:
        return folders[str(dataset)]
    pattern = _pattern(path)
    if pattern:
        raise ValueError(_advice(pattern, folders))
    if path.is_dir():  # opening it tells what is missing
        return str(dataset)
    looked = f" Folders of `ctrzoo-prepare` are found by name in {data_dir}." if data_dir else ""
    raise ValueError(unknown("data set", dataset, [*data_pipelines.DATASETS, *folders]) + looked)


def _is_prepared(path):
    return (path / "preparation.json").is_file()


def _pattern(path):
    """Return the pattern of the tables that a path names; None if it names no table."""
    found = sorted(path.iterdir())[:1000] if path.is_dir() else [path]
    kinds = [file.name[file.name.index(".") :] for file in found if not file.name.startswith(".") and _is_table(file)]
    if not kinds:
        return None
    return f"{path}/*{kinds[0]}" if path.is_dir() else str(path)


def _is_table(path):
    try:
        return "." in path.name and bool(kind_of(path))
    except ValueError:
        return False


def _advice(table, folders):
    """Say how to train on a table."""
    name = name_of_table(table)
    schema, train = f"{name}.yaml", shlex.join(["ctrzoo-train", f"--dataset={name}"])
    if name in folders:
        return f"'{table}' is a table. It seems to be prepared as {folders[name]}: run {train}."
    prepare = shlex.join(["ctrzoo-prepare", f"--table={table}", f"--schema={schema}"])
    return (
        f"'{table}' is a table, and training reads prepared folders. Draft a schema with `{prepare} --infer_schema`, "
        f"edit it, prepare the table with `{prepare}`, then run `{train}`."
    )


def _names(value):
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"The setting 'baselines' must be names of models, such as 'lr,fm'. Received: {value!r}.")
    return tuple(name.strip() for name in names if name.strip())


def parse_assignment(text: str) -> tuple[str, Any]:
    """Return key and value of a text `key=value`.

    The value is read as Python if possible, otherwise kept as text. `true` and `false` are truth values, as in JSON and
    YAML: as texts, both would count as true.

    >>> parse_assignment("histories=true"), parse_assignment("units=(8, 4)"), parse_assignment("model=fm")
    (('histories', True), ('units', (8, 4)), ('model', 'fm'))
    """
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise ValueError(f"--set needs key=value. Received: {text!r}.")
    if value.strip() in ("true", "false"):
        return key.strip(), value.strip() == "true"
    try:
        return key.strip(), ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError):  # TypeError: such as from {[1]: 2}
        return key.strip(), value


def run_file(path: Path) -> types.ModuleType:
    """Run a Python file and return it as a module.

    A configuration inside this package is imported as part of it, so it may use relative imports of its neighbors.

    Raises:
        ValueError: If it is not a Python file, or fails.
    """
    place = pathlib.Path(path).resolve()
    if place.is_relative_to(CONFIGS) and place.suffix == ".py":
        with failing_in(path):
            return importlib.import_module(
                ".".join(("", *place.relative_to(CONFIGS.parent).with_suffix("").parts)), __package__
            )
    specification = importlib.util.spec_from_file_location("ctrzoo_config", path)
    if specification is None or specification.loader is None:
        raise ValueError(f"The configuration {path} is not a Python file. Its name must end in .py.")
    module = importlib.util.module_from_spec(specification)
    with failing_in(path):
        specification.loader.exec_module(module)
    return module


@contextlib.contextmanager
def failing_in(path: Path) -> Iterator[None]:
    """Add the configuration file's name to errors raised in it."""
    try:
        yield
    except (Exception, SystemExit) as error:  # a program that ends without a word would look finished
        raise ValueError(f"The configuration file {path} failed: {type(error).__name__}: {error}.") from error


def _read_config(path):
    if not path.is_file():
        raise ValueError(f"The configuration file {path} does not exist. Correct --config.")
    module = run_file(path)
    with failing_in(path):
        config = module.get_config()
    if not isinstance(config, Mapping):
        raise ValueError(f"`get_config` of {path} must return a dictionary. Received: {type(config).__name__}.")
    return dict(config)
