"""Train a model on a data set: `ctrzoo-train`, or `python -m ctrzoo.experiments.train`.

Without flags, it trains GraphFM, LR and FM on synthetic clicks, where the truth is known. `--model=NAME --help` lists
the hyperparameters of a model.
"""

import atexit
import dataclasses
import datetime
import os
import pathlib
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags
from rich.console import Console
from rich.table import Table

from ctrzoo.cluster import name_hosts
from ctrzoo.metrics import METRICS, cell_of, main_metrics, metric_of
from ctrzoo.startup import choose_backend, load_keras_quietly
from ctrzoo.suggest import unknown
from ctrzoo.training.options import TrainingOptions

from .. import data_pipelines
from . import catalog
from .cli import DATA_DIR_HELP, data_dir, paragraphs, program_flags, run_command
from .settings import PLAIN, Settings, resolve
from .tracking.store import TRACK_HELP, TRACKERS, URI_HELP, check_tracking

FLAGS = program_flags()
_DEFINERS = {str: flags.DEFINE_string, int: flags.DEFINE_integer, float: flags.DEFINE_float, bool: flags.DEFINE_boolean}


def _define(options: type, names: Sequence[str]) -> None:
    """Define a flag for each of these dataclass fields, with the field's default, help text and choices."""
    fields = {field.name: field for field in dataclasses.fields(options)}
    for name in names:
        field: Any = fields[name]
        if field.metadata["choices"]:
            flags.DEFINE_enum(name, field.default, field.metadata["choices"], field.metadata["help"], flag_values=FLAGS)
        else:
            _DEFINERS[field.metadata["kind"]](name, field.default, field.metadata["help"], flag_values=FLAGS)


# The flags that may name objects in a store, or are addresses of something else.
URLS = ("dataset", "raw", "tracking_uri")
# Settings that have their own flag; `--set` can set any.
SETTING_FLAGS = (
    "dataset",
    "model",
    "task",
    "loss",
    "monitor",
    "epochs",
    "batch_size",
    "learning_rate",
    "learning_rate_scaling",
    "optimizer",
    "precision",
    "jit_compile",
    "seed",
    "warm_start",
)
CHECKPOINT_FLAGS = ("checkpoint_minutes", "checkpoint_steps", "keep_checkpoints")
RUNNING_FLAGS = ("strategy", "num_devices", "track", "tracking_uri", *CHECKPOINT_FLAGS)
_define(Settings, SETTING_FLAGS)
_define(TrainingOptions, CHECKPOINT_FLAGS)
flags.DEFINE_string(
    "baselines",
    None,
    "More models to train, separated by commas. Without --model and --config: lr,fm.",
    flag_values=FLAGS,
)
flags.DEFINE_string("data_dir", None, f"The folder of prepared data, {DATA_DIR_HELP}", flag_values=FLAGS)
flags.DEFINE_string("raw", None, "The raw file or folder of the data set.", flag_values=FLAGS)
flags.DEFINE_enum(
    "protocol",
    None,
    ("reference", "clean", "next_movie", "history"),
    "How the benchmark is prepared, as in ctrzoo-prepare.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "workdir", None, "Folder of the results, by default a new one in runs/; rerun with it to resume.", flag_values=FLAGS
)
flags.DEFINE_string(
    "config",
    None,
    "A Python file whose get_config() returns settings. By default the file in configs/ for the data set and model, "
    "if it exists; 'none' uses no file.",
    flag_values=FLAGS,
)
flags.DEFINE_enum(
    "strategy",
    "auto",
    ("auto", "one_device", "mirrored", "multi_worker", "model_parallel"),
    "Where to train. auto uses all hosts of --hosts or TF_CONFIG if there are any, otherwise all GPUs. model_parallel "
    "divides tables and batches over devices and needs --backend=jax.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "num_devices",
    None,
    "Number of GPUs to use with --strategy=mirrored or model_parallel, or of devices that the CPU is divided into. By "
    "default all GPUs.",
    lower_bound=1,
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "hosts",
    None,
    "The hosts that train together: addresses with ports, separated by commas, such as a:12345,b:12345. The same "
    "command runs on each of them. By default those of TF_CONFIG, otherwise only this host.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "host_index",
    None,
    "The number of this host in --hosts, from 0. By default the one that Slurm or an Indexed Job of Kubernetes gives.",
    lower_bound=0,
    flag_values=FLAGS,
)
flags.DEFINE_enum(
    "backend",
    None,
    ("tensorflow", "jax"),
    "The backend of Keras; jax can divide tables over devices. By default that of KERAS_BACKEND, otherwise tensorflow.",
    flag_values=FLAGS,
)
flags.DEFINE_enum("track", None, TRACKERS, TRACK_HELP, flag_values=FLAGS)
flags.DEFINE_string(
    "tracking_uri", None, f"{URI_HELP} By default the folder mlruns next to --workdir.", flag_values=FLAGS
)
flags.DEFINE_multi_string(
    "set", [], "key=value for any setting, hyperparameter or data set option; repeatable.", flag_values=FLAGS
)


def main(argv: list[str]) -> None:
    """Train what the flags describe."""
    if len(argv) > 1:
        raise ValueError(f"Unknown argument '{argv[1]}'. Pass settings as flags, such as --epochs=5.")
    check_tracking(FLAGS.track, FLAGS.tracking_uri)
    given = {name: FLAGS[name].value for name in (*SETTING_FLAGS, "baselines", "protocol") if FLAGS[name].present}
    named = {*given, *(text.partition("=")[0] for text in FLAGS.set)}
    if FLAGS.config in (None, "none") and not named & {"model", "baselines"}:
        given["baselines"] = "lr,fm"
    console = Console(highlight=False, markup=False, soft_wrap=True)
    prepared = data_dir(FLAGS.data_dir)
    settings, config = resolve(given, FLAGS.set, FLAGS.config, prepared)
    if config:
        console.print(f"Using the settings of {config} (--config=none uses the defaults).")
    if settings.dataset != FLAGS.dataset and settings.dataset not in data_pipelines.DATASETS:
        console.print(f"Using the data in {settings.dataset}")
    name_hosts(FLAGS.hosts, FLAGS.host_index)
    choose_backend(FLAGS.backend, FLAGS.num_devices)
    load_keras_quietly()
    from .experiment import run_experiment  # slow: loads TensorFlow

    workdir = FLAGS.workdir = FLAGS.workdir or _new_workdir(settings)
    console.print(f"Results go to {workdir}")
    running: dict[str, Any] = {name: FLAGS[name].value for name in RUNNING_FLAGS}
    try:
        results = run_experiment(settings, prepared, FLAGS.raw, pathlib.Path(workdir), **running)
    except ConnectionError:  # another host was lost, for which JAX would wait when this process ends, and then abort
        atexit.register(_end_at_once)
        raise
    if results is None:  # another worker reports
        return
    console.print(table_of(results))
    for note in results["notes"]:
        console.print(note)
    console.print(f"Results are in {workdir}: open report.md there")


def table_of(results: Mapping[str, Any]) -> Table:
    """Return the final table: one row per model, then the best possible scores if they are known."""
    test = next(iter(results["models"].values()))["test"]
    bayes = results["bayes"] if "auc" in test else None  # regression has no AUC to compare
    chosen_by = metric_of(results["monitor"]).title
    title = f"{results['dataset']}: test split, epoch of the best validation {chosen_by}"
    caption = "Bayes: the true click probabilities; gap: AUC below theirs." if bayes else None
    table = Table(title=title, caption=caption)
    main = main_metrics(test)
    titles = [metric.title for metric in main.values()]
    columns = ["model", *titles, "gap", "epoch", "s/epoch", "rows/s", "weights"]
    for column in columns if bayes else [name for name in columns if name != "gap"]:
        table.add_column(column, justify="left" if column == "model" else "right", no_wrap=True)
    for name, metrics in results["models"].items():
        test = metrics["test"]
        gap = [_gap(bayes["auc"], test["auc"])] if bayes else []
        speed = [f"{metrics['seconds_per_epoch']:.1f}", f"{metrics['rows_per_second']:,.0f}"]
        scores = [*(cell_of(metric, test, key) for key, metric in main.items()), *gap]
        table.add_row(name, *scores, str(metrics["best_epoch"]), *speed, f"{metrics['num_parameters']:,}")
    if bayes:
        scores = (cell_of(metric, bayes, key) if key in bayes else "" for key, metric in main.items())
        table.add_row("Bayes", *scores, "0", *[""] * 4)
    return table


def _gap(best: float | None, reached: float) -> str:
    return cell_of(METRICS["auc"], {"auc": best and best - reached}, "auc")


def _end_at_once() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _new_workdir(settings: Settings) -> str:
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    return f"runs/{pathlib.Path(settings.dataset).name}_{settings.model}_{now}"


def _interrupted() -> str:
    """Say how to continue after an interruption: resume if the run has a checkpoint."""
    if not FLAGS.workdir or not any(pathlib.Path(FLAGS.workdir).glob("**/checkpoints/[0-9]*.zip")):
        return "interrupted before the first checkpoint. Rerun the command to start again."
    workdir = f"--workdir={FLAGS.workdir}"
    given = any(re.match("--?workdir(=|$)", text) for text in sys.argv[1:])
    command = shlex.join(["ctrzoo-train", *sys.argv[1:], *([] if given else [workdir])])
    return f"interrupted. To resume from the last checkpoint, run: {command}"


def _named(flag: str) -> str:
    """Return the model or data set that the flags name, even if other flags could not be read."""
    return FLAGS[flag].value or ""


def _more_help() -> str:
    """Return the part of the help on models, hyperparameters, further settings and data set options."""
    names = {name: catalog.summary_of(name) for name in catalog.model_names()}
    if FLAGS["model"].present and _named("model") not in names:
        raise ValueError(unknown("model", _named("model"), names))
    text = "" if FLAGS["model"].present else paragraphs("Models (--model=NAME --help lists hyperparameters)", names)
    fields = Settings.__dataclass_fields__
    others = [name for name in PLAIN if name not in FLAGS]
    text += paragraphs(
        "Further settings (--set=NAME=VALUE), with their defaults",
        {f"{name}={fields[name].default}": fields[name].metadata["help"] for name in others},
    )
    hyperparameters = catalog.hyperparameters_of(_named("model")).items()
    text += paragraphs(
        f"Hyperparameters of {_named('model')} (--set=NAME=VALUE), with their defaults",
        {f"{name}={entry.default}": entry.meaning for name, entry in hyperparameters},
    )
    if _named("dataset") in data_pipelines.DATASETS:
        options = data_pipelines.options_of(_named("dataset")).items()
        title = f"Options of the data set {_named('dataset')} (--set=NAME=VALUE), with their defaults"
        text += paragraphs(title, {f"{name}={value!r}": "" for name, value in options})
    return text


def _settable() -> list[str]:
    """Return the names that `--set` takes for the chosen model and data set."""
    model, dataset = _named("model"), _named("dataset")
    models = [model] if model in catalog.model_names() else catalog.model_names()
    options = data_pipelines.options_of(dataset) if dataset in data_pipelines.DATASETS else ()
    return [*PLAIN, *(key for name in models for key in catalog.hyperparameter_names(name)), *options]


def run() -> None:
    """Start `ctrzoo-train`: an expected failure prints one line to standard error, with exit code 1."""
    run_command("ctrzoo-train", main, FLAGS, __doc__, _interrupted, more_help=_more_help, settings=_settable, urls=URLS)


if __name__ == "__main__":
    run()
