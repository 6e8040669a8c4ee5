"""Row-wise against dense Adam on MovieLens-1M: `python -m ctrzoo.experiments.benchmarks.accuracy --raw=ml-1m.zip`.

Trains each model with each seed under each optimizer, with the tuned settings where there are some. A finished
run is one line of `--output`; started again, it goes on where it stopped.
"""

import json
import pathlib
import statistics

from absl import app, flags
from rich.console import Console

from ctrzoo import data_pipelines, models
from ctrzoo.experiments.settings import resolve
from ctrzoo.files import write_text
from ctrzoo.training import set_seed, train

FLAGS = flags.FLAGS
DATASET = "movielens_1m"


def runs(names, optimizers, seeds, **settings):
    """Yield the `Settings` of all runs, the first seed of all models and optimizers first.

    Args:
        names: Names of models.
        optimizers: Names of optimizers.
        seeds: Seeds.
        **settings: Settings of all runs, which win over the tuned ones.
    """
    for seed in seeds:
        for name in names:
            for optimizer in optimizers:
                own = {"dataset": DATASET, "model": name, "optimizer": optimizer, "seed": seed}
                yield resolve({**settings, **own})[0]


def finished_runs(path):
    """Read the lines of finished runs."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def run_all(todo, data, output, console=None):
    """Train what is not yet in `output`, and add a line for each finished run.

    Args:
        todo: The `Settings` of the runs.
        data: The prepared data, as `ctrzoo.data_pipelines.load` returns it.
        output: Path of the JSON lines.
        console: The `rich` console for progress.

    Returns:
        All lines of `output` as dictionaries.
    """
    for settings in todo:
        described = settings.to_dict()
        finished = finished_runs(output)
        if any(line["settings"] == described for line in finished):
            continue
        set_seed(settings.seed)
        model = models.build(settings.model, data.schema, **settings.hyperparameters)
        keys = ("epochs", "batch_size", "learning_rate", "learning_rate_schedule", "learning_rate_decay", "optimizer")
        keys += ("patience", "seed")
        result = train(model, data, console=console, **{key: getattr(settings, key) for key in keys})
        epochs = len(result.pop("history"))
        finished.append({"settings": described, "epochs": epochs, **result})
        output.parent.mkdir(parents=True, exist_ok=True)
        write_text(output, "".join(f"{json.dumps(line)}\n" for line in finished))
    return finished_runs(output)


def table_of(lines):
    """Return a Markdown table: mean and sample deviation of the test metrics over the seeds.

    >>> settings = {"model": "fm", "optimizer": "adam"}
    >>> facts = {"settings": settings, "best_epoch": 3, "seconds_per_epoch": 2.0}
    >>> lines = [{**facts, "test": {"auc": auc, "log_loss": 0.4}} for auc in (0.8, 0.9)]
    >>> print(table_of(lines).splitlines()[-1])
    | fm | adam | 2 | 0.8500 ± 0.0707 | 0.4000 ± 0.0000 | 3 | 2.0 |
    """
    table = [
        "| model | optimizer | seeds | test AUC | test log loss | best epoch | s an epoch |",
        "|---|---|---|---|---|---|---|",
    ]
    groups = {}
    for line in lines:
        groups.setdefault((line["settings"]["model"], line["settings"]["optimizer"]), []).append(line)
    for names, group in sorted(groups.items()):
        scores = [_mean_and_deviation([line["test"][metric] for line in group]) for metric in ("auc", "log_loss")]
        epoch = statistics.median(line["best_epoch"] for line in group)
        seconds = statistics.median(line["seconds_per_epoch"] for line in group)
        table.append(f"| {' | '.join([*names, str(len(group)), *scores])} | {epoch:g} | {seconds:.1f} |")
    return "\n".join(table)


def _mean_and_deviation(numbers):
    deviation = f" ± {statistics.stdev(numbers):.4f}" if len(numbers) > 1 else ""
    return f"{statistics.mean(numbers):.4f}{deviation}"


def main(argv):
    """Run what is missing and print the table."""
    del argv
    settings = {} if FLAGS.epochs is None else {"epochs": FLAGS.epochs}
    todo = runs(FLAGS.models, FLAGS.optimizers, range(FLAGS.first_seed, FLAGS.first_seed + FLAGS.seeds), **settings)
    folder = data_pipelines.prepare(DATASET, pathlib.Path(FLAGS.data_dir).expanduser(), raw=FLAGS.raw)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    print(table_of(run_all(todo, data_pipelines.load(folder), pathlib.Path(FLAGS.output), console)))


if __name__ == "__main__":
    flags.DEFINE_list("models", ["fm", "deepfm", "graphfm"], "Models, by commas.")
    flags.DEFINE_list("optimizers", ["adam", "dense_adam"], "Optimizers, by commas.")
    flags.DEFINE_integer("seeds", 5, "Number of seeds.")
    flags.DEFINE_integer("first_seed", 2018, "The first seed; the others follow it.")
    flags.DEFINE_integer("epochs", None, "The most passes over the training rows; by default the tuned number.")
    flags.DEFINE_string("raw", None, "GroupLens' zip.")
    flags.DEFINE_string("data_dir", "~/.cache/ctrzoo", "Where prepared data lies, or will lie.")
    flags.DEFINE_string("output", "runs/accuracy.jsonl", "A line for each finished run.")
    app.run(main)
