"""Train a model on a data set: `ctrzoo-train`, or `python -m ctrzoo.experiments.train`.

Without flags it trains GraphFM, LR and FM on synthetic clicks, whose true probabilities are known.
"""

import datetime
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags
from rich.console import Console
from rich.table import Table

from ctrzoo.metrics import METRICS, shown_metrics
from ctrzoo.training.options import TrainingOptions

from .cli import run_app
from .settings import Settings, resolve

FLAGS = flags.FLAGS
SETTING_FLAGS = (
    "dataset",
    "model",
    "baselines",
    "epochs",
    "batch_size",
    "learning_rate",
    "learning_rate_scaling",
    "optimizer",
    "precision",
    "jit_compile",
    "seed",
)
RUNNING_FLAGS = ("strategy", "num_devices", "checkpoint_minutes", "checkpoint_steps", "keep_checkpoints")


def _define(name: str, owner: type = Settings) -> None:
    """Define the flag of a setting or option, with the default and help text of its definition."""
    field = owner.__dataclass_fields__[name]
    kind, text, choices = (field.metadata[key] for key in ("kind", "help", "choices"))
    if choices:
        flags.DEFINE_enum(name, field.default, choices, text)
    else:
        define = {bool: flags.DEFINE_boolean, int: flags.DEFINE_integer, float: flags.DEFINE_float}
        define.get(kind, flags.DEFINE_string)(name, field.default, text)


for _name in SETTING_FLAGS:
    if _name != "baselines":
        _define(_name)
for _name in ("checkpoint_minutes", "checkpoint_steps", "keep_checkpoints"):
    _define(_name, TrainingOptions)
flags.DEFINE_string(
    "baselines",
    None,
    "Models to train for comparison, separated by commas. By default lr,fm without --model and --config.",
)
flags.DEFINE_string("data_dir", "~/.cache/ctrzoo", "Folder of prepared data sets.")
flags.DEFINE_string("raw", None, "The raw file or folder of the data set.")
flags.DEFINE_string("workdir", None, "Folder of the results; an interrupted run in it is resumed. By default runs/....")
flags.DEFINE_string(
    "config",
    None,
    "A Python file whose get_config() returns settings. By default the tuned one for data set and model, if it exists; "
    "'none' for none.",
)
flags.DEFINE_enum(
    "strategy",
    "auto",
    ("auto", "one_device", "mirrored", "multi_worker"),
    "Where to train: auto takes all hosts of TF_CONFIG, else all GPUs.",
)
flags.DEFINE_integer(
    "num_devices",
    None,
    "GPUs to use, or parts of the CPU with --strategy=mirrored; all GPUs if not given.",
    lower_bound=1,
)
flags.DEFINE_multi_string("set", [], "key=value for any setting, hyperparameter or data set option; repeatable.")


def main(argv: Sequence[str]) -> None:
    """Run the experiment that the flags describe."""
    if len(argv) > 1:
        raise ValueError(f"Unknown argument '{argv[1]}'. Settings are given as flags, such as --epochs=5.")
    given = {name: FLAGS[name].value for name in SETTING_FLAGS if FLAGS[name].present}
    named = {*given, *(text.partition("=")[0] for text in FLAGS.set)}
    if FLAGS.config in (None, "none") and not named & {"model", "baselines"}:
        given["baselines"] = "lr,fm"
    console = Console(highlight=False, soft_wrap=True)
    settings, config = resolve(given, FLAGS.set, FLAGS.config)
    if config:
        console.print(f"Settings of {config} (--config=none for the defaults).")
    from .experiment import run_experiment  # slow: it loads TensorFlow

    workdir = FLAGS.workdir or _new_workdir(settings)
    console.print(f"Results go to {workdir}")
    running = {name: FLAGS[name].value for name in RUNNING_FLAGS}
    data_dir = pathlib.Path(FLAGS.data_dir).expanduser()
    results = run_experiment(settings, data_dir, FLAGS.raw, pathlib.Path(workdir), **running)
    if results is None:  # another worker reports
        return
    console.print(table_of(results))
    for note in results["notes"]:
        console.print(note)
    console.print(f"Results are in {workdir}")


def table_of(results: Mapping[str, Any]) -> Table:
    """Return the closing table: a row per model, and the best possible scores last where they are known.

    Args:
        results: What `run_experiment` returns.
    """
    bayes, shown = results["bayes"], shown_metrics()
    title = f"{results['dataset']}: test split, weights of the best epoch"
    caption = "Bayes: the true click probabilities; gap: AUC below theirs." if bayes else None
    table = Table(title=title, caption=caption)
    gap = ["gap"] if bayes else []
    for column in ["model", *(metric.title for metric in shown), *gap, "epoch", "s/epoch", "rows/s", "weights"]:
        table.add_column(column, justify="left" if column == "model" else "right", no_wrap=True)
    for name, metrics in results["models"].items():
        test = metrics["test"]
        gap = [METRICS["auc"].text(bayes["auc"] and bayes["auc"] - test["auc"])] if bayes else []
        speed = [f"{metrics['seconds_per_epoch']:.1f}", f"{metrics['rows_per_second']:,.0f}"]
        scores = [*(metric.text(test[metric.name]) for metric in shown), *gap]
        table.add_row(name, *scores, str(metrics["best_epoch"]), *speed, f"{metrics['num_parameters']:,}")
    if bayes:
        best = [metric.text(bayes[metric.name]) if metric.name in bayes else "" for metric in shown]
        table.add_row("Bayes", *best, "0", *[""] * 4)
    return table


def _new_workdir(settings: Settings) -> str:
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    return f"runs/{pathlib.Path(settings.dataset).name}_{settings.model}_{now}"


def run() -> None:
    """Start `ctrzoo-train`: an expected failure is one line on the standard error stream, exit code 1."""
    interrupted = "interrupted. Rerun the command with the same --workdir to resume from the last checkpoint."
    run_app("ctrzoo-train", main, __name__, interrupted)


if __name__ == "__main__":
    run()
