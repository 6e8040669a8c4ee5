"""Explain a trained model: `ctrzoo-explain`, or `python -m ctrzoo.experiments.explain`.

It reads the folder of a `ctrzoo-train` run and writes `report.html`, pictures and tables. They show which pairs of
fields interact according to the model, in single rows and over a split, and whether shuffling these fields agrees.
"""

import pathlib

from absl import flags
from rich.console import Console

from ctrzoo.startup import load_keras_quietly

from .cli import program_flags, run_command

FLAGS = program_flags()
flags.DEFINE_string("workdir", None, "The folder of a finished ctrzoo-train run.", flag_values=FLAGS)
flags.DEFINE_string("output", None, "Where to write; by default WORKDIR/explanations.", flag_values=FLAGS)
flags.DEFINE_string("data", None, "The prepared folder, if it is no longer where the run found it.", flag_values=FLAGS)
flags.DEFINE_enum("split", "test", ("train", "valid", "test"), "The rows to explain.", flag_values=FLAGS)
flags.DEFINE_integer("rows", 10_000, "Number of rows of the split, chosen at random.", lower_bound=2, flag_values=FLAGS)
flags.DEFINE_integer(
    "instances", 3, "Number of rows to show one by one: those predicted best and worst.", 0, flag_values=FLAGS
)
flags.DEFINE_multi_integer(
    "row", [], "A row of the split to show instead, by its number from 0; repeatable.", lower_bound=0, flag_values=FLAGS
)
flags.DEFINE_integer("repeats", 3, "Permutations of each field and pair of fields.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer(
    "pairs",
    60,
    "Maximum number of pairs of fields to shuffle: half the strongest, half at random.",
    2,
    flag_values=FLAGS,
)
flags.DEFINE_integer("seed", 2018, "Seed for the choice of rows and the permutations.", flag_values=FLAGS)
flags.DEFINE_string(
    "metric",
    None,
    "The metric that measures the effect of shuffling, such as log_loss or grouped_auc. By default AUC, or for "
    "regression and ranking the monitored metric.",
    flag_values=FLAGS,
)
flags.DEFINE_list(
    "compare",
    [],
    "Folders of other runs on the same data (other models or seeds), separated by commas.",
    flag_values=FLAGS,
)


def main(argv: list[str]) -> None:
    """Run what the flags request."""
    if len(argv) > 1:
        raise ValueError(f"Unknown argument '{argv[1]}'. Pass everything as flags, such as --workdir=runs/mine.")
    if FLAGS.workdir is None:
        raise ValueError("Which run? Give its folder as --workdir=runs/....")
    workdir = pathlib.Path(FLAGS.workdir)
    for path in (
        workdir / "experiment.json",
        *(pathlib.Path(run) / "model.keras" for run in (workdir, *FLAGS.compare)),
    ):
        if not path.is_file():
            raise FileNotFoundError(
                f"Train a run first: {path} not found. --workdir and --compare need folders of finished runs."
            )
    load_keras_quietly()
    from .explained_run import explain_run  # slow: it loads TensorFlow

    console = Console(highlight=False, markup=False, soft_wrap=True)
    report = explain_run(
        workdir,
        pathlib.Path(FLAGS.output) if FLAGS.output else workdir / "explanations",
        data_folder=FLAGS.data,
        split=FLAGS.split,
        num_rows=FLAGS.rows,
        instances=FLAGS.instances,
        chosen=FLAGS.row,
        repeats=FLAGS.repeats,
        most_pairs=FLAGS.pairs,
        seed=FLAGS.seed,
        metric=FLAGS.metric,
        compared=[pathlib.Path(run) for run in FLAGS.compare],
        console=console,
    )
    console.print(f"Open {report}")


def run() -> None:
    """Start `ctrzoo-explain`: an expected failure prints one line to standard error, with exit code 1."""
    run_command("ctrzoo-explain", main, FLAGS, __doc__, "interrupted; rerun the command to start again", urls=("data",))


if __name__ == "__main__":
    run()
