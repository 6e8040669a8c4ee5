"""The runs of a sweep: its configuration, turned into a folder and a command for each run."""

import dataclasses
import hashlib
import json
import pathlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from ctrzoo.types import Config, Path

from ..settings import Settings, failing_in, resolve, run_file

CONFIGS = pathlib.Path(__file__).resolve().parents[1] / "configs" / "sweeps"
NAMES = ("dataset", "model")


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """One training.

    Attributes:
        label: Its name in tables; runs with the same label may differ in `choices`.
        choices: What the sweep chose: settings, hyperparameters, data set options.
        settings: All `Settings`, including those tuned for data set and model.
        folder: Where its results go. Runs that differ only in the seed have the same parent.
        arguments: The flags of `ctrzoo-train`.
    """

    label: str
    choices: Mapping
    settings: Settings
    folder: pathlib.Path
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the run within its sweep."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    @property
    def command(self) -> str:
        """The command that executes only this run."""
        return shlex.join(("ctrzoo-train", *self.arguments))


def read_sweep(config: Path) -> tuple[list[Config], Callable[[Sequence[Config], pathlib.Path], None] | None]:
    """Read the configuration of a sweep.

    Args:
        config: Path of a Python file, or the name of one in `configs/sweeps/`.

    Returns:
        The list that its `get_sweep()` returns, with a dictionary of choices for each run, and its function
        `write_report(rows, folder)` or None.

    Raises:
        ValueError: If the file does not exist, fails, or returns something else.
    """
    choices, module = read_config(config, "get_sweep")
    if not isinstance(choices, list) or not choices or not all(isinstance(choice, Mapping) for choice in choices):
        raise ValueError(f"`get_sweep` of {config} must return a non-empty list of dictionaries, one per run.")
    return choices, getattr(module, "write_report", None)


def read_ordered(config: Path) -> Callable[[pathlib.Path, Mapping[str, str]], None] | None:
    """Return the function `run_sweep(folder, raw)` of a configuration whose runs depend on each other, or None.

    Args:
        config: Path of a Python file, or the name of one in `configs/sweeps/`.

    Raises:
        ValueError: If the file does not exist or fails.
    """
    return getattr(run_file(_path_of(config)), "run_sweep", None)


def read_config(config: Path, function: str) -> tuple[Any, ModuleType]:
    """Call a function of a configuration; return its result and the module.

    Args:
        config: Path of a Python file, or the name of one in `configs/sweeps/`.
        function: Name of the function.

    Raises:
        ValueError: If the file does not exist, or fails.
    """
    path = _path_of(config)
    module = run_file(path)
    with failing_in(path):
        return getattr(module, function)(), module


def _path_of(config):
    path = pathlib.Path(config)
    if not path.is_file():
        path = CONFIGS / f"{config}.py"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in CONFIGS.glob("[a-z]*.py")))
        raise ValueError(f"Unknown sweep {config}. Pass the path of a Python file, or one of {known}.")
    return path


def plan(
    choices: Sequence[Mapping[str, Any]],
    folder: Path,
    data_dir: Path,
    raw: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> list[Run]:
    """Return the `Run`s of a sweep, without duplicates.

    Args:
        choices: A dictionary of settings, hyperparameters and data set options for each run.
        folder: The folder of the sweep.
        data_dir: Folder of prepared data sets.
        raw: The raw file or folder of each data set that needs one.
        overrides: Choices that override those of all runs.

    Raises:
        ValueError: If a key or value is wrong.
    """
    runs = {}
    for choice in choices:
        run = _run({**choice, **(overrides or {})}, pathlib.Path(folder), data_dir, raw or {})
        runs.setdefault(run.folder, run)
    return list(runs.values())


def _run(choice, folder, data_dir, raw):
    choice = {"dataset": Settings.dataset, "model": Settings.model, **choice}
    label = choice.pop("label", choice["model"])
    assignments = [f"{key}={_text(value)}" for key, value in choice.items() if key not in NAMES]
    try:
        settings, _ = resolve({key: choice[key] for key in NAMES}, assignments, data_dir=data_dir)
    except (ValueError, TypeError) as error:
        raise ValueError(f"The run {choice}: {error}") from error
    workdir = folder / _group(settings) / f"seed_{settings.seed}"
    source = raw.get(settings.dataset)
    arguments = (
        *(f"--{key}={choice[key]}" for key in NAMES),
        *(f"--set={text}" for text in assignments),
        f"--data_dir={data_dir}",
        *([f"--raw={source}"] if source else []),
        f"--workdir={workdir}",
    )
    return Run(label, choice, settings, workdir, arguments)


def _text(value):
    return value if isinstance(value, str) else repr(value)


def _group(settings):
    """Return a name for the runs that differ only in the seed."""
    content = {key: value for key, value in settings.changed().items() if key != "seed"}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
    return f"{pathlib.Path(settings.dataset).name}_{settings.model}_{digest}"
