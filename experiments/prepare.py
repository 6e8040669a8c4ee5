"""Prepare a data set: `ctrzoo-prepare`, or `python -m ctrzoo.experiments.prepare`.

For a benchmark: `ctrzoo-prepare --dataset=criteo --raw=train.txt --data_dir=data`. For your own table, draft a schema
with `ctrzoo-prepare --table=clicks.csv --schema=schema.yaml --infer_schema`, edit it, and rerun the command without
`--infer_schema`. Rerun an interrupted command to resume it. `--report=FOLDER` writes the page `report.html` for an
already prepared folder.
"""

from __future__ import annotations

import functools
import json
import pathlib
import shlex
from typing import Any

from absl import flags
from rich.console import Console

from ctrzoo.stores import as_path, is_url

from .. import data_pipelines
from ..data_pipelines.preparation.report import REPORT_FILE, tables_of
from ..data_pipelines.preparation.report_page import write_page
from ..data_pipelines.preparation.schema_draft import check_absent, draft_table, write_draft
from ..data_pipelines.preparation.table import name_of_table, prepare_own_table
from ..data_pipelines.spark.files import prepare_files, prepare_source, source_and_plan
from ..data_pipelines.spark.session import session_of
from ..data_pipelines.storage.checksums import PAGE_FILE
from .cli import DATA_DIR_HELP, data_dir, program_flags, run_command
from .settings import parse_assignment

# How a separator that the shell does not pass as such may be written.
SPELLED = {"\\t": "\t", "tab": "\t", "\\x01": "\x01"}
SPARK = "--engine=spark, which reads stores as DataFrames (`ctrzoo.data_pipelines.spark`)"
# The flags that may name objects in a store, or are addresses of something else.
URLS = ("table", "valid_table", "test_table", "schema", "data_dir", "extend", "raw", "master", "spark")
FLAGS = program_flags()
flags.DEFINE_string("dataset", None, f"A benchmark: {', '.join(data_pipelines.DATASETS)}.", flag_values=FLAGS)
flags.DEFINE_string("raw", None, "The raw file or folder of the benchmark.", flag_values=FLAGS)
flags.DEFINE_enum(
    "protocol",
    None,
    ["reference", "clean", "next_movie", "history"],
    "How the benchmark is prepared; history is for movielens_1m.",
    flag_values=FLAGS,
)
flags.DEFINE_multi_string("set", [], "key=value for an option of the benchmark; repeatable.", flag_values=FLAGS)
flags.DEFINE_string(
    "table",
    None,
    "Your own table: a file, or a pattern such as 'logs/*.parquet' or 's3://bucket/*.parquet'.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "valid_table", None, "The table's validation rows, if they are in separate files.", flag_values=FLAGS
)
flags.DEFINE_string("test_table", None, "The table's test rows, if they are in separate files.", flag_values=FLAGS)
flags.DEFINE_string("schema", None, "The schema of the table, in JSON or YAML.", flag_values=FLAGS)
flags.DEFINE_bool("infer_schema", False, "Draft the schema from the table and stop.", flag_values=FLAGS)
flags.DEFINE_string(
    "label", None, "With --infer_schema, the label column, instead of the one that it finds.", flag_values=FLAGS
)
flags.DEFINE_string(
    "separator",
    None,
    "With --infer_schema, the character between columns, instead of the one that it finds.",
    flag_values=FLAGS,
)
flags.DEFINE_string("name", None, "Name of the table's data set; by default that of the file.", flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Seed for the split and the order of the table's rows.", flag_values=FLAGS)
flags.DEFINE_enum("bad_rows", "error", ["error", "skip"], "What to do with malformed rows.", flag_values=FLAGS)
flags.DEFINE_float(
    "most_skipped",
    None,
    "The largest share of a table's rows that --bad_rows=skip may leave out, 0 to 1; by default 0.05.",
    flag_values=FLAGS,
)
flags.DEFINE_bool(
    "keep_counts",
    False,
    "Keep the counts of the table's rare values too, so that --extend can add to them.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "extend",
    None,
    "The path or name of a prepared folder. Values keep the ids that they have there, counts are added to its counts, "
    "and new values get new ids. The folder stays as it is.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "expire",
    None,
    "With --extend, drop values that did not occur in this number of extensions, including this one.",
    1,
    flag_values=FLAGS,
)
flags.DEFINE_enum(
    "engine", "local", ["local", "spark"], "What prepares the table: this machine, or Apache Spark.", flag_values=FLAGS
)
flags.DEFINE_string(
    "master",
    None,
    "With --engine=spark, where it runs: such as local[4], spark://host:7077 or yarn; by default local[*].",
    flag_values=FLAGS,
)
flags.DEFINE_multi_string(
    "spark",
    [],
    "With --engine=spark, a setting of Spark, such as spark.executor.memory=4g; repeatable.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "report",
    None,
    "The path or name of a prepared folder to write report.html for; nothing is prepared.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "data_dir", None, f"Where to write prepared data, of a table also s3://...; {DATA_DIR_HELP}", flag_values=FLAGS
)
flags.DEFINE_bool(
    "overwrite", False, "Replace an earlier preparation, which stays until the new one is complete.", flag_values=FLAGS
)


def main(argv: list[str]) -> None:
    """Prepare what the flags request."""
    if len(argv) > 1:
        raise ValueError(f"Unknown argument '{argv[1]}'. Pass everything as flags, such as --dataset=criteo.")
    console = Console(highlight=False, markup=False, soft_wrap=True)
    if FLAGS.report is not None:
        _refuse("--report, which prepares nothing", [name for name in FLAGS if name not in ("report", "data_dir")])
        console.print(f"Open {write_page(_folder_of(FLAGS.report))}")
        return
    if (FLAGS.dataset is None) == (FLAGS.table is None):
        raise ValueError("Pass either --dataset for a benchmark or --table for your own table. See --help.")
    folder = _prepare_benchmark() if FLAGS.dataset else _prepare_table(console)
    if folder is None:
        return
    report = folder / REPORT_FILE
    for table in tables_of(json.loads(report.read_text(encoding="utf-8"))) if report.is_file() else ():
        console.print(table)
    if _has_page(folder, console):
        console.print(f"The report to read is {folder / PAGE_FILE}")
    console.print(f"The data are in {folder}: {_next_command(folder)}")


def _has_page(folder, console):
    """Return whether a folder has its page; a folder of an earlier version or of synthetic data gets it now."""
    try:
        return (folder / PAGE_FILE).is_file() or write_page(folder).is_file()
    except OSError as error:  # such as on a disk that cannot be written to; the data are fine
        console.print(f"The page {folder / PAGE_FILE} could not be written: {error.strerror}")
        return False


def _next_command(folder):
    """Return the command that trains on the prepared data."""
    given = [f"--data_dir={FLAGS.data_dir}"] if FLAGS["data_dir"].present else []
    if not FLAGS.dataset:
        if is_url(folder) or folder.name in data_pipelines.DATASETS:  # the name stands for a benchmark
            return shlex.join(["ctrzoo-train", f"--dataset={folder}"])
        return shlex.join(["ctrzoo-train", f"--dataset={folder.name}", *given])
    defaults = data_pipelines.options_of(FLAGS.dataset)
    flag = {"protocol": "--"}
    options = [f"{flag.get(key, '--set=')}{key}={value}" for key, value in _options().items() if value != defaults[key]]
    return shlex.join(["ctrzoo-train", f"--dataset={FLAGS.dataset}", *given, *options])


def _prepare_benchmark():
    only_tables = ("valid_table", "test_table", "schema", "infer_schema", "label", "separator", "name", "seed")
    _local("--dataset", "data_dir")
    only_tables += ("keep_counts", "extend", "expire")
    _refuse("--dataset", (*only_tables, "most_skipped"))
    _check_engine()
    options: Any = {"raw": FLAGS.raw, "overwrite": FLAGS.overwrite, **_options()}
    folder = data_dir(FLAGS.data_dir)
    if FLAGS.engine == "local":
        return data_pipelines.prepare(FLAGS.dataset, folder, **options)
    _local(SPARK, "raw")
    data_pipelines.check_engine(FLAGS.dataset)  # before Spark starts
    with session_of(FLAGS.master or "local[*]", FLAGS.spark) as session:
        engine = functools.partial(prepare_source, session)
        return data_pipelines.prepare(FLAGS.dataset, folder, engine=engine, **options)


def _check_engine():
    if FLAGS.engine == "local":
        _refuse("--engine=local; they are for --engine=spark", ("master", "spark"))


def _options():
    options = dict(parse_assignment(text) for text in FLAGS.set)
    known = data_pipelines.options_of(FLAGS.dataset)
    for key, value in (("protocol", FLAGS.protocol), ("bad_rows", FLAGS.bad_rows)):
        if value is not None and (key in known or value not in (None, "error")):
            options[key] = value
    return options


def _prepare_table(console):
    _refuse("--table", ("raw", "protocol", "set"))
    if FLAGS.schema is None and FLAGS.extend is None:
        raise ValueError("A table needs --schema. Draft one with --infer_schema --schema=schema.yaml.")
    if FLAGS.infer_schema:
        _local("--infer_schema, whose draft is to be edited", "schema")
    _check_engine()
    if FLAGS.engine == "spark":
        _local(SPARK, "table", "valid_table", "test_table", "data_dir")
        _refuse("--engine=spark", ("infer_schema", "keep_counts", "extend", "expire"))
    if FLAGS.infer_schema:
        _refuse("--infer_schema, which prepares nothing", ("keep_counts", "extend", "expire"))
        _draft(console)
        return None
    _refuse("a schema that exists, which names them", ("label", "separator"))
    tables = {"train": FLAGS.table, "valid": FLAGS.valid_table, "test": FLAGS.test_table}
    tables = {split: path for split, path in tables.items() if path}
    name = FLAGS.name or name_of_table(FLAGS.table)
    folder = (as_path(FLAGS.data_dir) if is_url(FLAGS.data_dir) else data_dir(FLAGS.data_dir)) / name
    if FLAGS.engine == "spark":
        schema: Any = FLAGS.schema
        given: Any = {key: FLAGS[key].value for key in ("bad_rows", "most_skipped", "seed", "overwrite")}
        paths = tables if len(tables) > 1 else FLAGS.table
        source_and_plan(paths, schema, given["seed"])  # says what is wrong before Spark starts
        with session_of(FLAGS.master or "local[*]", FLAGS.spark) as session:
            prepare_files(session, paths, schema, folder, name=name, **given)
        return folder
    arguments = {
        "bad_rows": FLAGS.bad_rows,
        "most_skipped": FLAGS.most_skipped,
        "seed": FLAGS.seed,
        "overwrite": FLAGS.overwrite,
        "keep_counts": FLAGS.keep_counts,
        "extend": FLAGS.extend and _folder_of(FLAGS.extend),
        "expire": FLAGS.expire,
    }
    prepare_own_table(folder, name, tables if len(tables) > 1 else FLAGS.table, FLAGS.schema, **arguments)
    return folder


def _folder_of(given):
    """Return the path of a prepared folder that is given as such, or by its name among the prepared data."""
    if is_url(given):
        return as_path(given)
    named = data_dir(FLAGS.data_dir) / given
    return named if not pathlib.Path(given).exists() and named.is_dir() else pathlib.Path(given)


def _draft(console):
    """Write the draft of a schema and say why it is so."""
    check_absent(FLAGS.schema)
    separator = FLAGS.separator and SPELLED.get(FLAGS.separator, FLAGS.separator)
    drafted = draft_table(FLAGS.table, separator, FLAGS.label)
    if FLAGS.valid_table or FLAGS.test_table:
        del drafted.schema["split"]  # the files determine it
    write_draft(drafted, FLAGS.schema)
    is_json = FLAGS.schema.endswith(".json")  # which has no comments
    for name, reason in drafted.reasons.items():
        if is_json or reason.startswith("left out"):
            console.print(f"{name or '(no name)'}: {reason}", markup=False)
    for note in drafted.notes:
        console.print(note, markup=False)
    label = drafted.schema["label"]
    column = label if isinstance(label, str) else label["column"]
    fields = f"{len(drafted.schema['fields'])} fields"
    why = "" if is_json else "; comments say why"
    console.print(f"{FLAGS.schema}: label '{column}', {fields}{why}. Edit it before use.", markup=False)


def _refuse(what, names):
    """Raise an error for flags that do not apply to what is prepared."""
    given = [f"--{name}" for name in names if FLAGS[name].present]
    if given:
        raise ValueError(
            f"{' and '.join(given)} cannot be used with {what}. Leave them out; --help explains each flag."
        )


def _local(what, *names):
    for name in names:
        if is_url(FLAGS[name].value):
            raise ValueError(f"With {what}, --{name} must be a local path. Received: {FLAGS[name].value}.")


def run() -> None:
    """Start `ctrzoo-prepare`: an expected failure prints one line to standard error, with exit code 1."""
    interrupted = "interrupted; rerun the command to resume"
    run_command("ctrzoo-prepare", main, FLAGS, __doc__, interrupted, urls=URLS)


if __name__ == "__main__":
    run()
