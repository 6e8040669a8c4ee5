"""Export a trained model for serving: `ctrzoo-export`, or `python -m ctrzoo.experiments.export`.

`ctrzoo-export --workdir=runs/mine --to=savedmodel,onnx,litert,embeddings --table=clicks.csv --output=exported` writes
a folder for each form. Each form is read back and compared with the model before it is put there.
"""

from __future__ import annotations

import pathlib

from absl import flags
from rich.console import Console

from ctrzoo.startup import load_keras_quietly
from ctrzoo.suggest import unknown

from ..data_pipelines.encoding.fields import TableEncoding
from ..data_pipelines.raw.layout import KINDS
from .cli import program_flags, run_command
from .exporting.differences import TOLERANCE
from .exporting.rows import rows_of_split, rows_of_table
from .exporting.staging import check_folders, recover
from .scoring.files import found_files
from .scoring.inputs import define_model_flags, encoding_folder, known_encoding, prepared_folder, run_path, source_of
from .scoring.rows import table_to_score

FORMS = ("savedmodel", "onnx", "litert", "embeddings")
FLAGS = program_flags()
define_model_flags(FLAGS)
flags.DEFINE_list("to", None, f"The forms to write, separated by commas: {', '.join(FORMS)}.", flag_values=FLAGS)
flags.DEFINE_string("output", None, "The folder to write; each form is a folder in it.", flag_values=FLAGS)
flags.DEFINE_string(
    "table",
    None,
    "Raw rows to check on: a file, or a folder or pattern of files. A SavedModel, which reads raw cells, needs it. "
    "By default, other forms are checked on test rows of the run's data.",
    flag_values=FLAGS,
)
flags.DEFINE_enum(
    "format",
    None,
    KINDS,
    "The kind of the table, if neither its name nor the training table says it.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "schema",
    None,
    "A schema that says how the table is written; by default like the training table.",
    flag_values=FLAGS,
)
flags.DEFINE_integer("check_rows", 1000, "Maximum number of rows to check on.", 1, flag_values=FLAGS)
flags.DEFINE_float(
    "tolerance",
    TOLERANCE,
    "The largest allowed difference from the model; relative for outputs above 1.",
    0,
    flag_values=FLAGS,
)
flags.DEFINE_bool("overwrite", False, "Replace existing exports.", flag_values=FLAGS)


def main(argv: list[str]) -> None:
    """Export what the flags request."""
    if len(argv) > 1:
        raise ValueError(f"Unknown argument '{argv[1]}'. Pass everything as flags, such as --to=savedmodel.")
    _check_flags()
    path, output = run_path(FLAGS.workdir, FLAGS.model), pathlib.Path(FLAGS.output)
    recover(output)
    check_folders(output, FLAGS.to, FLAGS.overwrite)
    files = found_files(FLAGS.table) if FLAGS.table else []
    folder = (encoding_folder if files else known_encoding)(path, FLAGS.encoding)
    encoding = TableEncoding.load(folder) if folder else None
    if encoding and not files and "savedmodel" in FLAGS.to:
        raise ValueError(
            "A SavedModel reads raw cells, so it is checked on raw rows. Pass some as --table, such as the table that "
            "was prepared, or leave savedmodel out of --to."
        )
    source = _source(files, encoding)
    data = "" if files else _data_folder(path)
    load_keras_quietly()
    from ..data_pipelines import load  # slow: these load TensorFlow
    from .explained_run import load_model
    from .exporting.onnx_file import check_onnx_is_installed
    from .exporting.write import export

    if "onnx" in FLAGS.to:
        check_onnx_is_installed()
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    if encoding and source:
        schema, rows = encoding.schema, rows_of_table(source, encoding, FLAGS.check_rows)
    else:
        prepared = load(data)
        schema, rows = prepared.schema, rows_of_split(prepared, FLAGS.check_rows)
    model = load_model(path, schema)
    for sentence in export(model, encoding, rows, FLAGS.to, output, FLAGS.tolerance):
        console.print(sentence)


def _check_flags():
    if not FLAGS.to:
        raise ValueError(f"Which form? Pass --to with one or more of {', '.join(FORMS)}, separated by commas.")
    for form in FLAGS.to:
        if form not in FORMS:
            raise ValueError(unknown("form", form, FORMS))
    if len(set(FLAGS.to)) < len(FLAGS.to):
        raise ValueError(f"--to names a form twice. Received: {','.join(FLAGS.to)}.")
    if FLAGS.output is None:
        raise ValueError("Where to? Pass --output=exported, a folder.")
    if FLAGS.table is None and (FLAGS.format or FLAGS.schema):
        raise ValueError("--format and --schema say how a --table is written. Pass one, or leave them out.")
    if FLAGS.format and FLAGS.schema:
        raise ValueError("--schema says how the table is written. Leave out --format, or the schema.")


def _source(files, encoding):
    if not files or encoding is None:
        return None
    return table_to_score(source_of(files, encoding, FLAGS.schema, FLAGS.format), encoding, [])


def _data_folder(path):
    """Return the prepared folder of a run, whose test rows are checked on."""
    folder = prepared_folder(path) if path.is_dir() else None
    if folder is None or not folder.is_dir():
        what = f"{folder}, which the run read, is not there" if folder else f"{path} does not say which data it read"
        raise FileNotFoundError(f"{what}, so there are no rows to check on. Pass some raw rows as --table.")
    return folder


def run() -> None:
    """Start `ctrzoo-export`: an expected failure prints one line to standard error, with exit code 1."""
    run_command("ctrzoo-export", main, FLAGS, __doc__, "interrupted; nothing was written", urls=("table", "schema"))


if __name__ == "__main__":
    run()
