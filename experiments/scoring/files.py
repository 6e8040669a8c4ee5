"""The files of a table to score: one, a folder or pattern of parts, or the standard input."""

from __future__ import annotations

import contextlib
import glob
import pathlib
import shutil
from collections.abc import Iterator
from typing import BinaryIO

from ctrzoo.stores import as_path, is_url, matching, reaching
from ctrzoo.unfinished import temporary_folder

from ...data_pipelines.raw.layout import kind_of

STANDARD_INPUT = "-"
# Files that begin so need an ending that says it: the names of others do not matter.
ENDINGS = {b"PAR1": ".parquet", b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst", b"BZh": ".bz2", b"PK\x03\x04": ".zip"}


@contextlib.contextmanager
def table_files(table: str, stdin: BinaryIO, ending: str = "") -> Iterator[list[pathlib.Path]]:
    """Yield the files of a table, in the order of their rows.

    The standard input is copied to a temporary file first: formats such as Parquet are not read from front to back.

    Args:
        table: A path, a folder of parts, a pattern such as `"logs/*.parquet"`, or `"-"` for the standard input.
        stdin: The standard input.
        ending: What to call text on the standard input, such as `".csv"`.

    Raises:
        FileNotFoundError: If nothing is there.
        ValueError: If a folder has no file of a table. Within the context, errors of files that name the temporary file
            name the standard input instead.
    """
    if table != STANDARD_INPUT:
        yield found_files(table)
        return
    with temporary_folder("standard-input") as folder:
        path = _spooled(stdin, folder / f"rows{ending}")
        try:
            yield [path]
        except (ValueError, OSError) as error:
            if str(path) not in str(error):
                raise
            raise ValueError(str(error).replace(str(path), "standard input")) from None


def found_files(table: str) -> list[pathlib.Path]:
    """Return the files that a path, folder or pattern stands for, sorted by name.

    Of a folder, those are the files whose names end like tables; hidden ones and those that begin with an underscore,
    such as `_SUCCESS`, are no parts.

    Raises:
        FileNotFoundError: If nothing is there.
        ValueError: If a folder has no file of a table.
    """
    path = as_path(table) if is_url(table) else pathlib.Path(table).expanduser()
    with reaching(path):
        return _found(path)


def _found(path):
    if path.is_dir():
        parts = sorted(
            part for part in path.iterdir() if part.is_file() and part.name[0] not in "._" and _is_table(part)
        )
        if not parts:
            raise ValueError(f"The folder {path} has no file that ends like a table, such as .csv or .parquet.")
        return parts
    if path.exists() or not glob.has_magic(str(path)):
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist. Correct the path.")
        return [path]
    found = matching(path)
    if not found:
        raise FileNotFoundError(f"{path} matches no file. Correct the path.")
    return found


def _is_table(path):
    try:
        kind_of(path)
    except ValueError:
        return False
    return True


def _spooled(stdin, path):
    """Copy the standard input to a file whose name says how it is compressed, or that it is Parquet."""
    first = stdin.read(4)
    ending = next((ending for start, ending in ENDINGS.items() if first.startswith(start)), "")
    path = path.with_name("rows.parquet" if ending == ".parquet" else path.name + ending)
    with open(path, "wb") as file:
        file.write(first)
        shutil.copyfileobj(stdin, file, 1 << 20)
    return path
