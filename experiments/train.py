"""Train a model on a data set: `ctrzoo-train`, or `python -m ctrzoo.experiments.train`.

With no flags it trains GraphFM, with LR and FM beside it, on made-up clicks of which the truth is known.
"""

import datetime
import pathlib

from absl import flags
from rich.console import Console
from rich.table import Table

from ctrzoo.optimizers.registry import describe

from .cli import run_app
from .report import score
from .settings import CHOICES, Settings, resolve

FLAGS = flags.FLAGS
flags.DEFINE_string("dataset", Settings.dataset, "A data set of the zoo, or the path of a prepared folder.")
flags.DEFINE_string("model", Settings.model, "The model to train.")
flags.DEFINE_string("baselines", None, "Models to train beside it, by commas. Without --model and --config: lr,fm.")
flags.DEFINE_string("data_dir", "~/.cache/ctrzoo", "Where prepared data lies, or will lie.")
flags.DEFINE_string("raw", None, "The raw file or folder of the data set.")
flags.DEFINE_string("workdir", None, "Where results go, and where an interrupted run goes on. By default runs/....")
flags.DEFINE_integer("epochs", Settings.epochs, "The most passes over the training rows.")
flags.DEFINE_integer("batch_size", Settings.batch_size, "Rows a step, on all devices together.")
flags.DEFINE_float("learning_rate", Settings.learning_rate, "Step size of the optimizer.")
flags.DEFINE_enum(
    "learning_rate_scaling",
    Settings.learning_rate_scaling,
    CHOICES["learning_rate_scaling"],
    "How --learning_rate, tuned for one device, grows with the number of devices.",
)
flags.DEFINE_enum(
    "precision", Settings.precision, CHOICES["precision"], "Numbers within the model; weights are float32."
)
flags.DEFINE_boolean("jit_compile", Settings.jit_compile, "Whether XLA compiles the training step.")
flags.DEFINE_string("optimizer", Settings.optimizer, describe())
flags.DEFINE_integer("seed", Settings.seed, "Seed of weights, dropout and order of rows.")
flags.DEFINE_string(
    "config",
    None,
    "A Python file whose get_config() returns settings. By default the tuned one for data set and model, "
    "if there is one; 'none' for none.",
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
flags.DEFINE_float("checkpoint_minutes", 10, "Minutes between checkpoints within an epoch.")
flags.DEFINE_integer("checkpoint_steps", None, "Steps between checkpoints within an epoch, beside the minutes.")
flags.DEFINE_integer("keep_checkpoints", 2, "How many checkpoints to keep.", lower_bound=1)
flags.DEFINE_multi_string("set", [], "key=value for any setting, hyperparameter or data set option; repeatable.")

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


def main(argv):
    """Run what the flags ask for."""
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
    if results is None:  # another worker tells
        return
    console.print(table_of(results))
    for note in results["notes"]:
        console.print(note)
    console.print(f"Results are in {workdir}")


def table_of(results):
    """Return the closing table, a row a model, best possible last where it is known."""
    bayes = results["bayes"]
    title = f"{results['dataset']}: test split, weights of the best epoch"
    caption = "Bayes: the true click probabilities; gap: AUC below theirs." if bayes else None
    table = Table(title=title, caption=caption)
    columns = ["model", "AUC", "log loss", "gap", "epoch", "s/epoch", "rows/s", "weights"]
    for column in columns if bayes else [name for name in columns if name != "gap"]:
        table.add_column(column, justify="left" if column == "model" else "right", no_wrap=True)
    for name, metrics in results["models"].items():
        test = metrics["test"]
        gap = [score(bayes["auc"] and bayes["auc"] - test["auc"])] if bayes else []
        speed = [f"{metrics['seconds_per_epoch']:.1f}", f"{metrics['rows_per_second']:,.0f}"]
        scores = [f"{test['auc']:.4f}", f"{test['log_loss']:.4f}", *gap]
        table.add_row(name, *scores, str(metrics["best_epoch"]), *speed, f"{metrics['num_parameters']:,}")
    if bayes:
        table.add_row("Bayes", score(bayes["auc"]), score(bayes["log_loss"]), "0", *[""] * 4)
    return table


def _new_workdir(settings):
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    return f"runs/{pathlib.Path(settings.dataset).name}_{settings.model}_{now}"


def run():
    """Start `ctrzoo-train`: an expected failure is one line on the standard error stream, exit code 1."""
    interrupted = "interrupted. The same command with the same --workdir goes on from the last checkpoint."
    run_app("ctrzoo-train", main, __name__, interrupted)


if __name__ == "__main__":
    run()
