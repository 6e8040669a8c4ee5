"""Score a table with a trained model: `ctrzoo-predict`, or `python -m ctrzoo.experiments.predict`.

`ctrzoo-predict --workdir=runs/mine --table=new.csv --output=scores.csv` writes the columns that name the rows and the
prediction of each row, in the order of the table. The cells are read as the training rows were. The table needs no
label. It may be CSV, TSV, Parquet, libsvm or libffm, plain or compressed, in one file or many.
"""

from __future__ import annotations

import sys

from absl import flags
from rich.console import Console

from ctrzoo.startup import load_keras_quietly

from ..data_pipelines.encoding.fields import TableEncoding
from .cli import program_flags, run_command
from .scoring.files import STANDARD_INPUT, found_files, table_files
from .scoring.inputs import (
    check_table_flags,
    define_model_flags,
    define_table_flags,
    encoding_folder,
    run_path,
    source_of,
)
from .scoring.output import check_output, written_table
from .scoring.rows import encoded_chunks, table_to_score

FLAGS = program_flags()
define_model_flags(FLAGS)
flags.DEFINE_string(
    "table", None, "The rows: a file or URL, a folder or pattern of files, or - for standard input.", flag_values=FLAGS
)
flags.DEFINE_string(
    "output", None, "The file or URL to write, .csv or .parquet, or - for CSV on standard output.", flag_values=FLAGS
)
flags.DEFINE_list(
    "id",
    None,
    "Columns that name the rows, separated by commas. They are copied unchanged. By default the `id` of the schema; "
    "without one, rows are numbered from 1.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "explain",
    None,
    "Number of fields or pairs to write for each row: those that add most to its logit.",
    1,
    flag_values=FLAGS,
)
define_table_flags(FLAGS)
flags.DEFINE_integer("batch_size", None, "Rows per batch; by default 8,192.", 1, flag_values=FLAGS)
flags.DEFINE_bool("overwrite", False, "Replace an existing output.", flag_values=FLAGS)


def main(argv: list[str]) -> None:
    """Score what the flags request."""
    if len(argv) > 1:
        raise ValueError(f"Unknown argument '{argv[1]}'. Pass everything as flags, such as --table=new.csv.")
    _check_flags()
    path = run_path(FLAGS.workdir, FLAGS.model)
    encoding = TableEncoding.load(encoding_folder(path, FLAGS.encoding))
    tables = [] if FLAGS.table == STANDARD_INPUT else found_files(FLAGS.table)
    check_output(FLAGS.output, tables, FLAGS.overwrite)
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    kind = encoding.table.get("kind", "csv")
    ending = f".{'csv' if kind == 'parquet' else kind}" if FLAGS.schema else ""  # else source_like knows the kind
    with table_files(FLAGS.table, sys.stdin.buffer, ending) as files:
        source = source_of(files, encoding, FLAGS.schema, FLAGS.format)
        ids = _ids(source, encoding, console)
        source = table_to_score(source, encoding, ids)
        load_keras_quietly()
        from .explained_run import load_model  # slow: these load TensorFlow
        from .scoring.score import check_names, score_chunks

        model = load_model(path, encoding.schema)
        check_names(ids, model.task, FLAGS.explain or 0)
        chunks = encoded_chunks(source, encoding, ids, FLAGS.bad_rows == "skip")
        with written_table(FLAGS.output, sys.stdout.buffer) as write:
            summary = score_chunks(
                model,
                chunks,
                write,
                title=f"{path}: predicting",
                batch_size=FLAGS.batch_size,
                reasons=FLAGS.explain or 0,
                most_skipped=FLAGS.most_skipped,
            )
    for sentence in summary.sentences():
        console.print(sentence)
    if FLAGS.output != "-":
        console.print(f"The predictions are in {FLAGS.output}")


def _check_flags():
    if FLAGS.table is None:
        raise ValueError("Which rows? Pass --table=new.csv, a folder or pattern of files, or - for standard input.")
    if FLAGS.output is None:
        raise ValueError("Where to? Pass --output=scores.csv or .parquet, or - for CSV on standard output.")
    check_table_flags(FLAGS)
    if FLAGS.explain and FLAGS.batch_size:
        raise ValueError("--batch_size has no effect with --explain, which has small batches. Leave one out.")


def _ids(source, encoding, console):
    """Return the columns that name the rows."""
    if FLAGS.id is not None:
        return FLAGS.id
    name = encoding.roles.id
    if name is None:
        return []
    if name not in source.columns():
        console.print(f"The table has no column '{name}', the id of the training rows. Its rows are numbered instead.")
        return []
    return [name]


def run() -> None:
    """Start `ctrzoo-predict`: an expected failure prints one line to standard error, with exit code 1."""
    interrupted = "interrupted; rerun the command to start again"
    run_command("ctrzoo-predict", main, FLAGS, __doc__, interrupted, urls=("table", "output", "schema"))


if __name__ == "__main__":
    run()
