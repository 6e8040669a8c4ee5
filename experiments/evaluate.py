"""Evaluate trained models on labelled rows: `ctrzoo-evaluate`, or `python -m ctrzoo.experiments.evaluate`.

`ctrzoo-evaluate --workdir=runs/mine` measures a run on the test split of its data: all metrics of its task with
bootstrap intervals. `--table=new.csv` takes a labelled table instead. `--compare=runs/other` adds runs and tests
whether they differ. `--by=device` measures slices. The command writes `report.html`, `metrics.json` and `slices.csv`.
"""

from __future__ import annotations

import os
import pathlib
import re
import sys
from typing import Any

from absl import flags
from rich.console import Console
from rich.table import Table

from ctrzoo.startup import load_keras_quietly

from .cli import program_flags, run_command
from .evaluation.output import REPORT, check_folder
from .scoring.inputs import check_table_flags, define_table_flags

FLAGS = program_flags()
flags.DEFINE_string("workdir", None, "The folder of a finished ctrzoo-train run.", flag_values=FLAGS)
flags.DEFINE_list("compare", [], "Folders of other runs of the same task, separated by commas.", flag_values=FLAGS)
flags.DEFINE_enum(
    "split",
    None,
    ("train", "valid", "validation", "test"),
    "The split of the runs' data to evaluate on; by default test.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "data", None, "The prepared folder of --split, if it is no longer where the run found it.", flag_values=FLAGS
)
flags.DEFINE_string(
    "table",
    None,
    "A labelled table to evaluate on: a file, a folder or pattern of files, or - for standard input.",
    flag_values=FLAGS,
)
flags.DEFINE_list(
    "by",
    [],
    "Fields of the model or columns of the table, separated by commas; each value is a slice.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "slices",
    None,
    "Maximum number of slices for each --by; smaller ones are pooled. By default 20.",
    1,
    flag_values=FLAGS,
)
flags.DEFINE_integer("bins", None, "Maximum number of slices for numbers; by default 10.", 2, flag_values=FLAGS)
flags.DEFINE_integer("bootstrap", 1000, "Number of resamples for intervals and p-values.", 100, flag_values=FLAGS)
flags.DEFINE_integer("seed", 2018, "Seed of the resamples.", 0, flag_values=FLAGS)
flags.DEFINE_string(
    "output",
    None,
    "The folder to write; by default evaluation_NAME in --workdir, where NAME is that of the split or table.",
    flag_values=FLAGS,
)
flags.DEFINE_bool("overwrite", False, "Replace an earlier evaluation.", flag_values=FLAGS)
define_table_flags(FLAGS)
# Columns of a file or pipe, which tables need not be squeezed into.
WIDTH = 160
OF_TABLES = ("bad_rows", "most_skipped", "format", "schema")


def main(argv: list[str]) -> None:
    """Evaluate what the flags request."""
    if len(argv) > 1:
        raise ValueError(f"Unknown argument '{argv[1]}'. Pass everything as flags, such as --workdir=runs/mine.")
    _check_flags()
    folders = [pathlib.Path(FLAGS.workdir), *map(pathlib.Path, FLAGS.compare)]
    split = None if FLAGS.table else {"validation": "valid", None: "test"}.get(FLAGS.split, FLAGS.split)
    output = pathlib.Path(FLAGS.output) if FLAGS.output else folders[0] / f"evaluation_{split or _name_of_table()}"
    check_folder(output, FLAGS.overwrite)
    source, scored = _scored_split(folders, split) if split else _scored_table(folders)
    from .evaluation.evaluate_runs import about, evaluate_runs  # slow: it loads TensorFlow

    content, slices = evaluate_runs(scored, source, output, FLAGS.bootstrap, FLAGS.seed)
    _print(content, slices, about(content))
    print(f"Open {output / REPORT}")


def _check_flags():
    if FLAGS.workdir is None:
        raise ValueError("Which run? Give its folder as --workdir=runs/....")
    if FLAGS.table is not None and (FLAGS.split or FLAGS.data):
        flag = "--split" if FLAGS.split else "--data"
        raise ValueError(f"--table has rows of its own, and {flag} is for prepared rows. Pass one of them.")
    for name in () if FLAGS.table is not None else OF_TABLES:
        if FLAGS[name].present:
            raise ValueError(f"--{name} is for --table. Pass both, or neither.")
    check_table_flags(FLAGS)
    for name in ("slices", "bins"):
        if FLAGS[name].value is not None and not FLAGS.by:
            raise ValueError(f"--{name} is for the slices of --by. Pass both, or neither.")
    folders = [FLAGS.workdir, *FLAGS.compare]
    _check_distinct("--by", FLAGS.by, FLAGS.by)
    _check_distinct("--workdir and --compare", folders, [os.path.realpath(folder) for folder in folders])
    for folder in (FLAGS.workdir, *FLAGS.compare):
        path = pathlib.Path(folder) / "model.keras"
        if not path.is_file():
            raise FileNotFoundError(
                f"Train a run first: {path} not found. --workdir and --compare need folders of finished runs."
            )


def _check_distinct(flag, given, meant):
    for place, name in enumerate(given):
        if meant[place] in meant[:place]:
            raise ValueError(f"{flag}: '{name}' is given twice. Leave one out.")


def _name_of_table():
    """Return the name of the table without its endings, as part of the name of a folder."""
    if FLAGS.table == "-":
        return "standard_input"
    name = re.sub(r"[^\w-]+", "_", pathlib.Path(FLAGS.table).name.split(".")[0]).strip("_")
    return name or "table"


def _slices():
    from .evaluation.scored import Slices  # slow: it loads TensorFlow

    return Slices(FLAGS.by, FLAGS.slices or Slices.most, FLAGS.bins or Slices.bins)


def _scored_split(folders, split):
    """Return where the rows are from, and the rows of a split."""
    load_keras_quietly()
    from .. import data_pipelines  # slow: these load TensorFlow
    from .evaluation.scored import score_split
    from .explained_run import data_folder_of

    found = {}
    for folder in [] if FLAGS.data else folders:
        if not (folder / "experiment.json").is_file():
            raise FileNotFoundError(
                f"{folder / 'experiment.json'} not found, which names the prepared folder. Pass it as --data."
            )
        data = data_pipelines.load(data_folder_of(folder / "experiment.json"))
        found.setdefault(data.fingerprint, (folder, data))
    if len(found) > 1:
        (folder, data), (other, other_data), *_ = found.values()
        raise ValueError(
            f"{folder} was trained on {data.folder} and {other} on {other_data.folder}, whose splits may differ. "
            "Compare them on a --table, or name the data with --data."
        )
    data = data_pipelines.load(FLAGS.data) if FLAGS.data else next(iter(found.values()))[1]
    return {"data": str(data.folder), "split": split}, score_split(folders, data, split, _slices())


def _scored_table(folders):
    """Return where the rows are from, and the rows of a table."""
    from .scoring.files import STANDARD_INPUT, found_files, table_files
    from .scoring.inputs import source_of

    if FLAGS.table != STANDARD_INPUT:
        found_files(FLAGS.table)  # raises an error before TensorFlow is loaded
    load_keras_quietly()
    from .evaluation.scored import encoding_of, score_table  # slow: it loads TensorFlow

    kind = encoding_of(folders[0]).table.get("kind", "csv")
    ending = f".{'csv' if kind == 'parquet' else kind}" if FLAGS.schema else ""  # else source_like knows the kind
    with table_files(FLAGS.table, sys.stdin.buffer, ending) as files:
        scored = score_table(
            folders,
            lambda encoding: source_of(files, encoding, FLAGS.schema, FLAGS.format),
            _slices(),
            FLAGS.bad_rows == "skip",
            FLAGS.most_skipped,
        )
    return {"table": FLAGS.table}, scored


def _print(content: dict[str, Any], slices: list[dict[str, Any]], sentences: list[str]) -> None:
    """Print the tables of the page."""
    from .evaluation.tables import difference_table, metric_table, slice_table

    console = Console(highlight=False, markup=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = WIDTH
    for sentence in [*sentences, *content["notes"]]:
        console.print(sentence)
    console.print(_table(metric_table(content)))
    if content["differences"]:
        console.print(_table(difference_table(content)))
    for name in dict.fromkeys(row["by"] for row in slices):
        of_field = [row for row in slices if row["by"] == name]
        console.print(_table(slice_table(of_field, content["task"], with_intervals=False)))


def _table(rows):
    table = Table()
    for place, column in enumerate(rows[0]):
        table.add_column(column, justify="right" if place else "left")
    for row in rows:
        table.add_row(*row.values())
    return table


def run() -> None:
    """Start `ctrzoo-evaluate`: an expected failure prints one line to standard error, with exit code 1."""
    interrupted = "interrupted; rerun the command to start again"
    run_command("ctrzoo-evaluate", main, FLAGS, __doc__, interrupted, urls=("table", "data", "schema"))


if __name__ == "__main__":
    run()
