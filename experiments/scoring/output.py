"""Tables of predictions, written part by part: CSV or Parquet, in a file or on the standard output."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as parquet

from ctrzoo.stores import as_path, check_writable, is_url, reaching, written

STANDARD_OUTPUT = "-"
ENDINGS = (".csv", ".parquet")


def check_output(output: str, tables: Sequence[pathlib.Path], overwrite: bool) -> None:
    """Refuse an output before any work is done.

    Args:
        output: The file or object to write, or `"-"` for the standard output.
        tables: The files that are read.
        overwrite: Whether an existing file may be replaced.

    Raises:
        FileExistsError: If the file exists and must not be replaced.
        FileNotFoundError: If its folder does not exist.
        OSError: If its store cannot be reached, or refuses.
        ValueError: If its ending is neither `.csv` nor `.parquet`, or it is one of the files that are read.
    """
    if output == STANDARD_OUTPUT:
        return
    path = as_path(output)
    if path.suffix not in ENDINGS:
        raise ValueError(
            f"The output must end in {' or '.join(ENDINGS)}, or be - for the standard output. Got: {output}."
        )
    if not is_url(path) and not path.parent.is_dir():
        raise FileNotFoundError(f"The folder {path.parent} of the output does not exist. Make it, or correct the path.")
    with reaching(path):
        if path.is_dir():
            raise ValueError(f"{path} is a folder. Pass the name of a file in it.")
        if any(_are_same(path, table) for table in tables):
            raise ValueError(f"{path} is the table itself. Write the predictions to another file.")
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists. Pass --overwrite to replace it, or choose another --output.")
    if is_url(path):
        check_writable(path)


def _are_same(path, table):
    if is_url(path) or is_url(table):
        return str(path) == str(table)
    return path.exists() and table.exists() and path.samefile(table)


@contextlib.contextmanager
def written_table(output: str, stdout: BinaryIO) -> Iterator[Callable[[pa.Table], None]]:
    """Yield a function that appends rows; a file gets its name only when it is complete.

    Args:
        output: The file or object to write, or `"-"` for CSV on the standard output.
        stdout: The standard output.
    """
    if output == STANDARD_OUTPUT:
        yield _csv_writer(stdout)
        stdout.flush()
    elif output.endswith(".csv"):
        with written(output) as temporary, open(temporary, "wb") as file:
            yield _csv_writer(file)
            file.flush()
    else:
        with written(output) as temporary:
            writers: list[parquet.ParquetWriter] = []

            def write(table):
                if not writers:
                    writers.append(parquet.ParquetWriter(temporary, table.schema))
                writers[0].write_table(table.cast(writers[0].schema))

            try:
                yield write
            finally:
                for writer in writers:
                    writer.close()


def _csv_writer(file):
    is_first = True

    def write(table):
        nonlocal is_first
        try:
            pl.DataFrame(pl.from_arrow(table)).write_csv(file, include_header=is_first)
        except pl.exceptions.ComputeError as error:
            raise ValueError(f"A column cannot be written as CSV ({error}). Write to a .parquet file.") from None
        is_first = False

    return write
