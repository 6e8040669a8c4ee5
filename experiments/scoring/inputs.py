"""How cells become ids for a model, and how the files of a table to score are written."""

from __future__ import annotations

import json
import pathlib
import typing
from collections.abc import Sequence

from ...data_pipelines.encoding.fields import ENCODING_FILE
from ...data_pipelines.preparation.table import read_schema, table_source
from ...data_pipelines.raw.layout import source_like

if typing.TYPE_CHECKING:
    from ...data_pipelines.encoding.fields import TableEncoding
    from .rows import FileSource

ADVICE = (
    "Pass --encoding with the prepared folder; data that were made without raw cells, such as `synthetic`, have none."
)
# The keys of a schema that say how a table is written.
LAYOUT_KEYS = ("separator", "columns", "quote", "missing", "format")


def encoding_folder(path: pathlib.Path, given: str | None = None, advice: str = ADVICE) -> pathlib.Path:
    """Return the folder that says how cells become ids: the one given, the run's copy, or the prepared data.

    Args:
        path: The folder of a run, or the file of a saved model.
        given: The folder that the user names.
        advice: What the user may do if there is no encoding.

    Raises:
        FileNotFoundError: If there is no encoding.
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
    try:  # runs of version 0.1 keep no copy
        prepared = json.loads((folder / "experiment.json").read_text(encoding="utf-8"))["data"]["folder"]
        if (pathlib.Path(prepared) / ENCODING_FILE).is_file():
            return pathlib.Path(prepared)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise FileNotFoundError(f"{folder / 'encoding'} not found, which says how cells become ids. {advice}")


def ending_of_text(encoding: TableEncoding, schema: str | None) -> str:
    """Return what to call text on the standard input, such as `".csv"`; `""` if `source_of` knows its kind.

    Args:
        encoding: The encoding of the model.
        schema: The schema that says how the table is written, or None.
    """
    kind = encoding.table.get("kind", "csv")
    return f".{'csv' if kind == 'parquet' else kind}" if schema else ""


def source_of(
    files: Sequence[pathlib.Path], encoding: TableEncoding, schema: str | None = None, kind: str | None = None
) -> FileSource:
    """Return a source of files that are written as a schema says, or like the table of an encoding.

    Args:
        files: The files.
        encoding: The encoding of the model.
        schema: A file whose `LAYOUT_KEYS` say how the table is written, or None.
        kind: The kind of the files, if neither their names nor the table of the encoding say it.

    Raises:
        ValueError: If the schema is wrong, or the files are of several kinds or an unknown one.
    """
    if schema is None:
        return source_like(files, encoding.table, kind)
    config = read_schema(schema)
    return table_source(files, (), {key: config[key] for key in LAYOUT_KEYS if key in config})
