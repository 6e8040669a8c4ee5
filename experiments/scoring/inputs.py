"""What a program is given to compute predictions: the folder of a run or a saved model, its encoding, a raw table."""

from __future__ import annotations

import json
import pathlib
import typing
from collections.abc import Sequence

from absl import flags

from ctrzoo.stores import as_path

from ...data_pipelines.encoding.fields import ENCODING_FILE
from ...data_pipelines.preparation.table import read_schema, table_source
from ...data_pipelines.raw.layout import KINDS, source_like

if typing.TYPE_CHECKING:
    from ...data_pipelines.encoding.fields import TableEncoding
    from .rows import FileSource

# The keys of a schema that say how a table is written.
LAYOUT_KEYS = ("separator", "columns", "quote", "missing", "format")


def run_path(workdir: str | None, model: str | None) -> pathlib.Path:
    """Return the folder of a run or the file of a model, whichever is given.

    Args:
        workdir: What `--workdir` says.
        model: What `--model` says.

    Raises:
        ValueError: If both or neither are given.
        FileNotFoundError: If there is no model.
    """
    if (workdir is None) == (model is None):
        raise ValueError("Which model? Pass either --workdir=runs/... of a run or --model=....keras of a saved model.")
    path = pathlib.Path(workdir or model or "")
    file = path / "model.keras" if workdir else path
    if not file.is_file():
        what = "--workdir needs the folder of a finished run" if workdir else "--model needs a .keras file"
        raise FileNotFoundError(f"Train a run first: {file} not found. {what}.")
    return path


def encoding_folder(path: pathlib.Path, given: str | None) -> pathlib.Path:
    """Return the folder that says how cells become ids, see `known_encoding`.

    Args:
        path: What `run_path` returned.
        given: What `--encoding` says.

    Raises:
        FileNotFoundError: If there is none.
    """
    folder = known_encoding(path, given)
    if folder is None:
        missing = (path.parent if path.is_file() else path) / "encoding"
        raise FileNotFoundError(
            f"{missing} not found, which says how cells become ids. Pass --encoding with the prepared folder; data "
            "that were made without raw cells, such as `synthetic`, have none."
        )
    return folder


def known_encoding(path: pathlib.Path, given: str | None) -> pathlib.Path | None:
    """Return the folder of an encoding: the one given, the run's copy, or the prepared data; None if there is none.

    Args:
        path: What `run_path` returned.
        given: What `--encoding` says.

    Raises:
        FileNotFoundError: If the folder that is given has none.
    """
    if given:
        if not (pathlib.Path(given) / ENCODING_FILE).is_file():
            raise FileNotFoundError(
                f"{pathlib.Path(given) / ENCODING_FILE} not found. --encoding needs a folder with an encoding."
            )
        return pathlib.Path(given)
    folder = path.parent if path.is_file() else path
    if (folder / "encoding" / ENCODING_FILE).is_file():
        return folder / "encoding"
    prepared = prepared_folder(folder)  # runs of version 0.1 keep no copy
    if prepared and (prepared / ENCODING_FILE).is_file():
        return prepared
    return None


def prepared_folder(run: pathlib.Path) -> pathlib.Path | None:
    """Return the prepared folder that a run read, if the run says so."""
    try:
        return as_path(json.loads((run / "experiment.json").read_text(encoding="utf-8"))["data"]["folder"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def source_of(
    files: Sequence[pathlib.Path], encoding: TableEncoding, schema: str | None, kind: str | None
) -> FileSource:
    """Return a source of the rows of files, written as a schema says, or like the table of an encoding.

    Args:
        files: The files.
        encoding: The encoding.
        schema: The path of a schema, or None.
        kind: The kind of the files, if neither their names nor the encoding say it.
    """
    if schema is None:
        return source_like(files, encoding.table, kind)
    config = read_schema(schema)
    return table_source(files, (), {key: config[key] for key in LAYOUT_KEYS if key in config})


def define_model_flags(values: flags.FlagValues) -> None:
    """Define the flags of programs that read a run or a saved model: --workdir, --model, --encoding."""
    flags.DEFINE_string("workdir", None, "The folder of a finished ctrzoo-train run.", flag_values=values)
    flags.DEFINE_string("model", None, "A saved model (.keras) instead of --workdir.", flag_values=values)
    flags.DEFINE_string(
        "encoding",
        None,
        "The folder of the encoding, or the prepared folder; by default `encoding` next to the model.",
        flag_values=values,
    )


def define_table_flags(values: flags.FlagValues) -> None:
    """Define the flags of programs that score the rows of a table: --bad_rows, --most_skipped, --format, --schema."""
    flags.DEFINE_enum("bad_rows", "error", ["error", "skip"], "What to do with malformed rows.", flag_values=values)
    flags.DEFINE_float(
        "most_skipped",
        None,
        "The largest share of the rows that --bad_rows=skip may leave out, 0 to 1; by default 0.05.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "format",
        None,
        KINDS,
        "The kind of the table, if neither the names of its files nor the training table say it.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "schema",
        None,
        "A schema (JSON or YAML) whose separator, columns, quote, missing and format say how the table is written; by "
        "default like the training table.",
        flag_values=values,
    )


def check_table_flags(values: flags.FlagValues) -> None:
    """Check what was given for `define_table_flags`.

    Raises:
        ValueError: If flags contradict each other, or the share of rows to skip is none.
    """
    if values.most_skipped is not None and values.bad_rows != "skip":
        raise ValueError("--most_skipped is for --bad_rows=skip, which skips rows. Pass both, or neither.")
    if values.most_skipped is not None and not 0 <= values.most_skipped <= 1:
        raise ValueError(f"--most_skipped must be a share of the rows, 0 to 1. Received: {values.most_skipped}.")
    if values.format and values.schema:
        raise ValueError("--schema says how the table is written. Leave out --format, or the schema.")
