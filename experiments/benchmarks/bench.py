"""Measure the zoo's models against baselines: `ctrzoo-bench`, or `python -m ctrzoo.experiments.benchmarks.bench`.

Without flags, it measures four models at two shapes on one core. `--full` measures everything, which takes hours.
"""

import datetime
import os
import shlex
import sys
from collections.abc import Sequence

from absl import flags
from rich.console import Console

from ctrzoo.startup import load_keras_quietly
from ctrzoo.suggest import unknown

from .. import catalog
from ..cli import paragraphs, program_flags, run_command
from .hyperparameters import VARIANTS

FLAGS = program_flags()
flags.DEFINE_list(
    "suites",
    ["train", "input"],
    "What to measure: train, predict, batch, input, histories, vocabulary, latency, reading.",
    flag_values=FLAGS,
)
flags.DEFINE_list("models", None, "Models; by default a few, with --full all.", flag_values=FLAGS)
flags.DEFINE_list(
    "shapes",
    None,
    "Tables: criteo, avazu, movielens, history; by default the first and the third, with --full the first three.",
    flag_values=FLAGS,
)
flags.DEFINE_list(
    "baselines",
    None,
    "keras, fuxictr, deepctr (the default), loop, plain (for GraphFM), xla, bfloat16 (for the zoo); '' for none. "
    "With --full all.",
    flag_values=FLAGS,
)
flags.DEFINE_list("cores", None, "Numbers of cores; by default 1, with --full 1,2.", flag_values=FLAGS)
flags.DEFINE_integer("batch_size", 1024, "Rows of a training step.", flag_values=FLAGS)
flags.DEFINE_integer(
    "predict_rows", None, "Rows of a prediction; by default 65,536, with --full a million.", flag_values=FLAGS
)
flags.DEFINE_integer(
    "rounds", None, "How often each implementation is timed; by default 3, with --full 7.", flag_values=FLAGS
)
flags.DEFINE_float(
    "seconds", None, "Approximate seconds per timing in a round; by default 0.3, with --full 1.", flag_values=FLAGS
)
flags.DEFINE_string(
    "peers_python",
    None,
    "A Python that has FuxiCTR or DeepCTR installed; by default the current Python, if it has them.",
    flag_values=FLAGS,
)
flags.DEFINE_string("workdir", None, "Where results go. By default a new folder in runs/.", flag_values=FLAGS)
flags.DEFINE_bool("full", False, "Measure all models, shapes and suites.", flag_values=FLAGS)

OWN_MODELS = {"histories", "vocabulary", "reading"}  # the suites that measure a fixed model, or none


def main(argv: Sequence[str]) -> None:
    """Run the suites that the flags select."""
    if len(argv) > 1:
        raise ValueError(f"Unknown argument '{argv[1]}'. Pass what to measure as flags, such as --models=fm.")
    known_models = [*catalog.model_names(), *VARIANTS]
    for model in FLAGS.models or ():
        if model not in known_models:
            raise ValueError(unknown("model", model, known_models))
    from .alone import ALONE, measure_alone
    from .report import rows_of, terminal_tables, write_results
    from .suites import SUITES

    options = _options()
    known = [*SUITES, *ALONE]
    names = known if FLAGS.full and not FLAGS["suites"].present else FLAGS.suites
    for name in names:
        if name not in known:
            raise ValueError(unknown("suite", name, known))
    if FLAGS["models"].present and FLAGS.models and not set(names) - OWN_MODELS:
        raise ValueError(f"--models has no effect on {' and '.join(names)}: the models there are fixed. Leave it out.")
    if FLAGS.peers_python and not set(names) - OWN_MODELS:
        raise ValueError(f"--peers_python has no effect on {' and '.join(names)}, which have no peers. Leave it out.")
    console = Console(highlight=False, markup=False)
    progress = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    workdir = FLAGS.workdir or f"runs/benchmark_{now}"
    command = shlex.join(["ctrzoo-bench", *sys.argv[1:]])
    results = {}
    for name in names:
        results[name] = []
        if name in ALONE:
            results[name] = measure_alone(name, FLAGS.full, options.models, options.peers_python)
            write_results(workdir, results, command)
        for measurements in SUITES[name](options) if name in SUITES else ():
            rows = rows_of(measurements)
            for row in rows:
                progress.print(_line(name, row))
            results[name] += rows
            write_results(workdir, results, command)  # keeps finished measurements if the rest is interrupted
        for table in terminal_tables(name, results[name]):
            console.print(table)
    console.print(f"Results are in {workdir}")


def _options():
    load_keras_quietly()
    from ... import models
    from .options import Options
    from .work import IMPLEMENTATIONS

    given = {"batch_size": FLAGS.batch_size, "peers_python": _existing(FLAGS.peers_python)}
    if FLAGS.full:
        # Those of histories need `--shapes=history`.
        without = [name for name in models.MODELS if name not in models.MODELS_OF_HISTORIES]
        given |= {"models": tuple(without), "shapes": ("criteo", "avazu", "movielens"), "cores": (1, 2)}
        given |= {"baselines": tuple(IMPLEMENTATIONS)[1:], "predict_rows": 1_000_000, "rounds": 7, "seconds": 1.0}
    for name in ("models", "shapes", "baselines", "cores"):
        if FLAGS[name].present:
            given[name] = tuple(FLAGS[name].value or ())
    if FLAGS["cores"].present:
        given["cores"] = tuple(_whole(text) for text in FLAGS["cores"].value or ())
    for name in ("predict_rows", "rounds", "seconds"):
        if FLAGS[name].present:
            given[name] = FLAGS[name].value
    return Options(**given)


def _whole(text):
    if not text.isdigit():
        raise ValueError(f"--cores must be whole numbers, separated by commas. Received: '{text}'.")
    return int(text)


def _existing(path):
    if path and not os.access(path, os.X_OK):
        raise ValueError(f"--peers_python: {path} is not a program.")
    return path


def _line(suite, row):
    what = f"{suite}, {row['shape']}, {row['model']}, {row['label']}, {row['batch_size']:,} rows"
    if row["error"]:
        return f"{what}: {row['error']}"
    return f"{what}: {row['samples_per_second']:,.0f} samples/s, {row['peak_megabytes']:,.0f} MB, {row['ratio']:.2f}"


def _more_help():
    return paragraphs("Models", {name: catalog.summary_of(name) for name in catalog.model_names()})


def run() -> None:
    """Start `ctrzoo-bench`: an expected failure prints one line to standard error, with exit code 1."""
    run_command(
        "ctrzoo-bench", main, FLAGS, __doc__, "interrupted", (ValueError, OSError, RuntimeError), more_help=_more_help
    )


if __name__ == "__main__":
    run()
