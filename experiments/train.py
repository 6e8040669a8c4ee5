"""Train a model on a data set: `ctrzoo-train`, or `python -m ctrzoo.experiments.train`.

Without flags, it trains GraphFM, LR and FM on synthetic clicks, where the truth is known.
"""

import dataclasses
import datetime
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags
from rich.console import Console
from rich.table import Table

from ctrzoo.metrics import METRICS, cell_of, main_metrics
from ctrzoo.training.options import TrainingOptions

from .cli import run_app
from .settings import Settings, resolve

FLAGS = flags.FLAGS
_DEFINERS = {str: flags.DEFINE_string, int: flags.DEFINE_integer, float: flags.DEFINE_float, bool: flags.DEFINE_boolean}


def _define(options: type, names: Sequence[str]) -> None:
    """Define a flag for each of these dataclass fields, with the field's default, help text and choices."""
    fields = {field.name: field for field in dataclasses.fields(options)}
    for name in names:
        field: Any = fields[name]
        if field.metadata["choices"]:
            flags.DEFINE_enum(name, field.default, field.metadata["choices"], field.metadata["help"])
        else:
            _DEFINERS[field.metadata["kind"]](name, field.default, field.metadata["help"])


# Settings that have their own flag; `--set` can set any.
SETTING_FLAGS = (
    "dataset",
    "model",
    "epochs",
    "batch_size",
    "learning_rate",
    "learning_rate_scaling",
    "optimizer",
    "precision",
    "jit_compile",
    "seed",
)
CHECKPOINT_FLAGS = ("checkpoint_minutes", "checkpoint_steps", "keep_checkpoints")
RUNNING_FLAGS = ("strategy", "num_devices", *CHECKPOINT_FLAGS)
_define(Settings, SETTING_FLAGS)
_define(TrainingOptions, CHECKPOINT_FLAGS)
flags.DEFINE_string("baselines", None, "More models to train, by commas. Without --model and --config: lr,fm.")
flags.DEFINE_string("data_dir", "~/.cache/ctrzoo", "The folder of prepared data.")
flags.DEFINE_string("raw", None, "The raw file or folder of the data set.")
flags.DEFINE_string("workdir", None, "Folder of the results, by default runs/...; rerun with it to resume.")
flags.DEFINE_string(
    "config",
    None,
    "A Python file whose get_config() returns settings. By default the tuned file for data set and model, "
    "if it exists; 'none' uses no file.",
)
flags.DEFINE_enum(
    "strategy",
    "auto",
    ("auto", "one_device", "mirrored", "multi_worker"),
    "Where to train. auto uses all hosts of TF_CONFIG if it is set, otherwise all GPUs.",
)
flags.DEFINE_integer(
    "num_devices",
    None,
    "Number of GPUs to use, or of parts of the CPU, with --strategy=mirrored; by default all GPUs.",
    lower_bound=1,
)
flags.DEFINE_multi_string("set", [], "key=value for any setting, hyperparameter or data set option; repeatable.")


def main(argv: list[str]) -> None:
    """Train what the flags describe."""
    if len(argv) > 1:
        raise ValueError(f"Unknown argument '{argv[1]}'. Pass settings as flags, such as --epochs=5.")
    given = {name: FLAGS[name].value for name in (*SETTING_FLAGS, "baselines") if FLAGS[name].present}
    named = {*given, *(text.partition("=")[0] for text in FLAGS.set)}
    if FLAGS.config in (None, "none") and not named & {"model", "baselines"}:
        given["baselines"] = "lr,fm"
    console = Console(highlight=False, markup=False, soft_wrap=True)
    settings, config = resolve(given, FLAGS.set, FLAGS.config)
    if config:
        console.print(f"Using the settings of {config} (--config=none uses the defaults).")
    from .experiment import run_experiment  # slow: loads TensorFlow

    workdir = FLAGS.workdir or _new_workdir(settings)
    console.print(f"Results go to {workdir}")
    running: dict[str, Any] = {name: FLAGS[name].value for name in RUNNING_FLAGS}
    data_dir = pathlib.Path(FLAGS.data_dir).expanduser()
    results = run_experiment(settings, data_dir, FLAGS.raw, pathlib.Path(workdir), **running)
    if results is None:  # another worker reports
        return
    console.print(table_of(results))
    for note in results["notes"]:
        console.print(note)
    console.print(f"Results are in {workdir}")


def table_of(results: Mapping[str, Any]) -> Table:
    """Return the final table: one row per model, then the best possible scores if they are known."""
    bayes = results["bayes"]
    title = f"{results['dataset']}: test split, weights of the best epoch"
    caption = "Bayes: the true click probabilities; gap: AUC below theirs." if bayes else None
    table = Table(title=title, caption=caption)
    main = main_metrics()
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


def _new_workdir(settings: Settings) -> str:
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    return f"runs/{pathlib.Path(settings.dataset).name}_{settings.model}_{now}"


def run() -> None:
    """Start `ctrzoo-train`: an expected failure prints one line to standard error, with exit code 1."""
    interrupted = "interrupted. Rerun the command with the same --workdir to resume from the last checkpoint."
    run_app("ctrzoo-train", main, __name__, interrupted)


if __name__ == "__main__":
    run()
